package loadgen

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"insolite/internal/event"
)

// Options decide every byte of what a generator makes.
type Options struct {
	Seed             uint64
	Keys             int           // how many keys there are; 0: the scenario's number
	Start            event.Time    // event time of the first event behind the history
	Rate             float64       // events a second of event time from Start on; 0: the scenario's natural rate
	History          time.Duration // how far back events are laid before Start; 0: none
	HistoryRate      float64       // events a second of event time before Start; 0: the natural rate
	Anomalies        float64       // share of the ordinary events from Start on at which an anomaly begins; 0: none
	HistoryAnomalies float64       // the same of the history. A key is left alone for weeks afterwards, so many here leave few for later
	Hasty            bool          // from Start on the steps of an anomaly follow each other in a sixtieth of the usual time, for people who watch
	Disorder         float64       // share of events that are out of order within Lateness
	Late             float64       // share of events that are late
	Malformed        float64       // share of records that are no events
	Lateness         time.Duration // of the sources; 0: the scenario's
}

// KeysMax bounds the keys: a generator keeps some 60 bytes for each.
const KeysMax = 50_000_000

// Event is one record to write, and what is known about it.
type Event struct {
	Number    uint64     // from 0
	Source    string     // of rules/examples
	Topic     string     // where it belongs
	Key       []byte     // of the record
	Value     []byte     // of the record
	At        event.Time // event time
	Due       event.Time // when a live producer would have written it: At, unless the event is out of order
	Label     string     // id of the rule that has to alert at this event; empty: none
	Entity    []byte     // the key of that rule when it is not the record's: it alerts at this event, or at one of the story just before; else empty
	History   bool       // before Options.Start
	Late      bool       // beyond the lateness of all events: no rule of a topic with one partition sees it; of several, the partition decides
	Malformed bool       // a dead letter
}

// plan is a step of an anomaly that is to come.
type plan struct {
	due   event.Time
	key   int
	kind  int
	step  int
	other int // what the story needs to remember
}

// Generator makes the events of one scenario. It is for one goroutine.
type Generator struct {
	scenario Scenario
	options  Options
	script   script
	rand     *rand.Rand
	zipf     *rand.Zipf
	number   uint64
	slot     int64      // of the ordinary events, from 0 in each of history and live
	now      event.Time // of the slot
	newest   event.Time // highest event time that rules have seen
	live     bool
	plans    []plan       // by due
	busy     []event.Time // by key: until when it does nothing of its own
	free     []event.Time // by key: from when on it may have another anomaly
	last     []event.Time // by key: its newest event that is no story's and not late
	count    []uint32     // by key: its ordinary events
	crowd    []int        // what draw found
	scratch  []byte       // for malformed records
}

// New returns a generator of the scenario with that name.
func New(scenario string, o Options) (*Generator, error) {
	e, err := find(scenario)
	if err != nil {
		return nil, err
	}
	if err := o.complete(e.Scenario); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", scenario, err)
	}
	r := rand.New(rand.NewPCG(o.Seed, 0x1a501173))
	g := &Generator{
		scenario: e.Scenario, options: o, rand: r,
		// Flatter than pure Zipf: a tenth of the keys bring half of the events, and the busiest some five times the average.
		zipf: rand.NewZipf(r, 1.1, float64(o.Keys)/10+1, uint64(o.Keys-1)),
		busy: make([]event.Time, o.Keys), free: make([]event.Time, o.Keys), last: make([]event.Time, o.Keys), count: make([]uint32, o.Keys),
		newest: event.NoTime, live: o.History <= 0,
	}
	for i := range g.busy {
		g.busy[i], g.free[i], g.last[i] = event.NoTime, event.NoTime, event.NoTime
	}
	g.script, err = e.script(g)
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", scenario, err)
	}
	g.tick()
	return g, nil
}

// complete checks the options and puts in what is absent.
func (o *Options) complete(s Scenario) error {
	if o.Keys == 0 {
		o.Keys = s.Keys
	}
	if o.Lateness == 0 {
		o.Lateness = s.Lateness
	}
	switch {
	case o.Keys < 1 || o.Keys > KeysMax:
		return fmt.Errorf("keys are 1 to %d, not %d", KeysMax, o.Keys)
	case o.Rate < 0 || o.HistoryRate < 0 || o.Rate > 1e9 || o.HistoryRate > 1e9:
		return errors.New("rates are 0 to 1e9 events a second")
	case o.Lateness < 0 || o.History < 0:
		return errors.New("lateness and history are not negative")
	}
	sum := 0.0
	for _, share := range []float64{o.Anomalies, o.HistoryAnomalies, o.Disorder, o.Late, o.Malformed} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("shares are 0 to 1, not %v", share)
		}
		sum += share
	}
	if sum-min(o.Anomalies, o.HistoryAnomalies) > 1 {
		return errors.New("the shares of anomalies, disorder, late and malformed events are more than 1 together")
	}
	natural := float64(o.Keys) * s.PerKeyDay / (24 * 60 * 60)
	if o.Rate == 0 {
		o.Rate = natural
	}
	if o.HistoryRate == 0 {
		o.HistoryRate = natural
	}
	return nil
}

// Scenario returns what the generator makes.
func (g *Generator) Scenario() Scenario { return g.scenario }

// tick moves the clock to the slot. Times are whole milliseconds, as the events write them.
func (g *Generator) tick() {
	begin, rate := g.options.Start, g.options.Rate
	if !g.live {
		begin, rate = g.options.Start.Add(-g.options.History), g.options.HistoryRate
	}
	g.now = millis(begin.Add(time.Duration(float64(g.slot) / rate * float64(time.Second))))
	if !g.live && g.now >= millis(g.options.Start) {
		g.live, g.slot = true, 0
		g.tick()
	}
}

