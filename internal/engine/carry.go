package engine

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"insolite/context/store"
	"insolite/context/window"
	"insolite/internal/event"
	"insolite/rules"
)

// What a timer carries of its event is the values that an alert needs, each with a tag that tells which it is, so that another version of the
// rule's texts reads what it still wants. Little endian:
//
//	tag u32, kind u8, then  string: length u32 and bytes; time: i64 and offset i32; ip: 16 bytes; else 8 bytes
//	tag u32, 255 u8, samples u32, from i64, to i64: what belongs to a feature beside its values

// carriedTextMax bounds a text that is carried, as alerts do; what makes the key or refines it is carried whole.
const carriedTextMax = 256

const kindReading = 255

var le = binary.LittleEndian

// carried is a value that a timer carries.
type carried struct {
	tag   uint32
	slot  event.Slot
	whole bool
}

// carriedFeature is a feature that a timer carries, as it stood at the event.
type carriedFeature struct {
	tag     uint32 // of what belongs to it
	feature int
}

// newCarried works out what the rule's timers carry: the fields that an alert needs, and those features that cannot be read again when it is
// due. With an absence these are features of other keys, and baselines, which score the event; else all are told as they stood when the condition held.
func (r *rule) newCarried() {
	used := map[uint32]bool{}
	tag := func(text string) uint32 {
		t := uint32(store.Hash([]byte(text)))
		for used[t] {
			t++
		}
		used[t] = true
		return t
	}
	for _, c := range r.Carried {
		whole := slices.Contains(r.GroupBy, c.Slot) || r.Suppress != nil && slices.Contains(r.Suppress.By, c.Slot)
		r.carried = append(r.carried, carried{tag(c.Name + "\x00" + c.Kind.String()), c.Slot, whole})
	}
	for i, f := range r.Features {
		if r.rereads(f.Read) {
			r.again = append(r.again, r.local[i])
			continue
		}
		id := f.Read.ID.String()
		r.snapshot = append(r.snapshot, carriedFeature{tag(id), i})
		if r.local[i] != nil {
			r.snapped = append(r.snapped, r.local[i])
		}
		for k, slot := range f.Read.Results {
			r.carried = append(r.carried, carried{tag(id + string(rune('0'+k))), slot, false})
		}
	}
}

// rereads reports whether a feature is read again when a timer of the rule is due.
func (r *rule) rereads(f *rules.Read) bool {
	return r.Absence != nil && f.By == nil && f.Baseline == nil
}

// carry returns what a timer of the rule carries of the present event. It is valid until the next call.
func (e *Engine) carry(r *rule) []byte {
	e.ensure(r.snapped)
	b := e.scratch.carried[:0]
	for i := range r.carried {
		c := &r.carried[i]
		if v := &e.row[c.slot]; v.Known() {
			b = appendCarried(le.AppendUint32(b, c.tag), v, c.whole)
		}
	}
	for _, f := range r.snapshot {
		x := e.readingOf(r, f.feature)
		b = append(le.AppendUint32(b, f.tag), kindReading)
		b = le.AppendUint32(b, uint32(x.Samples))
		b = le.AppendUint64(le.AppendUint64(b, uint64(x.From)), uint64(x.To))
	}
	e.scratch.carried = b
	return b
}

func appendCarried(b []byte, v *event.Value, whole bool) []byte {
	b = append(b, byte(v.Kind))
	switch v.Kind {
	case event.KindString:
		text := v.S
		if !whole && len(text) > carriedTextMax {
			n := carriedTextMax
			for n > 0 && !utf8.RuneStart(text[n]) {
				n--
			}
			text = text[:n]
		}
		return append(le.AppendUint32(b, uint32(len(text))), text...)
	case event.KindTime:
		return le.AppendUint32(le.AppendUint64(b, v.N), uint32(v.M))
	case event.KindIP:
		return le.AppendUint64(le.AppendUint64(b, v.N), v.M)
	}
	return le.AppendUint64(b, v.N)
}

// bring makes what a timer carries the present row, and tells what belongs to its features.
func (e *Engine) bring(r *rule, b []byte) {
	row := e.row
	clear(row)
	e.recalled = append(e.recalled[:0], make([]window.Reading, len(r.Features))...)
	for len(b) > 0 {
		tag, kind := le.Uint32(b), event.Kind(b[4])
		b = b[5:]
		if kind == kindReading {
			if i := slices.IndexFunc(r.snapshot, func(f carriedFeature) bool { return f.tag == tag }); i >= 0 {
				e.recalled[r.snapshot[i].feature] = window.Reading{Samples: int(le.Uint32(b)), From: event.Time(le.Uint64(b[4:])), To: event.Time(le.Uint64(b[12:]))}
			}
			b = b[20:]
			continue
		}
		v := event.Value{Kind: kind}
		switch kind {
		case event.KindString:
			n := 4 + int(le.Uint32(b))
			v.S, b = view(b[4:n]), b[n:]
		case event.KindTime:
			v.N, v.M, b = le.Uint64(b), uint64(int64(int32(le.Uint32(b[8:])))), b[12:]
		case event.KindIP:
			v.N, v.M, b = le.Uint64(b), le.Uint64(b[8:]), b[16:]
		default:
			v.N, b = le.Uint64(b), b[8:]
		}
		if i := slices.IndexFunc(r.carried, func(c carried) bool { return c.tag == tag }); i >= 0 {
			if kind == event.KindString {
				v.S = e.keep(v.S)
			}
			row[r.carried[i].slot] = v
		}
	}
}
