package frame

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"insolite/internal/event"
)

var kinds = []event.Kind{event.KindString, event.KindNumber, event.KindInt, event.KindBool, event.KindTime, event.KindIP, event.KindDuration}

func randomLayout(r *rand.Rand) Layout {
	var l Layout
	for i := range 1 + r.IntN(3) {
		s := Source{Name: fmt.Sprintf("source.%d", i)}
		for j := range r.IntN(20) {
			s.Fields = append(s.Fields, Field{Name: fmt.Sprintf("f%d", j), Kind: kinds[r.IntN(len(kinds))]})
		}
		l = append(l, s)
	}
	return l
}

func randomValue(r *rand.Rand, k event.Kind) event.Value {
	switch k {
	case event.KindString:
		return event.StringValue(strings.Repeat("ä", r.IntN(10)))
	case event.KindNumber:
		return event.NumberValue([]float64{0, math.Copysign(0, -1), math.Inf(1), math.MaxFloat64, r.NormFloat64()}[r.IntN(5)])
	case event.KindInt:
		return event.IntValue([]int64{0, math.MinInt64, math.MaxInt64, int64(r.Uint64())}[r.IntN(4)])
	case event.KindBool:
		return event.BoolValue(r.IntN(2) == 0)
	case event.KindTime:
		return event.TimeValue(event.Time(r.Uint64()), r.IntN(24*3600)-12*3600)
	case event.KindDuration:
		return event.DurationValue(time.Duration(r.Uint64()))
	}
	if r.IntN(2) == 0 {
		return event.IPValue(netip.AddrFrom4([4]byte{1, 2, 3, byte(r.IntN(256))}))
	}
	return event.IPValue(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", r.IntN(1<<16))))
}

type row struct {
	source  int
	offset  event.Offset
	ordinal uint32
	at      event.Time
	values  []event.Value
}

func randomRow(r *rand.Rand, l Layout, from event.Offset) row {
	n := row{source: r.IntN(len(l)), offset: from + event.Offset(r.IntN(3)), ordinal: uint32(r.IntN(2)), at: event.Time(r.Int64())}
	for _, f := range l[n.source].Fields {
		v := event.Value{}
		if r.IntN(4) > 0 {
			v = randomValue(r, f.Kind)
		}
		n.values = append(n.values, v)
	}
	return n
}

// What was added comes back, over as many frames as it takes, none of which is too large.
func TestRowsComeBack(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		l := randomLayout(r)
		most := 300 + r.IntN(3000)
		w := NewWriter(l, most)
		h := Header{Topic: "payments", Partition: 3, Of: 8, From: 100, Bundle: 7, History: r.IntN(2) == 0, Idle: r.IntN(2) == 0}
		var want, got []row
		take := func(next event.Position) {
			read := readAll(t, w.End(next, 55, h.Idle), l, Header{Topic: h.Topic, Partition: 3, Of: 8, From: h.From, Next: next, Watermark: 55, Bundle: 7, History: h.History, Idle: h.Idle})
			if b := len(w.out); b > most && len(read) > 1 {
				t.Fatalf("seed %d: a frame of %d bytes and %d rows, the limit is %d", seed, b, len(read), most)
			}
			got = append(got, read...)
		}
		w.Begin(h)
		at := h.From
		for range 1 + r.IntN(60) {
			n := randomRow(r, l, at)
			at = n.offset
			want = append(want, n)
			if !w.Add(n.source, n.offset, n.ordinal, n.at, n.values) {
				take(event.Position{Offset: n.offset, Step: 2})
				h.From = n.offset
				w.Begin(h)
				if !w.Add(n.source, n.offset, n.ordinal, n.at, n.values) {
					t.Fatal("a frame does not take its first row")
				}
			}
		}
		take(event.Position{Offset: at + 1})
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d:\n got %v\nwant %v", seed, got, want)
		}
	}
}