func millis(t event.Time) event.Time { return t - t%1e6 }

// Next makes the next event. It reuses the memory of dst.Key, dst.Value and dst.Entity.
func (g *Generator) Next(dst *Event) {
	*dst = Event{Number: g.number, Topic: g.scenario.Topics[0], Key: dst.Key[:0], Value: dst.Value[:0], Entity: dst.Entity[:0]}
	g.number++
	if len(g.plans) > 0 && g.plans[0].due <= g.now {
		p := g.plans[0]
		g.plans = slices.Delete(g.plans, 0, 1)
		dst.At, dst.Due = p.due, p.due
		g.script.act(p, dst)
	} else {
		g.ordinary(dst)
	}
	dst.History = dst.Due < millis(g.options.Start)
	if dst.counts() {
		g.newest = max(g.newest, dst.At)
	}
}

// ordinary makes an event that belongs to no story, one of a share that is not as it should be, or begins a story beside it.
func (g *Generator) ordinary(dst *Event) {
	o := &g.options
	dst.At, dst.Due = g.now, g.now
	anomalies := o.Anomalies
	if !g.live {
		anomalies = o.HistoryAnomalies
	}
	switch u := g.rand.Float64(); {
	case u < anomalies:
		g.script.start(g.now)
	case u < anomalies+o.Disorder:
		// Not over a full hour, so that an event stays in its day.
		back := g.rand.Int64N(int64(o.Lateness)*9/10 + 1)
		dst.At = max(millis(g.now-event.Time(back)), g.now-g.now%event.Time(time.Hour))
	case u < anomalies+o.Disorder+o.Late:
		if g.newest != event.NoTime {
			// Twice the lateness, because the watermark of a partition is behind that of all.
			dst.Late = true
			dst.At = millis(g.newest.Add(-2*o.Lateness - time.Duration(g.rand.Int64N(int64(10*time.Minute))) - time.Millisecond))
		}
	case u < anomalies+o.Disorder+o.Late+o.Malformed:
		dst.Malformed = true
	}
	g.script.normal(dst)
	if dst.Malformed {
		g.spoil(dst)
	}
	g.slot++
	g.tick()
}

// counts reports whether the rules see the event.
func (e *Event) counts() bool { return !e.Late && !e.Malformed }

// key draws a key that is in no story.
func (g *Generator) key(at event.Time) int {
	k := int(g.zipf.Uint64())
	for range 32 {
		if g.busy[k] <= at {
			break
		}
		k = int(g.zipf.Uint64())
	}
	return k
}

// seen notes an ordinary event of the key.
func (g *Generator) seen(k int, e *Event) {
	if e.counts() {
		g.last[k] = max(g.last[k], e.At)
		g.count[k]++
	}
}

// victim draws a key that may have an anomaly, that has had so many ordinary events, and none since the given instant.
func (g *Generator) victim(at event.Time, events uint32, quiet event.Time) (k int, ok bool) {
	for range 8 {
		k = int(g.zipf.Uint64())
		if g.free[k] <= at && g.busy[k] <= at && g.count[k] >= events && g.last[k] < quiet {
			return k, true
		}
	}
	return 0, false
}

// draw puts n different keys that are in no story into g.crowd, for a story in which each has one ordinary part.
func (g *Generator) draw(at event.Time, n int) (ok bool) {
	g.crowd = g.crowd[:0]
	for range 8 * n {
		if k := int(g.zipf.Uint64()); g.busy[k] <= at && !slices.Contains(g.crowd, k) {
			g.crowd = append(g.crowd, k)
		}
		if len(g.crowd) == n {
			return true
		}
	}
	return false
}

// inOnePane plans a step of a story for each key of the crowd, all within one pane of the window of the story's rule. Such a rule has another
// key, and sees the events of several partitions in the order in which they come together: within a pane the last of them alerts in any order.
func (g *Generator) inOnePane(at event.Time, pane, gap time.Duration, p plan) {
	at += event.Time(pane) - at%event.Time(pane)
	for i, k := range g.crowd {
		p.due, p.key, p.step = at.Add(time.Duration(i)*gap), k, i
		g.plan(p)
		g.busy[k] = p.due + 1
	}
}

// hold keeps the key from ordinary events until quiet, and from other anomalies until free.
func (g *Generator) hold(k int, quiet, free event.Time) { g.busy[k], g.free[k] = quiet, free }

// haste is by how much Options.Hasty divides.
const haste = 60

// pace returns how far the steps of a story are apart that usually are so far apart. speed_kmh wants a second at least.
func (g *Generator) pace(gap time.Duration) time.Duration {
	if g.options.Hasty && g.live && gap > 0 {
		return max(gap/haste, time.Second)
	}
	return gap
}

// plan puts a step of a story into the queue; steps due at the same time keep their order.
func (g *Generator) plan(p plan) {
	p.due = millis(p.due)
	i := sort.Search(len(g.plans), func(i int) bool { return g.plans[i].due > p.due })
	g.plans = slices.Insert(g.plans, i, p)
}

// spoil makes a record that is no event of its source.
func (g *Generator) spoil(e *Event) {
	switch g.rand.IntN(4) {
	case 0: // cut off
		e.Value = e.Value[:1+g.rand.IntN(len(e.Value)-1)]
	case 1: // no JSON
		e.Value = append(e.Value[:0], "%PDF-1.7"...)
	case 2: // an array instead of an object
		g.scratch = append(g.scratch[:0], e.Value...)
		e.Value = append(append(append(e.Value[:0], '['), g.scratch...), ']')
	case 3: // the required fields are missing
		e.Value = append(e.Value[:0], `{"type":"succeeded"}`...)
	}
}
