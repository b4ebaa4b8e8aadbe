package decode

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Stage is the stage that errors of this package name.
const Stage = "decode"

// The reasons of an [Error]. They are stable: people filter and alert on them.
const (
	ReasonMalformedJSON = "malformed_json" // not JSON, or more than one value
	ReasonTooLarge      = "too_large"      // more than SizeMax bytes
	ReasonTooDeep       = "too_deep"       // more than DepthMax objects and arrays inside each other
	ReasonNotAnObject   = "not_an_object"  // JSON, but no object
	ReasonMissingField  = "missing_field"  // a required field is absent or null
	ReasonWrongType     = "wrong_type"     // a declared field has a value of another type
	ReasonOutOfRange    = "out_of_range"   // a number, int or time that its type can't hold
)

// Error says why a record is no event of its source.
type Error struct {
	Stage   string // always [Stage]
	Reason  string // one of the Reason constants
	Source  string // the source's name; empty when the record did not get so far
	Field   string // the declared field; empty when the fault is not in one
	Offset  int    // byte in the record's value, from 0
	Message string // place, cause and cure
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// excerptMax bounds what a message quotes of a record: enough to recognise the value.
const excerptMax = 40

// excerpt quotes the start of b for people.
func excerpt(b []byte) string {
	if len(b) <= excerptMax {
		return string(strconv.AppendQuote(nil, string(b)))
	}
	cut := excerptMax
	for cut > excerptMax-utf8.UTFMax && !utf8.RuneStart(b[cut]) {
		cut--
	}
	return strconv.Quote(string(b[:cut])) + "…"
}

// recordError is an error about a record as a whole.
func recordError(reason string, offset int, cause, cure string) *Error {
	return &Error{Stage: Stage, Reason: reason, Offset: offset, Message: fmt.Sprintf("byte %d: %s; %s", offset, cause, cure)}
}

// fieldError is an error about one declared field.
func fieldError(p *plan, f *field, reason string, offset int, cause, cure string) *Error {
	return &Error{
		Stage: Stage, Reason: reason, Source: p.source.Name, Field: f.decl.Name, Offset: offset,
		Message: fmt.Sprintf("source %q, field %q, byte %d: %s; %s", p.source.Name, f.decl.Name, offset, cause, cure),
	}
}
