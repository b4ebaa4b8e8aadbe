package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"insolite/context/window"
	"insolite/internal/event"
)

// testSpecs is a layout with every form of cell and every other part; withForever adds windows that never end.
func testSpecs(withForever bool) Specs {
	number, text := []event.Kind{event.KindNumber}, []event.Kind{event.KindString}
	sliding := window.Window{Kind: window.Sliding, Length: time.Hour}
	exact := window.Window{Kind: window.Exact, Length: 20 * time.Minute}
	day := window.Window{Kind: window.Calendar, Unit: window.Day}
	session := window.Window{Kind: window.Session, Length: 5 * time.Minute}
	cells := []window.Spec{
		{Family: window.Sum, Window: sliding, Kinds: number},
		{Family: window.Distinct, Window: sliding, Kinds: text},
		{Family: window.Recent, Window: sliding, Kinds: []event.Kind{event.KindNumber, event.KindString}},
		{Family: window.Spread, Window: exact, Kinds: number},
		{Family: window.Count, Window: day},
		{Family: window.Extremes, Window: session, Kinds: number},
		{Family: window.Distinct, Window: session, Kinds: text},
		{Family: window.Distinct, Window: exact, Kinds: text, Exact: true},
		{Family: window.Bins, Window: sliding, Kinds: number},
		{Family: window.Bins, Window: session, Kinds: number},
	}
	if withForever {
		cells = append(cells,
			window.Spec{Family: window.Sum, Window: window.Window{Kind: window.Events, N: 20}, Kinds: number},
			window.Spec{Family: window.Distinct, Window: window.Window{Kind: window.Forever}, Kinds: text})
	}
	for i := range cells {
		cells[i].Identity = uint64(100 + i)
	}
	return Specs{
		Cells:    cells,
		Dedupe:   []DedupeSpec{{Identity: 1, For: 10 * time.Minute}},
		Suppress: []SuppressSpec{{Identity: 1, For: 30 * time.Minute}, {Identity: 2, Calendar: &day}},
		Evidence: []EvidenceSpec{{Identity: 1, N: 4, Within: time.Hour}},
	}
}

