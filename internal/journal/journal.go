// Package journal is what steers a task and is not in its input: the entries of the journal topic, and the metadata of a commit, which
// names how far the journal was when the task stood there.
//
// An [Entry] belongs to one task and has a number without gaps, from 1, and a place in the task's log: it is applied when the task stands
// at Entry.At, before the record at that offset, and is a step of its own. It is written in the transaction that commits that position, and
// applied only when the transaction is committed, so that a replay finds it where it was applied the first time. The first entry fixes
// where a task began; it is no step.
//
//	key    app/topic/partition/number, so that a compacted topic keeps every entry
//	value  version u8, kind u8, number u64, offset i64, step u32, then what the kind needs, all big endian: of the first one i64 from, i64
//	       bundle and, since version 2, the topic's partitions i32; of the others one number of 64 bits
//
// A value of a newer version, or of a kind that this version does not know, is [ErrNewer]: a task that cannot do what its journal says must
// not go on. Values and functions may be used concurrently.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"insolite/internal/event"
)

// Kind says what an entry does.
type Kind uint8

// The kinds.
const (
	First   Kind = iota + 1 // the task's first start: From, Offset of At and Bundle are what it began with
	Bundle                  // from here on, the rules of Bundle are in force
	Exclude                 // the record at Excluded is passed over
	Engine                  // from here on, version Engine of the engine steps; up to here another one did
	Tick                    // what waits for an instant before Time is due, though the input is silent
)

var kindNames = [...]string{"", "first", "bundle", "exclude", "engine", "tick"}

// String returns the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// ErrNewer is returned for what a newer version of the program has written.
var ErrNewer = errors.New("written by a newer version of the program; run that version")

var errMalformed = errors.New("malformed journal entry")

// Entry is one entry of a task's journal. Of From, Bundle, Excluded, Engine and Time, those that the kind does not name are zero.
type Entry struct {
	Number   uint64
	Kind     Kind
	At       event.Position // of First: where the output begins
	From     event.Offset   // of First: where contexts begin to be built; up to At without output
	Bundle   event.Offset   // of First and Bundle: the number of the bundle
	Of       int32          // of First: how many partitions the topic had then; 0: not known
	Excluded event.Offset   // of Exclude
	Engine   uint32         // of Engine
	Time     event.Time     // of Tick
}

// Only what has changed is of the newer version, so that a program of the version before reads the rest.
const (
	entryVersion = 2 // of First, which says how many partitions there were
	entryBefore  = 1
	entryHead    = 1 + 1 + 8 + 8 + 4
)

// Key returns the record key of an entry of a task, whose name is app/topic/partition.
func Key(task string, number uint64) []byte { return fmt.Appendf(nil, "%s/%020d", task, number) }

// OfTask reports whether a record key is of an entry of the task.
func OfTask(key []byte, task string) bool {
	rest, ok := strings.CutPrefix(string(key), task+"/")
	return ok && len(rest) == 20 && strings.Trim(rest, "0123456789") == ""
}

// Append appends the entry's value.
func (e *Entry) Append(dst []byte) []byte {
	version := byte(entryBefore)
	if e.Kind == First && e.Of > 0 {
		version = entryVersion
	}
	dst = append(dst, version, byte(e.Kind))
	dst = binary.BigEndian.AppendUint64(dst, e.Number)
	dst = appendPosition(dst, e.At)
	switch e.Kind {
	case First:
		dst = binary.BigEndian.AppendUint64(dst, uint64(e.From))
		dst = binary.BigEndian.AppendUint64(dst, uint64(e.Bundle))
		if version == entryBefore {
			return dst
		}
		return binary.BigEndian.AppendUint32(dst, uint32(e.Of))
	case Bundle:
		return binary.BigEndian.AppendUint64(dst, uint64(e.Bundle))
	case Engine:
		return binary.BigEndian.AppendUint64(dst, uint64(e.Engine))
	case Tick:
		return binary.BigEndian.AppendUint64(dst, uint64(e.Time))
	}
	return binary.BigEndian.AppendUint64(dst, uint64(e.Excluded))
}

func appendPosition(dst []byte, p event.Position) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, uint64(p.Offset)), p.Step)
}

func readPosition(b []byte) event.Position {
	return event.Position{Offset: event.Offset(binary.BigEndian.Uint64(b)), Step: binary.BigEndian.Uint32(b[8:])}
}

// Parse reads what Append wrote.
func Parse(b []byte) (Entry, error) {
	if len(b) < 2 {
		return Entry{}, errMalformed
	}
	e := Entry{Kind: Kind(b[1])}
	if b[0] != entryVersion && b[0] != entryBefore || e.Kind < First || e.Kind > Tick {
		return Entry{}, fmt.Errorf("journal entry of format %d, %s: %w", b[0], e.Kind, ErrNewer)
	}
	body := 8
	switch {
	case e.Kind == First && b[0] == entryVersion:
		body = 20
	case e.Kind == First:
		body = 16
	case b[0] == entryVersion:
		return Entry{}, errMalformed
	}
	if len(b) != entryHead+body {
		return Entry{}, errMalformed
	}
	e.Number, e.At = binary.BigEndian.Uint64(b[2:]), readPosition(b[10:])
	value := event.Offset(binary.BigEndian.Uint64(b[entryHead:]))
	switch e.Kind {
	case First:
		e.From, e.Bundle = value, event.Offset(binary.BigEndian.Uint64(b[entryHead+8:]))
		if b[0] == entryVersion {
			if e.Of = int32(binary.BigEndian.Uint32(b[entryHead+16:])); e.Of <= 0 {
				return Entry{}, errMalformed
			}
		}
	case Bundle:
		e.Bundle = value
	case Engine:
		if value < 0 || value > math.MaxUint32 {
			return Entry{}, errMalformed
		}
		e.Engine = uint32(value)
	case Tick:
		e.Time = event.Time(binary.BigEndian.Uint64(b[entryHead:]))
	default:
		e.Excluded = value
	}
	return e, nil
}
