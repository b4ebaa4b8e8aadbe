package loadgen

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"insolite/internal/event"
)

var start = must(event.TimeOf(time.Date(2026, 10, 15, 9, 0, 0, 0, time.UTC)))

func must(t event.Time, _ bool) event.Time { return t }

func generator(t testing.TB, name string, o Options) *Generator {
	t.Helper()
	g, err := New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// dirty has all that can be wrong with a log.
func dirty(seed uint64) Options {
	return Options{Seed: seed, Start: start, Keys: 300, History: 24 * time.Hour, Rate: 5, HistoryRate: 0.05, Anomalies: 0.01, HistoryAnomalies: 0.01, Disorder: 0.05, Late: 0.02, Malformed: 0.02}
}

func digest(g *Generator, n int) (sum [32]byte) {
	h := sha256.New()
	var e Event
	for range n {
		g.Next(&e)
		h.Write(e.Key)
		h.Write(e.Value)
		h.Write([]byte(e.Label))
	}
	h.Sum(sum[:0])
	return sum
}

func TestSameSeedSameBytes(t *testing.T) {
	for _, s := range Scenarios() {
		a, b, c := generator(t, s.Name, dirty(1)), generator(t, s.Name, dirty(1)), generator(t, s.Name, dirty(2))
		first := digest(a, 5_000)
		if digest(b, 5_000) != first {
			t.Errorf("%s: two generators with one seed differ", s.Name)
		}
		if digest(c, 5_000) == first {
			t.Errorf("%s: another seed gives the same", s.Name)
		}
	}
}

// What is out of order is within the lateness, what is late is beyond it, history comes first, and shares are what was asked for.
func TestTimes(t *testing.T) {
	for _, s := range Scenarios() {
		o := dirty(3)
		g := generator(t, s.Name, o)
		newest, due := event.NoTime, event.NoTime
		behind, late, malformed, history, total := 0, 0, 0, 0, 40_000
		var e Event
		for i := range total {
			g.Next(&e)
			switch {
			case e.Number != uint64(i):
				t.Fatalf("%s: event %d has the number %d", s.Name, i, e.Number)
			case e.Due < due:
				t.Fatalf("%s: event %d is due before the one before it", s.Name, i)
			case e.At > e.Due || e.At%1e6 != 0:
				t.Fatalf("%s: event %d at %v is due %v", s.Name, i, e.At.Std(), e.Due.Std())
			case e.Late != (newest != event.NoTime && e.At < newest.Add(-s.Lateness)):
				t.Fatalf("%s: event %d is %v behind, late: %v", s.Name, i, time.Duration(newest-e.At), e.Late)
			case e.History != (e.Due < start):
				t.Fatalf("%s: event %d due %v, history: %v", s.Name, i, e.Due.Std(), e.History)
			case (e.Late || e.Malformed) && e.Label != "":
				t.Fatalf("%s: event %d that no rule sees is to raise %s", s.Name, i, e.Label)
			}
			due = e.Due
			if e.At < newest && !e.Late {
				behind++
			}
			if e.Late {
				late++
			}
			if e.Malformed {
				malformed++
			}
			if e.History {
				history++
			}
			if !e.Malformed {
				newest = max(newest, e.At)
			}
		}
		if !about(late, total/50) || !about(malformed, total/50) || behind < total/30 || !about(history, 24*3600/20) {
			t.Errorf("%s: of %d events %d late, %d malformed, %d out of order, %d history", s.Name, total, late, malformed, behind, history)
		}
		// From Start on, Rate events a second and what stories add.
		if seconds := float64(due-start) / 1e9; float64(total-history)/seconds < 5 || float64(total-history)/seconds > 6 {
			t.Errorf("%s: %d events in %v seconds", s.Name, total-history, seconds)
		}
	}
}

func about(got, want int) bool { return got > want*8/10 && got < want*12/10 }

// A record is what a producer of the scenario would write: JSON of one line with the fields in a fixed order.
func TestPaymentsLookReal(t *testing.T) {
	g := generator(t, "payments", Options{Seed: 1, Start: start})
	var e Event
	size, full := 0, 0
	for range 1000 {
		g.Next(&e)
		var m map[string]any
		if err := json.Unmarshal(e.Value, &m); err != nil {
			t.Fatalf("%s: %v", e.Value, err)
		}
		if m["customer_id"] != string(e.Key) || m["at"] != e.At.Std().Format("2006-01-02T15:04:05.000Z07:00") {
			t.Fatalf("key %s, at %v: %s", e.Key, e.At.Std(), e.Value)
		}
		if len(m) == 14 {
			full++
		}
		size += len(e.Value)
	}
	if size/1000 < 230 || size/1000 > 280 || full < 600 {
		t.Errorf("%d bytes a payment, %d of 1000 with 14 fields", size/1000, full)
	}
}

func TestMalformedIsMalformed(t *testing.T) {
	g := generator(t, "pizza", Options{Seed: 1, Start: start, Malformed: 1})
	var e Event
	for range 1000 {
		g.Next(&e)
		var pizza struct {
			Item, At string
			Customer string `json:"customer_id"`
		}
		if json.Unmarshal(e.Value, &pizza) == nil && pizza.Item != "" && pizza.At != "" && pizza.Customer != "" {
			t.Fatalf("%s is an event", e.Value)
		}
	}
}

func TestKeysAreSkewed(t *testing.T) {
	g := generator(t, "payments", Options{Seed: 1, Keys: 1000, Start: start})
	counts := map[string]int{}
	var e Event
	for range 100_000 {
		g.Next(&e)
		counts[string(e.Key)]++
	}
	if len(counts) != 1000 {
		t.Errorf("%d of 1000 keys seen", len(counts))
	}
	if n := counts["c-000000"]; n < 300 || n > 900 {
		t.Errorf("the busiest of 1000 keys has %d of 100000 events, want three to nine times the average", n)
	}
}

func TestNextAllocatesNothing(t *testing.T) {
	for _, s := range Scenarios() {
		g := generator(t, s.Name, dirty(1))
		var e Event
		for range 5000 {
			g.Next(&e)
		}
		if n := testing.AllocsPerRun(5000, func() { g.Next(&e) }); n != 0 {
			t.Errorf("%s: %v allocations an event", s.Name, n)
		}
	}
}

func TestWrongOptionsAreTold(t *testing.T) {
	for want, f := range map[string]func() (*Generator, error){
		`"pizzas"; choose one of pizza, payments`: func() (*Generator, error) { return New("pizzas", Options{}) },
		"keys are 1 to":     func() (*Generator, error) { return New("pizza", Options{Keys: -1}) },
		"shares are 0 to 1": func() (*Generator, error) { return New("pizza", Options{Late: 2}) },
		"more than 1":       func() (*Generator, error) { return New("pizza", Options{Late: 0.6, Disorder: 0.6}) },
		"rates are":         func() (*Generator, error) { return New("pizza", Options{Rate: -1}) },
		"not negative":      func() (*Generator, error) { return New("pizza", Options{History: -1}) },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestOneKey(t *testing.T) {
	for _, s := range Scenarios() {
		o := dirty(1)
		o.Keys = 1
		g := generator(t, s.Name, o)
		var e Event
		for range 2_000 {
			g.Next(&e)
		}
		if bytes.Contains(e.Key, []byte("1")) {
			t.Errorf("%s: key %s", s.Name, e.Key)
		}
	}
}

func TestPacer(t *testing.T) {
	var p Pacer
	if w := p.Wait(start, start.Add(-3*time.Second)); w != 3*time.Second || p.Sent != 0 {
		t.Errorf("waits %v, %d sent", w, p.Sent)
	}
	for _, delay := range []time.Duration{0, 10 * time.Millisecond, 11 * time.Millisecond, time.Second, 5 * time.Millisecond} {
		if w := p.Wait(start, start.Add(delay)); w != 0 {
			t.Errorf("%v behind, and waits %v", delay, w)
		}
	}
	if p.Sent != 5 || p.Behind != 2 || p.Worst != time.Second {
		t.Errorf("%+v", p)
	}
}

func BenchmarkNext(b *testing.B) {
	for _, s := range Scenarios() {
		b.Run(s.Name, func(b *testing.B) {
			g := generator(b, s.Name, Options{Seed: 1, Start: start, Anomalies: 0.001, Disorder: 0.01})
			var e Event
			b.ReportAllocs()
			for b.Loop() {
				g.Next(&e)
			}
		})
	}
}