func newTestLayout(tb testing.TB, s Specs) *Layout {
	tb.Helper()
	l, err := NewLayout(s)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// testEvent is an event of a random log.
type testEvent struct {
	offset    event.Offset
	at        event.Time
	watermark event.Time
	key       []byte
	id        uint64
	amount    event.Value
	text      event.Value
}

// testLog is a random log of some keys in the order of its offsets, without late events.
func testLog(seed uint64, keys, n int) (log []testEvent) {
	r := rand.New(rand.NewPCG(seed, 1))
	now, watermark := event.Time(1_700_000_000e9), event.NoTime
	const lateness = 2 * time.Minute
	for len(log) < n {
		now = now.Add(time.Duration(r.Int64N(int64(40 * time.Second))))
		if r.IntN(200) == 0 {
			now = now.Add(time.Duration(r.Int64N(int64(60 * time.Hour))))
		}
		at := now
		if r.IntN(3) == 0 {
			at = at.Add(-time.Duration(r.Int64N(int64(lateness))))
		}
		if at < watermark {
			continue
		}
		log = append(log, testEvent{
			offset: event.Offset(len(log)), at: at, watermark: watermark,
			key:    []byte(fmt.Sprintf("key %d %s", r.IntN(keys), "........................."[:r.IntN(3)])),
			id:     uint64(r.IntN(60)),
			amount: event.NumberValue(r.Float64() * 100),
			text:   event.StringValue(fmt.Sprint("text ", r.IntN(40))),
		})
		watermark = max(watermark, at.Add(-lateness))
	}
	return log
}

// step applies an event to a keyspace as the engine does, and returns all that it read as bytes.
func step(k *Keyspace, e *testEvent, out []byte) []byte {
	l := k.Layout()
	hash := Hash(e.key)
	h, ok := k.Find(hash, e.key)
	if !ok {
		h = k.Create(hash, e.key)
	}
	x := k.View(h)
	defer func() { x.Advance(event.Position{Offset: e.offset + 1}, e.at) }()
	if l.Dedupe(0).Absorb(&x, e.id, e.at) {
		return append(out, "duplicate"...)
	}
	l.Evidence(0).Add(&x, e.offset, e.at)
	out = readCells(&x, e.at, out)
	for i := range l.cells {
		l.Cell(i).Add(&x, e.at, e.values(l.Cell(i).Spec()), e.watermark)
	}
	out = readCells(&x, e.at, out)
	for i := range 2 {
		if e.id > 3 {
			break
		}
		emit, held := l.Suppress(i).Emit(&x, e.id%5, e.at)
		out = fmt.Append(out, emit, held)
	}
	return fmt.Append(out, l.Evidence(0).Append(nil, &x, e.at, time.Hour))
}

func (e *testEvent) values(s window.Spec) (values []event.Value) {
	for _, k := range s.Kinds {
		if k == event.KindString {
			values = append(values, e.text)
		} else {
			values = append(values, e.amount)
		}
	}
	return values
}

var testAggs = map[window.Family][]window.Agg{
	window.Count: {window.AggCount}, window.Sum: {window.AggSum, window.AggAvg}, window.Spread: {window.AggStddev},
	window.Extremes: {window.AggMin, window.AggMax}, window.Distinct: {window.AggDistinct},
	window.Recent: {window.AggFirst, window.AggLast, window.AggTimeSince},
	window.Bins:   {window.AggPercentile},
}

func readCells(x *Ctx, at event.Time, out []byte) []byte {
	for i, c := range x.keys.layout.cells {
		for _, agg := range testAggs[c.Spec().Family] {
			var dst [2]event.Value
			n := 1
			if agg == window.AggFirst || agg == window.AggLast {
				n = 2
			}
			read := c.Read(x, window.Query{Agg: agg, P: 95_000}, at, dst[:n])
			out = fmt.Append(out, i, agg, read, dst[0].Kind, dst[0].N, dst[0].S, dst[1].S, ";")
		}
	}
	return out
}

// TestEvictAndLoadAnywhere takes contexts out and in again at random and wants the same reads and, in the end, the same bytes.
func TestEvictAndLoadAnywhere(t *testing.T) {
	for seed := range uint64(5) {
		a, b := New(newTestLayout(t, testSpecs(true)), Options{}), New(newTestLayout(t, testSpecs(true)), Options{})
		r := rand.New(rand.NewPCG(seed, 9))
		cold := map[string][]byte{}
		for _, e := range testLog(seed, 12, 1500) {
			if blob, ok := cold[string(e.key)]; ok {
				if _, err := b.Load(Hash(e.key), blob); err != nil {
					t.Fatal(err)
				}
				delete(cold, string(e.key))
			}
			want, got := step(a, &e, nil), step(b, &e, nil)
			if !bytes.Equal(want, got) {
				t.Fatalf("seed %d, offset %d:\n%s\nwant\n%s", seed, e.offset, got, want)
			}
			for h := range b.All {
				x := b.View(h)
				if r.IntN(20) == 0 {
					cold[string(x.Key())] = b.Blob(nil, h)
					b.Evict(h)
				}
			}
		}
		if got := b.Stats().Evicted; got < 100 {
			t.Fatalf("%d contexts were evicted", got)
		}
		for _, blob := range cold {
			key, err := BlobKey(blob)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Load(Hash(key), blob); err != nil {
				t.Fatal(err)
			}
		}
		sameBlobs(t, a, b)
	}
}

func sameBlobs(t *testing.T, a, b *Keyspace) {
	t.Helper()
	if a.Len() != b.Len() || a.Len() == 0 {
		t.Fatalf("%d contexts, want %d", b.Len(), a.Len())
	}
	for h := range a.All {
		x := a.View(h)
		g, ok := b.Find(Hash(x.Key()), x.Key())
		if !ok {
			t.Fatalf("no context of %q", x.Key())
		}
		if !bytes.Equal(a.Blob(nil, h), b.Blob(nil, g)) {
			t.Errorf("the contexts of %q differ", x.Key())
		}
	}
}

// TestExpiredEqualsEmpty sweeps one keyspace all the time and the other never; nothing that is read may show it.
func TestExpiredEqualsEmpty(t *testing.T) {
	for seed := range uint64(5) {
		a, b := New(newTestLayout(t, testSpecs(false)), Options{}), New(newTestLayout(t, testSpecs(false)), Options{})
		for _, e := range testLog(seed, 30, 3000) {
			b.Expire(e.watermark, 7, nil)
			want, got := step(a, &e, nil), step(b, &e, nil)
			if !bytes.Equal(want, got) {
				t.Fatalf("seed %d, offset %d:\n%s\nwant\n%s", seed, e.offset, got, want)
			}
		}
		if got := b.Stats().Expired; got < 20 {
			t.Fatalf("%d contexts expired", got)
		}
	}
}

func TestExpireTellsKeysAndKeepsPinned(t *testing.T) {
	k := New(newTestLayout(t, testSpecs(false)), Options{})
	at := event.Time(1_700_000_000e9)
	for _, key := range []string{"plain", "held", "young"} {
		x := k.View(k.Create(Hash([]byte(key)), []byte(key)))
		when := at
		if key == "young" {
			when = at.Add(400 * time.Hour)
		}
		x.Advance(event.Position{Offset: 1}, when)
		if key == "held" {
			k.layout.Suppress(0).Emit(&x, 0, at)
			k.layout.Suppress(0).Emit(&x, 0, at)
		}
	}
	var removed []string
	for more := true; more; {
		more = k.Expire(at.Add(400*time.Hour), 1, func(key []byte) { removed = append(removed, string(key)) })
	}
	if !slices.Equal(removed, []string{"plain"}) || k.Len() != 2 {
		t.Errorf("removed %q, left %d", removed, k.Len())
	}
}

// TestLayoutConversion loads the contexts of one layout into others: the parts that both know go on as if nothing had happened.
func TestLayoutConversion(t *testing.T) {
	old := testSpecs(true)
	var next Specs
	for _, i := range []int{9, 0, 5, 2, 7} {
		next.Cells = append(next.Cells, old.Cells[i])
	}
	fresh := window.Spec{Identity: 7, Family: window.Count, Window: window.Window{Kind: window.Forever}}
	next.Cells = append(next.Cells, fresh)
	next.Dedupe, next.Suppress, next.Evidence = old.Dedupe, []SuppressSpec{old.Suppress[1]}, old.Evidence
	a, b := New(newTestLayout(t, old), Options{}), New(newTestLayout(t, next), Options{})
	log := testLog(3, 5, 800)
	for i := range log {
		step(a, &log[i], nil)
	}
	h := Handle(0)
	x := a.View(h)
	if _, err := b.Load(Hash(x.Key()), a.Blob(nil, h)); err == nil {
		t.Fatal("a context of an unknown layout was loaded")
	}
	if err := b.RememberLayout(a.layout.Describe()); err != nil {
		t.Fatal(err)
	}
	g, err := b.Load(Hash(x.Key()), a.Blob(nil, h))
	if err != nil {
		t.Fatal(err)
	}
	y := b.View(g)
	if x.Position() != y.Position() || x.Newest() != y.Newest() || !bytes.Equal(x.Key(), y.Key()) {
		t.Errorf("position %v, newest %v, key %q; want %v, %v, %q", y.Position(), y.Newest(), y.Key(), x.Position(), x.Newest(), x.Key())
	}
	at := log[len(log)-1].at
	for j, i := range []int{9, 0, 5, 2, 7} {
		var want, got [2]event.Value
		agg := testAggs[old.Cells[i].Family][0]
		a.layout.Cell(i).Read(&x, window.Query{Agg: agg, P: 95_000}, at, want[:])
		b.layout.Cell(j).Read(&y, window.Query{Agg: agg, P: 95_000}, at, got[:])
		if want != got {
			t.Errorf("cell %d: %v, want %v", j, got, want)
		}
	}
	var count [1]event.Value
	if b.layout.Cell(5).Read(&y, window.Query{Agg: window.AggCount}, at, count[:]); count[0].Int() != 0 {
		t.Errorf("a new count starts with %d", count[0].Int())
	}
	if w, g := a.layout.Evidence(0).Append(nil, &x, at, time.Hour), b.layout.Evidence(0).Append(nil, &y, at, time.Hour); len(w) == 0 || !slices.Equal(w, g) {
		t.Errorf("evidence %v, want %v", g, w)
	}
}

func TestMalformedBlobsAreErrors(t *testing.T) {
	k := New(newTestLayout(t, testSpecs(true)), Options{})
	log := testLog(3, 1, 50)
	for i := range log {
		step(k, &log[i], nil)
	}
	blob := k.Blob(nil, 0)
	for n := range blob {
		if _, err := BlobKey(blob[:n]); err == nil {
			t.Fatalf("the first %d bytes of %d have a key", n, len(blob))
		}
		if _, err := BlobPosition(blob[:n]); err == nil {
			t.Fatalf("the first %d bytes of %d have a position", n, len(blob))
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 { // the frame of the blob: whatever is in it, the answer is an error or a view
		broken := slices.Clone(blob)
		broken[r.IntN(150)] = byte(r.IntN(256))
		fresh := New(k.layout, Options{})
		if key, err := BlobKey(broken); err == nil {
			if _, err := fresh.Load(Hash(key), broken); err == nil && !bytes.Equal(fresh.Blob(nil, 0), broken) {
				t.Fatal("a blob was loaded as another")
			}
		}
	}
	desc := k.layout.Describe()
	for n := range desc {
		if err := k.RememberLayout(desc[:n]); err == nil {
			t.Fatalf("the first %d bytes of %d describe a layout", n, len(desc))
		}
	}
}

// TestFindAgainstMap creates, finds and evicts at random.
func TestFindAgainstMap(t *testing.T) {
	k := New(newTestLayout(t, Specs{}), Options{})
	want := map[uint32]Handle{}
	r := rand.New(rand.NewPCG(1, 2))
	var key [4]byte
	for range 200_000 {
		n := uint32(r.IntN(3000))
		binary.BigEndian.PutUint32(key[:], n)
		hash := Hash(key[:])
		h, ok := k.Find(hash, key[:])
		if w, have := want[n]; have != ok || ok && h != w {
			t.Fatalf("key %d: %d %v, want %d %v", n, h, ok, w, have)
		}
		switch {
		case !ok:
			want[n] = k.Create(hash, key[:])
		case r.IntN(2) == 0:
			k.Evict(h)
			delete(want, n)
		}
	}
	if k.Len() != len(want) {
		t.Errorf("%d keys, want %d", k.Len(), len(want))
	}
}

// TestEqualHashes says that keys are compared, not hashes.
func TestEqualHashes(t *testing.T) {
	k := New(newTestLayout(t, Specs{}), Options{})
	a, b := k.Create(5, []byte("a")), k.Create(5, []byte("b"))
	if h, ok := k.Find(5, []byte("b")); !ok || h != b || a == b {
		t.Errorf("b is %d %v, want %d", h, ok, b)
	}
	if _, ok := k.Find(5, []byte("c")); ok {
		t.Error("c was found")
	}
}

func TestDirty(t *testing.T) {
	k := New(newTestLayout(t, Specs{}), Options{})
	var handles []Handle
	for i := range 10 {
		key := []byte{byte(i)}
		handles = append(handles, k.Create(Hash(key), key))
	}
	advance := func(i int) {
		x := k.View(handles[i])
		x.Advance(event.Position{Offset: 1}, 1)
	}
	for _, i := range []int{3, 1, 3, 7} {
		advance(i)
	}
	if got, want := slices.Collect(k.Dirty), []Handle{handles[3], handles[1], handles[7]}; !slices.Equal(got, want) {
		t.Errorf("dirty %v, want %v", got, want)
	}
	k.Evict(handles[1])
	for h := range k.Dirty {
		k.MarkClean(h)
		break
	}
	if got, want := slices.Collect(k.Dirty), []Handle{handles[7]}; !slices.Equal(got, want) {
		t.Errorf("dirty %v, want %v", got, want)
	}
	advance(3)
	if got, want := slices.Collect(k.Dirty), []Handle{handles[7], handles[3]}; !slices.Equal(got, want) || !k.IsDirty(handles[3]) {
		t.Errorf("dirty %v, want %v", got, want)
	}
}

// TestNoAllocations is the budget of the hot path: once the contexts are as large as they get, an event allocates nothing.
func TestNoAllocations(t *testing.T) {
	l := newTestLayout(t, testSpecs(true))
	k := New(l, Options{})
	log := testLog(1, 3, 20_000)
	var dst [2]event.Value
	values := [][]event.Value{nil, make([]event.Value, 1), make([]event.Value, 2)}
	var seen []Seen
	hashes := make([]uint64, 1)
	i := 0
	apply := func() {
		e := &log[i%len(log)]
		i++
		hashes[0] = Hash(e.key)
		k.Touch(hashes)
		h, ok := k.Find(hashes[0], e.key)
		if !ok {
			h = k.Create(hashes[0], e.key)
		}
		x := k.View(h)
		l.Dedupe(0).Absorb(&x, e.id, e.at)
		l.Evidence(0).Add(&x, e.offset, e.at)
		seen = l.Evidence(0).Append(seen[:0], &x, e.at, time.Hour)
		for c := range l.cells {
			s := l.Cell(c).Spec()
			v := values[len(s.Kinds)]
			for j, kind := range s.Kinds {
				v[j] = e.amount
				if kind == event.KindString {
					v[j] = e.text
				}
			}
			l.Cell(c).Add(&x, e.at, v, e.watermark)
			for _, agg := range testAggs[s.Family] {
				l.Cell(c).Read(&x, window.Query{Agg: agg, P: 95_000}, e.at, dst[:max(1, len(v))])
			}
		}
		l.Suppress(0).Emit(&x, e.id, e.at)
		l.Suppress(1).Emit(&x, e.id, e.at)
		x.Advance(event.Position{Offset: e.offset + 1}, e.at)
	}
	for range 15_000 {
		apply()
	}
	if n := testing.AllocsPerRun(4000, apply); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// TestOverhead is the budget for what a key takes beside its aggregates.
func TestOverhead(t *testing.T) {
	l := newTestLayout(t, Specs{Cells: []window.Spec{{Family: window.Count, Window: window.Window{Kind: window.Sliding, Length: time.Hour}}}})
	overhead := headerSize + metaBytes + tableBytes
	if overhead > 48 {
		t.Errorf("%d bytes a key beside parts and key, at most 48", overhead)
	}
	if a, b := l.BytesPerKey(1), l.BytesPerKey(61); a >= b || a > 160 || b < 61*8 || b > 61*8+176 || b != l.BytesPerKey(1000) {
		t.Errorf("a key with 1 sample takes %d bytes, one with 61 %d", a, b)
	}
}

// TestExpiresNoSoonerThanItsLongestWindow reads a count at the last instant at which it has a sample.
func TestExpiresNoSoonerThanItsLongestWindow(t *testing.T) {
	w := window.Window{Kind: window.Exact, Length: time.Hour}
	l := newTestLayout(t, Specs{Cells: []window.Spec{{Family: window.Count, Window: w}}})
	k := New(l, Options{})
	at := event.Time(1_700_000_000e9)
	x := k.View(k.Create(Hash([]byte("k")), []byte("k")))
	l.Cell(0).Add(&x, at, nil, event.NoTime)
	x.Advance(event.Position{Offset: 1}, at)
	if k.Expire(at.Add(time.Hour-1), 10, nil); k.Len() != 1 {
		t.Fatal("it expired while its sample is in the window")
	}
	if k.Expire(at.Add(time.Hour+1), 10, nil); k.Len() != 0 {
		t.Error("it is kept though its sample is past")
	}
}
