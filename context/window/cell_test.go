package window

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"insolite/internal/event"
	"insolite/internal/testsize"
)

// state is what package store does for a cell.
type state struct {
	cell       *Cell
	head, tail []byte
}

func newState(tb testing.TB, s Spec) *state {
	tb.Helper()
	c, err := NewCell(s)
	if err != nil {
		tb.Fatal(err)
	}
	return &state{cell: c, head: make([]byte, c.HeadSize())}
}

func (s *state) add(at event.Time, values []event.Value, watermark event.Time) {
	for {
		need := s.cell.Add(s.head, s.tail, at, values, watermark)
		if need == 0 {
			return
		}
		if need <= len(s.tail) {
			panic(fmt.Sprintf("a tail of %d bytes needs %d", len(s.tail), need))
		}
		s.tail = append(s.tail, make([]byte, need-len(s.tail))...)
	}
}

var paris = func() *time.Location {
	l, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return l
}()

var testWindows = []Window{
	{Kind: Sliding, Length: 50 * time.Millisecond},
	{Kind: Sliding, Length: 10 * time.Minute},
	{Kind: Sliding, Length: 24 * time.Hour},
	{Kind: Exact, Length: 7 * time.Minute},
	{Kind: Calendar, Unit: Minute},
	{Kind: Calendar, Unit: Hour, Zone: paris},
	{Kind: Calendar, Unit: Day, Zone: paris},
	{Kind: Calendar, Unit: Week},
	{Kind: Calendar, Unit: Month, Zone: paris},
	{Kind: Session, Length: 30 * time.Second},
	{Kind: Session, Length: 3 * time.Minute},
	{Kind: Events, N: 1},
	{Kind: Events, N: 7},
	{Kind: Events, N: 40},
	{Kind: Forever},
}

// testCells are all families of all kinds.
func testCells() (specs []Spec) {
	for _, w := range testWindows {
		for _, f := range []struct {
			family Family
			kinds  []event.Kind
			exact  bool
		}{
			{family: Count},
			{family: Count, kinds: []event.Kind{event.KindString}},
			{family: Sum, kinds: []event.Kind{event.KindInt}},
			{family: Sum, kinds: []event.Kind{event.KindNumber}},
			{family: Spread, kinds: []event.Kind{event.KindInt}},
			{family: Spread, kinds: []event.Kind{event.KindNumber}},
			{family: Extremes, kinds: []event.Kind{event.KindInt}},
			{family: Extremes, kinds: []event.Kind{event.KindNumber}},
			{family: Extremes, kinds: []event.Kind{event.KindTime}},
			{family: Distinct, kinds: []event.Kind{event.KindString}},
			{family: Distinct, kinds: []event.Kind{event.KindInt}},
			{family: Distinct, kinds: []event.Kind{event.KindInt}, exact: true},
			{family: Bins, kinds: []event.Kind{event.KindInt}},
			{family: Bins, kinds: []event.Kind{event.KindNumber}},
			{family: Bins, kinds: []event.Kind{event.KindNumber}, exact: true},
			{family: Recent},
			{family: Recent, kinds: []event.Kind{event.KindInt}},
			{family: Recent, kinds: []event.Kind{event.KindNumber}},
			{family: Recent, kinds: []event.Kind{event.KindString, event.KindTime, event.KindBool}},
		} {
			specs = append(specs, Spec{Family: f.family, Window: w, Kinds: f.kinds, Exact: f.exact})
		}
	}
	return specs
}

// stream is a random log of one key: disorder within a lateness, equal times, long gaps, events that are no sample.
type stream struct {
	r         *rand.Rand
	now       event.Time
	watermark event.Time
	lateness  time.Duration
	pace      time.Duration
	variety   int
}

func newStream(seed uint64) *stream {
	r := rand.New(rand.NewPCG(seed, 7))
	s := &stream{r: r, now: event.Time(1_792_880_000e9), watermark: event.NoTime, lateness: time.Duration(r.IntN(4)) * 5 * time.Minute / 2} // two days before Paris sets its clocks back
	s.pace = []time.Duration{300 * time.Millisecond, 10 * time.Second, 5 * time.Minute, 4 * time.Hour}[r.IntN(4)]
	s.variety = []int{3, 12, 30, 1000}[r.IntN(4)]
	return s
}

