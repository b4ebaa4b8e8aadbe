package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Random returns a job and a log to run it on, the same for the same seed. Conditions have limits that the log's own values suggest, so
// that they hold often and fail often.
//
// The log has events out of order within the lateness, late ones, repeated ids, equal times, times exactly at the watermark, at a
// session's gap and at a window's edge, missing optional fields, a few busy keys, and silences that outlast windows. Seeds cover every
// aggregate with every kind of window, with and without exclude_current, in turn. Some rules are by another key than the source's, and some
// sources have none. Some features are of another key than their rule; every other job has a second source, in the same topic or another one,
// with rules of its own, and features that read the events of the other source.
func Random(seed uint64) (Job, []string) {
	_, j, lines := random(seed)
	return j, lines
}

func random(seed uint64) (*generator, Job, []string) {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x1a5011)), seed: seed}
	g.setting()
	lines := g.log()
	j := Job{Source: g.source}
	for i := range 5 {
		j.Rules = append(j.Rules, g.rule(i))
	}
	lines = g.widen(&j, lines)
	g.waiting(&j)
	g.tune(&j, lines)
	g.unconditional(&j)
	for i := range j.Rules {
		j.Rules[i].Severity = []string{"low", "", "high", "info", "critical"}[(seed+uint64(i))%5]
	}
	return g, j, lines
}

// generator makes one job. All times are multiples of a grain after a start, so that edges are hit exactly.
type generator struct {
	*rand.Rand
	seed   uint64
	pace   time.Duration // of the log, in the mean
	grain  time.Duration
	start  time.Time
	zone   string
	units  []string // calendar units that fit the pace
	source Source
	items  int   // how many different items there are
	wild   bool  // now and then a value near the end of its type's range
	times  []int // of the log's events, in grains after the start
}

// chance is true with probability p.
func (g *generator) chance(p float64) bool { return g.Float64() < p }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

var paces = [...]struct {
	pace  time.Duration
	units []string
}{
	{100 * time.Millisecond, []string{"minute"}},
	{time.Second, []string{"minute"}},
	{20 * time.Second, []string{"minute", "hour"}},
	{5 * time.Minute, []string{"hour", "day"}},
	{time.Hour, []string{"day", "week"}},
	{6 * time.Hour, []string{"day", "week", "month"}},
}

// clockChanges are zones and days on which, or shortly before which, their clocks change.
var clockChanges = [...]struct{ zone, day string }{
	{"Europe/Paris", "2026-03-28"}, {"Europe/Paris", "2026-10-24"}, {"America/New_York", "2026-03-07"}, {"America/New_York", "2026-10-31"},
	{"Australia/Sydney", "2026-04-04"}, {"Asia/Kolkata", "2026-01-31"}, {"Africa/Cairo", "2026-04-23"}, {"", "2026-12-30"},
}

// setting chooses the pace, the place in the calendar and the source.
func (g *generator) setting() {
	p := pick(g, paces[:]...)
	g.pace, g.units, g.grain = p.pace, p.units, p.pace/2
	c := pick(g, clockChanges[:]...)
	day, err := time.Parse(time.DateOnly, c.day)
	if err != nil {
		panic("oracle: " + err.Error()) // the table is ours
	}
	g.zone, g.start = c.zone, day.Add(time.Duration(g.IntN(48))*time.Hour/2)
	if g.chance(0.1) {
		g.start = g.start.AddDate(-60, 0, 0) // before 1970: pane numbers are negative
	}
	g.items, g.wild = pick(g, 4, 12, 60), g.chance(0.15)
	g.source = Source{Name: "events", Topic: "events", Key: []string{"user"}, Lateness: g.grain * time.Duration(pick(g, 3, 10, 40, 80)), Fields: []Field{
		{"at", Time, false}, {"id", String, true}, {"user", String, false}, {"shop", Int, true}, {"amount", Number, true}, {"qty", Int, true},
		{"item", String, true}, {"flag", Bool, true}, {"seen", Time, true}, {"addr", IP, true},
	}}
	if g.chance(0.15) {
		g.source.Key = nil
	}
	if g.chance(0.7) {
		g.source.Dedupe = &Dedupe{ID: "id", For: g.grain * time.Duration(pick(g, 4, 20, 100))}
	}
}

