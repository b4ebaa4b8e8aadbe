package loadgen

import (
	"math"
	"time"

	"insolite/internal/event"
)

// Kinds of stories.
const (
	payAmount = iota
	payBurst
	payTesting
	payPlaces
	payCountries
	payKinds
)

const (
	payFree   = 35 * 24 * time.Hour // the longest window of a rule, and some days
	burstSize = 12
	burstAt   = 10 // the payment at which many-payments-in-minutes alerts
	tries     = 4
)

var categories = [...]string{"grocery", "restaurant", "transport", "clothing", "pharmacy", "fuel", "books", "electronics"}

// payments gives each customer a home, one or two cards and an amount that is usual for them.
type payments struct{ *Generator }

func newPayments(g *Generator) (script, error) { return &payments{g}, nil }

// payment is what differs between payments.
type payment struct {
	amount   float64
	channel  string
	approved bool
	card     uint64
	where    city
}

func (s *payments) home(k int) city { return pick(s.Generator, k, 1, homes[:]) }

// mean is the amount that is usual for a customer: 15 to 80.
func (s *payments) mean(k int) float64 { return 15 + 65*s.share(k, 2)*s.share(k, 2) }

// usual is an ordinary payment: lognormal around the mean.
func (s *payments) usual(k int) payment {
	p := payment{amount: s.mean(k) * math.Exp(0.25*s.rand.NormFloat64()), where: s.home(k), approved: s.rand.IntN(64) > 0}
	if p.card = s.rand.Uint64N(4); p.card > 1 || s.trait(k, 3)%2 == 0 {
		p.card = 0
	}
	switch u := s.rand.IntN(10); {
	case u < 3:
		p.channel = "online"
	case u < 6:
		p.channel = "chip"
	default:
		p.channel = "contactless"
	}
	return p
}

func (s *payments) normal(e *Event) {
	k := s.key(e.At)
	p := s.usual(k)
	s.write(e, k, &p)
}

// write fills the event and notes it. Payments online have no place.
func (s *payments) write(e *Event, k int, p *payment) {
	e.Source = "payment.made"
	e.Key = padded(append(e.Key, "c-"...), uint64(k), 6)
	merchant := s.trait(k, 4+s.rand.Uint64N(12)) % 2000
	b := named(e.Value, "payment_id", "p-", e.Number, 10)
	b = instant(b, "at", e.At)
	b = named(b, "customer_id", "c-", uint64(k), 6)
	b = named(b, "card_id", "k-", uint64(k)*2+p.card, 7)
	b = named(b, "terminal_id", "t-", merchant*3+s.rand.Uint64N(3), 5)
	b = named(b, "merchant_id", "m-", merchant, 5)
	b = text(b, "category", categories[merchant%uint64(len(categories))])
	b = decimal(b, "amount", p.amount, 2)
	b = text(b, "currency", "EUR")
	b = text(b, "country", p.where.country)
	b = text(b, "channel", p.channel)
	b = flag(b, "approved", p.approved)
	if p.channel != "online" {
		lat, lon := s.near(p.where)
		b = position(b, lat, lon)
	}
	e.Value = append(b, '}')
	s.seen(k, e)
}

func (s *payments) start(at event.Time) {
	kind := s.rand.IntN(payKinds)
	k, ok := s.victim(at, 14, s.quietSince(kind, at))
	if !ok {
		return
	}
	steps, gap, quiet := 1, time.Duration(0), time.Duration(1)
	switch kind {
	case payBurst:
		steps, gap, quiet = burstSize, 25*time.Second, 6*time.Minute
		ok = s.mean(k) < 50 // or it is a spending spree too
	case payTesting:
		steps, gap, quiet = tries+1, 40*time.Second, 5*time.Minute
		ok = s.mean(k) > 30 // or the amount behind the tries is unusual too
	case payPlaces:
		steps, gap, quiet = 2, time.Duration(20+s.rand.IntN(30))*time.Minute, travelHold
	case payCountries:
		steps, gap, quiet = 3, 5*time.Minute, travelHold
		ok = at.Std().Hour() < 23 // all on one day
	}
	if !ok {
		return
	}
	other, gap := s.rand.IntN(len(far)), s.pace(gap)
	for i := range steps {
		s.plan(plan{due: at.Add(time.Duration(i) * gap), key: k, kind: kind, step: i, other: other})
	}
	s.hold(k, at.Add(quiet), at.Add(payFree))
}

// quietSince says since when a victim must have paid nothing: a burst must not join a session of payments.
func (s *payments) quietSince(kind int, at event.Time) event.Time {
	if kind == payBurst {
		return at.Add(-21 * time.Minute)
	}
	return always
}

func (s *payments) act(p plan, e *Event) {
	pay := s.usual(p.key)
	pay.card, pay.approved, pay.channel = 0, true, "chip"
	switch p.kind {
	case payAmount:
		pay.amount, pay.channel = s.mean(p.key)*(5+2*s.rand.Float64()), "online"
		e.Label = "amount-far-above-usual"
	case payBurst:
		if p.step == burstAt-1 {
			e.Label = "many-payments-in-minutes"
		}
	case payTesting:
		pay.channel = "online"
		if p.step < tries {
			pay.amount, pay.approved = 1+0.9*s.rand.Float64(), s.rand.IntN(2) > 0
		} else {
			pay.amount = 1.5 * s.mean(p.key)
			e.Label = "card-testing"
		}
	case payPlaces:
		if p.step == 1 {
			pay.where = far[p.other]
			e.Label = "card-in-two-places"
		}
	case payCountries:
		pay.channel = "online"
		if p.step > 0 {
			pay.where = far[(p.other+p.step)%len(far)]
		}
		if p.step == 2 {
			e.Label = "three-countries-in-a-day"
		}
	}
	s.write(e, p.key, &pay)
}