// next returns the next event that is not late, and the watermark before it.
func (s *stream) next() (at, watermark event.Time) {
	for {
		s.now = s.now.Add(time.Duration(s.r.Int64N(2 * int64(s.pace))))
		if s.r.IntN(60) == 0 {
			s.now = s.now.Add(time.Duration(s.r.Int64N(100 * int64(s.pace))))
		}
		at = s.now
		switch s.r.IntN(4) {
		case 0:
			at = at.Add(-time.Duration(s.r.Int64N(int64(s.lateness) + 1)))
		case 1:
			at -= at % 1e9
		}
		if at >= s.watermark {
			watermark = s.watermark
			s.watermark = max(s.watermark, at.Add(-s.lateness))
			return at, watermark
		}
	}
}

func (s *stream) values(kinds []event.Kind) []event.Value {
	values := make([]event.Value, len(kinds))
	for i, k := range kinds {
		values[i] = randomValue(s.r, k, s.variety)
	}
	if len(values) > 1 && s.r.IntN(5) == 0 {
		values[s.r.IntN(len(values))] = event.Value{}
	}
	return values
}

func sameValue(a, b event.Value) bool {
	return a.Kind == b.Kind && a.S == b.S && a.N == b.N && a.M == b.M
}

// queriesOf returns what a cell serves for its kinds.
func queriesOf(s Spec) (queries []Query) {
	for _, a := range aggsOf(s) {
		if a == AggPercentile {
			queries = append(queries, Query{a, 10_000}, Query{a, 50_000}, Query{a, 99_999})
		} else {
			queries = append(queries, Query{Agg: a})
		}
	}
	return queries
}

func aggsOf(s Spec) (aggs []Agg) {
	for a := AggCount; a <= AggPercentile; a++ {
		switch {
		case a.Family() != s.Family:
		case a == AggCount || a == AggTimeSince:
			aggs = append(aggs, a)
		case len(s.Kinds) == 0 || len(s.Kinds) > 1 && a == AggDelta || !a.Accepts(s.Kinds[0]):
		default:
			aggs = append(aggs, a)
		}
	}
	return aggs
}

// TestCellAgreesWithModel reads every aggregate of every window before and after each event of random logs, and compares bits.
func TestCellAgreesWithModel(t *testing.T) {
	for i, spec := range testCells() {
		t.Run(fmt.Sprintf("%d %s %v", spec.Family, spec.Window, spec.Kinds), func(t *testing.T) {
			for seed := range uint64(testsize.Of(1, 4)) {
				testAgainstModel(t, spec, seed*1000+uint64(i), 160)
			}
		})
	}
}

func testAgainstModel(t *testing.T, spec Spec, seed uint64, events int) {
	s, m, log := newState(t, spec), &model{spec: spec}, newStream(seed)
	check := func(n int, when string, at event.Time) {
		for _, q := range queriesOf(spec) {
			agg := q.Agg
			dst := make([]event.Value, max(1, len(spec.Kinds)))
			if agg != AggFirst && agg != AggLast {
				dst = dst[:1]
			}
			got := s.cell.Read(s.head, s.tail, q, at, dst)
			want, n2 := m.read(q, at)
			if got.Samples != n2 {
				t.Fatalf("seed %d, %s event %d at %v: %s of %d samples, want %d", seed, when, n, at.Std(), agg, got.Samples, n2)
			}
			for i := range dst {
				if !sameValue(dst[i], want[i]) {
					t.Fatalf("seed %d, %s event %d at %v: %s is %s (%x), want %s (%x)", seed, when, n, at.Std(), agg, dst[i].Text(), dst[i].N, want[i].Text(), want[i].N)
				}
			}
			if got.From != event.NoTime && got.From > at && got.Samples > 0 && spec.Window.Kind != Session {
				t.Fatalf("seed %d: a window from %v for an event at %v", seed, got.From.Std(), at.Std())
			}
		}
	}
	for n := range events {
		at, watermark := log.next()
		check(n, "before", at)
		if log.r.IntN(6) == 0 {
			continue
		}
		values := log.values(spec.Kinds)
		s.add(at, values, watermark)
		m.add(at, values)
		check(n, "after", at)
	}
}