// log writes the events.
func (g *generator) log() []string {
	var lines []string
	var ids []string
	var times []int // of the ids, in grains after the start
	now, count := 0, 320+g.IntN(160)
	lateness := int(g.source.Lateness / g.grain)
	for i := range count {
		switch {
		case g.chance(0.015):
			now += 60 + g.IntN(200) // a silence
		case g.chance(0.8):
			now += g.IntN(6)
		}
		at := now
		switch {
		case g.chance(0.03):
			at = now - lateness - 1 - g.IntN(10) // late, if now is the newest
		case g.chance(0.06):
			at = now - lateness // at the watermark
		case g.chance(0.25):
			at = now - g.IntN(lateness+1)
		}
		id := fmt.Sprintf("e%d", i)
		if len(ids) > 0 && g.chance(0.08) {
			again := max(0, len(ids)-1-g.IntN(pick(g, 3, 20, 90)))
			id = ids[again]
			if g.chance(0.6) {
				at = times[again]
			} else if d := g.source.Dedupe; d != nil && g.chance(0.5) {
				at = times[again] + int(d.For/g.grain) // just far enough
			}
		}
		ids, times = append(ids, id), append(times, at)
		lines = append(lines, g.line(id, at))
	}
	g.times = times
	return lines
}

// line writes one event as JSON; optional fields are absent or null now and then.
func (g *generator) line(id string, at int) string {
	amount := number(float64(g.IntN(2000)) / 10)
	qty := int64(g.IntN(40) - 8)
	if g.wild && g.chance(0.02) {
		amount, qty = number(pick(g, 1e308, -1e308, 1e17, 1e-12)), pick[int64](g, 1<<62, 1<<63-1, -1<<63)
	}
	parts := []string{`"at":` + g.instant(at), `"user":"` + pick(g, "ann", "ann", "ann", "bob", "bob", "cyd", "dan", "eve") + `"`}
	optional := func(p float64, name string, v Value) {
		if g.chance(p) {
			parts = append(parts, `"`+name+`":`+v.JSON())
		} else if g.chance(0.3) {
			parts = append(parts, `"`+name+`":null`)
		}
	}
	optional(0.97, "id", Value{Kind: String, S: id})
	optional(0.9, "shop", integer(int64(g.IntN(3))))
	optional(0.9, "amount", amount)
	optional(0.9, "qty", integer(qty))
	optional(0.9, "item", Value{Kind: String, S: fmt.Sprintf("i%d", g.IntN(1+g.IntN(g.items)))})
	optional(0.8, "flag", boolean(g.chance(0.4)))
	optional(0.8, "addr", Value{Kind: IP, S: pick(g, "10.0.0.", "2001:db8::") + fmt.Sprint(1+g.IntN(9))})
	if g.chance(0.8) {
		parts = append(parts, `"seen":`+g.instant(at-g.IntN(30)))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// instant writes a time so many grains after the start, in one of several offsets from UTC.
func (g *generator) instant(at int) string {
	t := g.start.Add(time.Duration(at) * g.grain)
	zone := time.FixedZone("", pick(g, 0, 0, 2*3600, -5*3600-1800))
	return `"` + t.In(zone).Format(time.RFC3339Nano) + `"`
}

// rule makes a rule without its condition: three features, and some of where, exceptions and suppress.
func (g *generator) rule(i int) Rule {
	r := Rule{ID: fmt.Sprintf("rule-%d", i), GroupBy: pick(g, []string{"user"}, []string{"user"}, []string{"user", "shop"}, []string{"flag", "user"})}
	if g.chance(0.3) {
		r.GroupBy = pick(g, []string{"shop"}, []string{"shop"}, []string{"flag"}, []string{"shop", "flag"}, []string{"item"})
	}
	if g.chance(0.3) {
		r.Where = g.filter()
	}
	for k := range 3 {
		r.Features = append(r.Features, g.feature(i, k))
	}
	if g.chance(0.3) {
		r.Exceptions = append(r.Exceptions, Exception{"quiet item", Op("==", Ref("item"), Lit(Value{Kind: String, S: "i0"}))})
	}
	if g.chance(0.1) {
		r.Exceptions = append(r.Exceptions, Exception{"other", g.filter()})
	}
	switch {
	case g.chance(0.3):
		r.Suppress = &Suppress{For: g.grain * time.Duration(2+g.IntN(30))}
	case g.chance(0.2):
		r.Suppress = &Suppress{Unit: g.units[0], Zone: g.zone}
	}
	if r.Suppress != nil && g.chance(0.6) {
		r.Suppress.By = pick(g, []string{"item"}, []string{"shop", "flag"}, []string{"addr"})
	}
	return r
}

// feature makes the k-th feature of the i-th rule. Consecutive seeds walk through all combinations of aggregate, window and
// exclude_current; the rest is left to chance.
func (g *generator) feature(i, k int) Feature {
	return g.combined(g.seed*15+uint64(i*3+k), k)
}

// combinations of aggregate, window and exclude_current.
const combinations = uint64(len(Aggs) * len(Windows) * 2)

// combined makes a feature with the n-th combination.
func (g *generator) combined(n uint64, k int) Feature {
	combination := int(n * 5 % combinations) // 5 is prime to 144, and few windows come together
	f := Feature{Name: fmt.Sprintf("f%d", k), Agg: Aggs[combination%len(Aggs)]}
	combination /= len(Aggs)
	f.ExcludeCurrent = combination%2 == 1
	f.Window = g.window(Windows[combination/2])
	switch f.Agg {
	case "count":
		f.Field = pick(g, "", "", "qty", "addr")
	case "sum", "avg", "stddev", "delta":
		f.Field = pick(g, "qty", "amount")
	case "min", "max":
		f.Field = pick(g, "qty", "amount", "seen")
	case "distinct_count":
		f.Field = pick(g, "item", "item", "qty", "flag", "addr")
	case "percentile":
		f.Field, f.P = pick(g, "qty", "amount"), pick(g, 1000, 25_000, 50_000, 75_000, 90_000, 95_000, 99_900)
	case "first", "last":
		if g.chance(0.4) {
			f.Fields = pick(g, []string{"amount", "item"}, []string{"qty", "seen", "flag"})
		} else {
			f.Field = pick(g, "qty", "amount", "item", "flag", "seen", "addr")
		}
	}
	f.Exact = canBeExact(f.Agg, f.Window.Kind) && g.chance(0.5)
	if g.chance(0.25) {
		f.Where = g.filter()
	}
	if g.chance(0.3) {
		f.MinSamples = 1 + g.IntN(6)
	}
	return f
}

func (g *generator) window(kind string) Window {
	w := Window{Kind: kind}
	switch kind {
	case "sliding", "exact":
		w.Span = g.grain * time.Duration(pick(g, 5, 20, 30, 60, 61, 120, 240))
		if g.chance(0.2) {
			w.Span += time.Millisecond // panes are not a whole number of grains
		}
	case "calendar":
		w.Unit, w.Zone = pick(g, g.units...), g.zone
	case "session":
		w.Span = g.grain * time.Duration(pick(g, 2, 5, 10, 30))
	case "events":
		w.N = pick(g, 1, 2, 3, 10, 16, 17, 50)
	}
	return w
}

// filter makes a condition on the event alone; with a field missing it is unknown or not.
func (g *generator) filter() *Expr {
	atom := func() *Expr {
		switch g.IntN(5) {
		case 0:
			return Op(">", Ref("amount"), Lit(number(float64(g.IntN(90)))))
		case 1:
			return Op("<=", Ref("qty"), Lit(integer(int64(5+g.IntN(25)))))
		case 2:
			return Op("!=", Ref("item"), Lit(Value{Kind: String, S: "i1"}))
		case 3:
			return Ref("flag")
		}
		return Op("has", Ref("addr"))
	}
	a := atom()
	if g.chance(0.4) {
		a = Op(pick(g, "or", "and", "or"), a, atom())
	}
	if g.chance(0.2) && !slices.Contains([]string{"has", "ref"}, a.Op) {
		return Op("not", a)
	}
	return a
}
