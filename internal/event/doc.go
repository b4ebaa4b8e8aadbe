// Package event holds the words that every other package speaks: instants, typed values, rows of slots, schemas, sources and positions.
//
// An event is a Kafka record decoded against the schema of its source. It travels as a [Row]: one [Value] per slot, where a slot is
// the index of a declared field (and, behind the fields, of a feature that rules read). Rows are reused from batch to batch and their
// strings are views into the fetch buffer, so whatever is kept beyond a batch must be copied.
//
// The package imports the standard library only and has no state; all of it may be used concurrently.
package event