// TestRowsGiveWay fills exact windows beyond their limit.
func TestRowsGiveWay(t *testing.T) {
	for _, spec := range []Spec{
		{Family: Sum, Kinds: []event.Kind{event.KindNumber}, Window: Window{Kind: Exact, Length: 24 * time.Hour}},
		{Family: Distinct, Kinds: []event.Kind{event.KindInt}, Exact: true, Window: Window{Kind: Exact, Length: 24 * time.Hour}},
		{Family: Bins, Kinds: []event.Kind{event.KindInt}, Exact: true, Window: Window{Kind: Exact, Length: 24 * time.Hour}},
		{Family: Count, Window: Window{Kind: Events, N: MaxEvents}},
	} {
		s, m := newState(t, spec), &model{spec: spec}
		r := rand.New(rand.NewPCG(1, 1))
		for i := range 1300 {
			at := event.Time(i)*1e9 - event.Time(r.Int64N(1e12))
			values := make([]event.Value, len(spec.Kinds))
			for j, k := range spec.Kinds {
				values[j] = randomValue(r, k, 900)
			}
			s.add(at, values, event.NoTime)
			m.add(at, values)
		}
		var got [1]event.Value
		q := queriesOf(spec)[0]
		at := event.Time(1300e9)
		read := s.cell.Read(s.head, s.tail, q, at, got[:])
		want, n := m.read(q, at)
		if read.Samples != n || !sameValue(got[0], want[0]) {
			t.Errorf("%s: %s of %d samples, want %s of %d", spec.Window, got[0].Text(), read.Samples, want[0].Text(), n)
		}
		if dropped := s.cell.Drops.Rows; spec.Window.Kind == Exact && dropped != 1300-MaxRows {
			t.Errorf("%s: %d rows counted as given way, want %d", spec.Window, dropped, 1300-MaxRows)
		}
	}
}

// TestTailStaysShort says that what is past is forgotten before a tail grows.
func TestTailStaysShort(t *testing.T) {
	for _, spec := range testCells() {
		if spec.Window.Kind == Events || spec.Window.Kind == Forever {
			continue
		}
		s := newState(t, spec)
		log := newStream(1)
		log.pace, log.lateness, log.variety = 20*time.Minute, time.Minute, 3
		for range 3000 {
			at, watermark := log.next()
			s.add(at, log.values(spec.Kinds), watermark)
		}
		retention, _ := spec.Window.Retention()
		most := min(3000, 40+8*int(retention/log.pace))
		if spec.Family == Recent {
			most = recentMax + 1
		} else if (spec.Family == Distinct || spec.Family == Bins) && spec.Exact {
			most = MaxRows + MaxRows/4
		}
		if got := len(s.tail); got > most*(s.cell.FirstTail()+32) {
			t.Errorf("%d %s: %d bytes after 3000 samples, want at most %d entries", spec.Family, spec.Window, got, most)
		}
	}
}

func TestSumsOutOfRangeAreUnknown(t *testing.T) {
	ints := newState(t, Spec{Family: Sum, Kinds: []event.Kind{event.KindInt}, Window: Window{Kind: Forever}})
	numbers := newState(t, Spec{Family: Sum, Kinds: []event.Kind{event.KindNumber}, Window: Window{Kind: Forever}})
	for range 2 {
		ints.add(1, []event.Value{event.IntValue(math.MaxInt64)}, 0)
		numbers.add(1, []event.Value{event.NumberValue(math.MaxFloat64)}, 0)
	}
	var v [1]event.Value
	if ints.cell.Read(ints.head, ints.tail, Query{Agg: AggSum}, 1, v[:]); v[0].Known() {
		t.Errorf("the sum of two largest ints is %s", v[0].Text())
	}
	if ints.cell.Read(ints.head, ints.tail, Query{Agg: AggAvg}, 1, v[:]); v[0].Float() != math.MaxInt64 {
		t.Errorf("the mean of two largest ints is %s", v[0].Text())
	}
	ints.add(1, []event.Value{event.IntValue(math.MinInt64)}, 0)
	if ints.cell.Read(ints.head, ints.tail, Query{Agg: AggSum}, 1, v[:]); v[0].Int() != math.MaxInt64-1 {
		t.Errorf("the sum in range again is %s", v[0].Text())
	}
	for _, agg := range []Agg{AggSum, AggAvg} {
		if numbers.cell.Read(numbers.head, numbers.tail, Query{Agg: agg}, 1, v[:]); v[0].Known() {
			t.Errorf("the %s of two largest numbers is %s", agg, v[0].Text())
		}
	}
}

