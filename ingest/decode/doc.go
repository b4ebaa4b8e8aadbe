// Package decode turns the JSON values of one topic's records into rows of typed slots.
//
// A [Decoder] is made for the sources of one topic and belongs to one task:
//
//	d, err := decode.New(sources, wanted)
//	row := make(event.Row, d.Width())
//	for batch := range batches {
//		d.Reset()
//		for i := range batch.Records {
//			r := &batch.Records[i]
//			source, bad := d.Decode(r.Value, r.Timestamp, row)
//			switch {
//			case bad != nil: // a dead letter: bad.Reason, bad.Field, bad.Offset, bad.Message
//			case source < 0: // the record is of no source: count it
//			default: // row[slot] holds the fields of sources[source]
//			}
//		}
//	}
//
// # What is accepted
//
// The whole value must be one valid JSON object, whatever the rules read, and every declared field is checked whether it is wanted or
// not, so the verdict on a record never changes with the rules. encoding/json into a map[string]any is the judge: the last of several
// equal keys wins, also on the way to a nested field (the last object wins as a whole); keys are case-sensitive; invalid UTF-8 and lone
// surrogates become U+FFFD. Beyond [SizeMax] bytes or [DepthMax] nested objects and arrays a record is refused.
//
//	kind    accepts
//	string  a string
//	number  a number that a double can hold (1e400 is out of range, 1e-400 is 0)
//	int     a number without fraction: 1, 1.0 and 1e3; beyond 64 bits it is out of range
//	bool    true, false
//	time    without a unit: a string in RFC 3339, its offset kept; with one: a number of units since 1970, also with decimals.
//	        Decimals beyond the nanosecond are dropped. Years 1678 to 2261.
//	ip      a string with an IPv4 or IPv6 address; IPv4-mapped IPv6 is IPv4, zones are dropped
//
// null is missing, and so is a field below something that is no object. A missing required field is an error, a missing optional one
// is a missing value in its slot. A record belongs to the first source whose match holds; a source without match, of which a topic may
// have one, takes what no other source takes.
//
// When a record has several faults, the first syntax error is told; without one, the first declared field that is wrong.
//
// # How it is fast
//
// Producers write the same keys in the same order with the same spaces. The decoder learns that as a graph of steps, each the bytes
// between two values (`,"amount":`) and the type of the value that follows, and compares whole steps in place. Such bytes fix
// the structure, so values are all that is left to scan. What does not fit goes to the strict scanner, which is the only one that
// refuses a record; both give the same row for the same bytes.
//
// # Ownership
//
// Strings of a row are views into the record's value, or into an arena of the decoder when they had escapes; the latter die with the next
// Reset. A Decoder has no locks: one goroutine at a time.
package decode