func readAll(t *testing.T, b []byte, l Layout, h Header) (rows []row) {
	t.Helper()
	var r Reader
	err := r.Reset(b)
	if err != nil {
		t.Fatal(err)
	}
	if r.Header != h || !reflect.DeepEqual(*r.Layout, l) {
		t.Fatalf("head %+v %v, want %+v %v", r.Header, r.Layout, h, l)
	}
	for r.Next() {
		n := row{r.Source, r.Offset, r.Ordinal, r.At, nil}
		for _, v := range r.Values {
			v.S = strings.Clone(v.S)
			n.values = append(n.values, v)
		}
		rows = append(rows, n)
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return rows
}

// A frame that is cut off or changed is an error or other rows, never a panic and never more memory than bytes.
func TestDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	l := Layout{{"pay", []Field{{"who", event.KindString}, {"amount", event.KindNumber}, {"ip", event.KindIP}, {"at", event.KindTime}}}}
	w := NewWriter(l, 1<<20)
	w.Begin(Header{Topic: "t", Of: 1, From: 5})
	for i := range 20 {
		n := randomRow(r, l, event.Offset(5+i))
		w.Add(n.source, event.Offset(5+3*i), n.ordinal, n.at, n.values)
	}
	whole := append([]byte{}, w.End(event.Position{Offset: 100}, 9, false)...)
	cut := 0
	for n := range whole {
		var f Reader
		if err := f.Reset(whole[:n]); err == nil {
			for f.Next() {
			}
			if f.Err() != nil {
				cut++
			}
		}
		b := append([]byte{}, whole...)
		b[n] ^= byte(1 + r.IntN(255))
		if err := f.Reset(b); err == nil {
			for f.Next() {
			}
		}
	}
	if cut < 100 {
		t.Errorf("only %d of the cuts inside rows are noticed", cut)
	}
	if err := new(Reader).Reset([]byte{2, 0}); !errors.Is(err, ErrNewer) {
		t.Errorf("version 2: %v", err)
	}
	for _, b := range [][]byte{nil, {1}, {1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f}} {
		if err := new(Reader).Reset(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%v: %v", b, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	w := NewWriter(Layout{{"pay", []Field{{"who", event.KindString}, {"n", event.KindInt}}}}, 1000)
	w.Begin(Header{Topic: "t", Of: 1, From: 5})
	w.Add(0, 6, 0, 77, []event.Value{event.StringValue("ann"), event.IntValue(3)})
	f.Add(w.End(event.Position{Offset: 7}, 9, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Reader
		err := r.Reset(b)
		if err != nil {
			return
		}
		w := NewWriter(*r.Layout, 1<<30)
		w.Begin(r.Header)
		for r.Next() {
			w.Add(r.Source, r.Offset, r.Ordinal, r.At, r.Values)
		}
		if r.Err() != nil {
			return
		}
		if err := new(Reader).Reset(w.End(r.Header.Next, r.Header.Watermark, r.Header.Idle)); err != nil {
			t.Errorf("what was read can't be read again: %v", err)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	l := Layout{{"pay", []Field{{"who", event.KindString}, {"amount", event.KindNumber}}}}
	w := NewWriter(l, 1<<20)
	values := []event.Value{event.StringValue("ann"), event.NumberValue(3)}
	fill := func() {
		w.Begin(Header{Topic: "t", Of: 1})
		for i := range 100 {
			w.Add(0, event.Offset(i), 0, 5, values)
		}
		w.End(event.Position{Offset: 100}, 0, false)
	}
	fill()
	if n := testing.AllocsPerRun(20, fill); n > 0 {
		t.Errorf("writing 100 rows allocates %v times", n)
	}
	b := w.End(event.Position{Offset: 100}, 0, false)
	var r Reader
	if n := testing.AllocsPerRun(20, func() {
		err := r.Reset(b)
		for err == nil && r.Next() {
		}
	}); n > 0 {
		t.Errorf("reading 100 rows allocates %v times", n)
	}
}
