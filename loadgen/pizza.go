package loadgen

import (
	"fmt"
	"time"

	"insolite/internal/event"
)

// Kinds of stories.
const (
	pizzaSecond = iota
	pizzaDear
	pizzaKinds
)

const (
	pizzaPause = 720 * time.Hour // back-after-a-month
	dearFree   = 120 * 24 * time.Hour
)

var pizzas = [...]struct {
	name  string
	cents int64
}{{"margherita", 950}, {"marinara", 1000}, {"regina", 1050}, {"napoli", 1100}, {"diavola", 1150}, {"quattro formaggi", 1250}}

var tartufo = int64(2800)

// pizza knows how many pizzas each customer has had on the last day of buying any, and so what two-pizzas-one-day has to say.
type pizza struct {
	*Generator
	zone *time.Location
	day  []int32 // by key
	had  []uint8 // by key: on that day
}

func newPizza(g *Generator) (script, error) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return nil, fmt.Errorf("load the time zone: %w; install tzdata", err)
	}
	return &pizza{Generator: g, zone: zone, day: make([]int32, g.options.Keys), had: make([]uint8, g.options.Keys)}, nil
}

func (s *pizza) dayOf(at event.Time) int32 {
	t := at.Std().In(s.zone)
	return int32(t.Year()*366 + t.YearDay())
}

func (s *pizza) normal(e *Event) {
	today := s.dayOf(e.At)
	k := s.key(e.At)
	for range 32 {
		if s.day[k] != today {
			break
		}
		k = s.key(e.At)
	}
	p := pizzas[s.rand.IntN(len(pizzas))]
	s.order(e, k, p.name, p.cents)
}

// order fills the event and notes it.
func (s *pizza) order(e *Event, k int, item string, cents int64) {
	e.Source = "pizza.purchased"
	e.Key = padded(append(e.Key, "c-"...), uint64(k), 6)
	b := instant(e.Value, "at", e.At)
	b = named(b, "order_id", "o-", e.Number, 9)
	b = named(b, "customer_id", "c-", uint64(k), 6)
	b = text(b, "item", item)
	b = decimal(b, "price", float64(cents)/100, 2)
	b = named(b, "shop", "s-", s.trait(k, 1)%40, 2)
	e.Value = append(b, '}')
	if !e.counts() {
		return
	}
	if today := s.dayOf(e.At); s.day[k] != today {
		s.day[k], s.had[k] = today, 0
	}
	s.had[k] = min(s.had[k]+1, 100)
	switch {
	case s.had[k] == 2:
		e.Label = "two-pizzas-one-day"
	case s.last[k] != event.NoTime && e.At-s.last[k] > event.Time(pizzaPause):
		e.Label = "back-after-a-month"
	}
	s.seen(k, e)
}

func (s *pizza) start(at event.Time) {
	today := s.dayOf(at)
	if kind := s.rand.IntN(pizzaKinds); kind == pizzaDear {
		k, ok := s.victim(at, 5, always)
		if ok && s.day[k] != today && at-s.last[k] < event.Time(pizzaPause) {
			s.plan(plan{due: at, key: k, kind: kind})
			s.hold(k, at+1, at.Add(dearFree))
		}
		return
	}
	for range 8 {
		k := s.key(at)
		if s.day[k] == today && s.had[k] == 1 {
			s.plan(plan{due: at, key: k, kind: pizzaSecond})
			s.busy[k] = at + 1
			return
		}
	}
}

func (s *pizza) act(p plan, e *Event) {
	if p.kind == pizzaDear {
		s.order(e, p.key, "tartufo", tartufo)
		e.Label = "dearer-than-usual"
		return
	}
	s.order(e, p.key, "margherita", pizzas[0].cents)
}
