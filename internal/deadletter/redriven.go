package deadletter

import (
	"fmt"
	"strconv"
	"strings"

	"insolite/ingest"
	"insolite/internal/event"
)

// HeaderRedriven is on a record that came back to its topic, and on the mark that it did. It names the place of the dead letter.
const HeaderRedriven = "__insolite.redriven"

// Place is where a dead letter lies in the dead-letters topic. Its text is partition/offset.
type Place struct {
	Partition event.Partition
	Offset    event.Offset
}

// String returns partition/offset.
func (p Place) String() string { return fmt.Sprintf("%d/%d", p.Partition, p.Offset) }

func parsePlace(s string) (Place, bool) {
	partition, offset, _ := strings.Cut(s, "/")
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || p < 0 {
		return Place{}, false
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	return Place{event.Partition(p), event.Offset(o)}, err == nil && o >= 0
}

// Redriven is the record as it came, to be produced to its own topic once more, with the place of its dead letter in HeaderRedriven.
func (l *Letter) Redriven(at Place) Message {
	m := Message{Key: l.Record.Key, Value: l.Record.Value}
	for _, h := range l.Record.Headers {
		if h.Key != HeaderRedriven && !strings.HasPrefix(h.Key, Prefix) {
			m.Headers = append(m.Headers, h)
		}
	}
	m.Headers = append(m.Headers, ingest.Header{Key: HeaderRedriven, Value: []byte(at.String())})
	return m
}

// Mark is the record that says, in the dead letter's own partition, that it was redriven. It stands behind the letter, so it is not deleted
// before the letter is.
func Mark(at Place) Message {
	text := []byte(at.String())
	return Message{Key: append([]byte("redriven "), text...), Headers: []ingest.Header{{Key: HeaderRedriven, Value: text}}}
}

// ParseMark reads a mark. A dead letter that had been redriven before, and came back, is none.
func ParseMark(r ingest.Record) (at Place, ok bool) {
	for _, h := range r.Headers {
		switch {
		case strings.HasPrefix(h.Key, Prefix):
			return Place{}, false
		case h.Key == HeaderRedriven:
			at, ok = parsePlace(string(h.Value))
		}
	}
	return at, ok
}