// TestMeanOfSmallNegatives would be 0 if the sum were converted in two words.
func TestMeanOfSmallNegatives(t *testing.T) {
	s := newState(t, Spec{Family: Sum, Kinds: []event.Kind{event.KindInt}, Window: Window{Kind: Forever}})
	s.add(1, []event.Value{event.IntValue(-2)}, 0)
	s.add(1, []event.Value{event.IntValue(-3)}, 0)
	var v [1]event.Value
	if s.cell.Read(s.head, s.tail, Query{Agg: AggAvg}, 1, v[:]); v[0].Float() != -2.5 {
		t.Errorf("the mean of -2 and -3 is %s", v[0].Text())
	}
}

// TestExactWindowAtTheHorizon fills a tail, so that what is past is forgotten, and reads at the watermark itself.
func TestExactWindowAtTheHorizon(t *testing.T) {
	const length = 10
	s := newState(t, Spec{Family: Count, Window: Window{Kind: Exact, Length: length}})
	for at := event.Time(0); at < 200; at++ {
		s.add(at, nil, at) // no disorder: the next event is at the watermark at the earliest
		var v [1]event.Value
		if s.cell.Read(s.head, s.tail, Query{Agg: AggCount}, at, v[:]); v[0].Int() != min(int64(at)+1, length) {
			t.Fatalf("%d rows at %d, want %d", v[0].Int(), at, min(int64(at)+1, length))
		}
	}
}

// TestPanesTooFarApart has an event two days ahead of a window whose panes last a millisecond: it stays, what is older gives way.
func TestPanesTooFarApart(t *testing.T) {
	for _, spec := range testCells() {
		if spec.Window.Length != 50*time.Millisecond || spec.Family == Recent || spec.Family == Distinct || spec.Family == Bins {
			continue
		}
		s := newState(t, spec)
		values := newStream(1).values(spec.Kinds)
		ahead := event.Time(48 * time.Hour)
		for _, at := range []event.Time{0, 1e6, ahead, 2e6, ahead + 1e6} {
			s.add(at, values, event.NoTime)
		}
		var v [1]event.Value
		for at, want := range map[event.Time]int{2e6: 0, ahead + 1e6: 2} {
			if read := s.cell.Read(s.head, s.tail, queriesOf(spec)[0], at, v[:]); read.Samples != want {
				t.Errorf("%d: %d samples at %v, want %d", spec.Family, read.Samples, at.Std(), want)
			}
		}
		if got := s.cell.Drops.Panes; got != 3 {
			t.Errorf("%d: %d panes counted as given way, want 3", spec.Family, got)
		}
	}
}

// TestFoldForgetsDroppedPanes fills panes while nothing is read, so that panes of a fold that was read before are forgotten meanwhile.
func TestFoldForgetsDroppedPanes(t *testing.T) {
	spec := Spec{Family: Sum, Kinds: []event.Kind{event.KindNumber}, Window: Window{Kind: Sliding, Length: time.Hour}}
	s, m := newState(t, spec), &model{spec: spec}
	one := []event.Value{event.NumberValue(1)}
	at := event.Time(0)
	var v [1]event.Value
	for i := range 600 {
		at = at.Add(time.Minute)
		s.add(at, one, at) // no disorder, so that all that left the window is forgotten
		m.add(at, one)
		if i%3 != 0 {
			continue
		}
		s.cell.Read(s.head, s.tail, Query{Agg: AggSum}, at, v[:])
		if want, _ := m.read(Query{Agg: AggSum}, at); !sameValue(v[0], want[0]) {
			t.Fatalf("event %d: %s, want %s", i, v[0].Text(), want[0].Text())
		}
	}
}
