package task

import (
	"encoding/binary"

	"insolite/internal/event"
)

// note is what a task leaves in the store for whoever takes it over, should the process die. Each recovery writes it.
type note struct {
	writer  uint64         // which Task has written it: one that finds its own note knows that the process has not died
	at      event.Position // X, when the last recovery found it
	lives   uint32         // recoveries that found X there, after a process that may have died
	care    care
	until   event.Offset // care ends when X has come to it
	mark    span         // what is being stepped; empty: nothing that is watched
	suspect span         // what was being stepped when the process died
	deaths  uint32       // while exactly suspect was being stepped
}

// care is how carefully a task steps.
type care uint8

// The degrees of care.
const (
	usual  care = iota
	short       // commits after few records
	single      // steps one record at a time, with a mark
)

// span is a range of records.
type span struct {
	from, to event.Offset
	replay   bool // they had been stepped before, and committed
}

func (s span) empty() bool { return s.from >= s.to }

// and returns what two spans have in common.
func (s span) and(o span) span {
	if s.replay != o.replay {
		return span{}
	}
	return span{max(s.from, o.from), min(s.to, o.to), s.replay}
}

// The note's bytes are the version u8 and the fields in their order, little endian.
const (
	noteVersion = 1
	noteLen     = 1 + 8 + 12 + 4 + 1 + 8 + 2*(8+8+1) + 4
)

func (n *note) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = append(dst, noteVersion)
	dst = le.AppendUint64(dst, n.writer)
	dst = le.AppendUint32(le.AppendUint64(dst, uint64(n.at.Offset)), n.at.Step)
	dst = append(le.AppendUint32(dst, n.lives), byte(n.care))
	dst = le.AppendUint64(dst, uint64(n.until))
	for _, s := range [...]span{n.mark, n.suspect} {
		dst = le.AppendUint64(le.AppendUint64(dst, uint64(s.from)), uint64(s.to))
		dst = append(dst, truth(s.replay))
	}
	return le.AppendUint32(dst, n.deaths)
}

func truth(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// parseNote reads what append wrote. What another version of the program has written is no note: only counts get lost.
func parseNote(b []byte) (n note, ok bool) {
	if len(b) != noteLen || b[0] != noteVersion {
		return note{}, false
	}
	le := binary.LittleEndian
	u64 := func(at int) uint64 { return le.Uint64(b[at:]) }
	n.writer = u64(1)
	n.at = event.Position{Offset: event.Offset(u64(9)), Step: le.Uint32(b[17:])}
	n.lives, n.care, n.until = le.Uint32(b[21:]), care(b[25]), event.Offset(u64(26))
	for i, s := range [...]*span{&n.mark, &n.suspect} {
		at := 34 + 17*i
		*s = span{event.Offset(u64(at)), event.Offset(u64(at + 8)), b[at+16] == 1}
	}
	n.deaths = le.Uint32(b[68:])
	return n, n.care <= single
}

// piece is where the next piece of a replay ends that is marked as a whole: what was being stepped when the process died is taken apart, into
// single records in the end, so that a process that is ended again and again for other reasons is not taken for one that dies of a record.
func (n *note) piece(at, to event.Offset) event.Offset {
	s := n.suspect
	switch {
	case !s.replay || at >= s.to:
		return to
	case at < s.from:
		return min(to, s.from)
	}
	return min(to, s.to, at+max(1, (s.to-s.from)/pieces))
}

// Bounds of care.
const (
	livesShort  = 2       // the recovery, of those that find the same X, from which on the task commits after few records
	livesSingle = 3       // and from which on it steps one record at a time
	deathsMax   = 3       // of one record, until it is excluded, or refused in a replay
	pieces      = 16      // that a suspect span of a replay is stepped in
	shortStep   = 256     // records between two commits of short steps
	shortSpan   = 1 << 19 // offsets: what was stepped in the interval of one commit, and with a margin
	singleSpan  = 2 * shortStep
)

// found is the note of a recovery that finds this one in the store, X, and the end of the log.
func (n note) found(writer uint64, x event.Position, end event.Offset) note {
	died := n.writer != writer
	n.writer = writer
	if died && !n.mark.empty() && n.mark.replay == (n.mark.from < x.Offset) { // else it was committed, and the store went back
		both := n.suspect.and(n.mark)
		if both.empty() {
			both = n.mark
		}
		if both != n.suspect {
			n.suspect, n.deaths = both, 0
		}
		n.deaths++
	}
	n.mark = span{}
	if !n.suspect.replay && n.suspect.from < x.Offset {
		n.suspect, n.deaths = span{}, 0
	}
	moved := n.at != x
	if moved {
		n.at, n.lives = x, 0
	}
	if died {
		n.lives++
	}
	n.beCareful(x.Offset, end, died && moved)
	return n
}

// beCareful decides how carefully the task steps from X on. Records that nobody can have stepped need no care.
func (n *note) beCareful(x, end event.Offset, within bool) {
	if n.care != usual && x >= n.until {
		n.care = usual
	}
	switch {
	case !n.suspect.empty() && !n.suspect.replay:
		n.care, n.until = single, max(n.until, n.suspect.to)
	case n.care == short && within, n.lives >= livesSingle && n.care != single: // the commit before is close
		n.care, n.until = single, min(x+singleSpan, end)
	case n.lives == livesShort && n.care == usual:
		n.care, n.until = short, min(x+shortSpan, end)
	}
	if x >= n.until {
		n.care = usual
	}
}
