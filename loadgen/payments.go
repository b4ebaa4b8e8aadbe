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
	payDeclined
	payMost
	paySpree
	payKinds
)

const (
	payFree   = 35 * 24 * time.Hour // the longest window of a rule, and some days
	burstSize = 12
	burstAt   = 10 // the payment at which many-payments-in-minutes alerts
	tries     = 4
	declined  = 6    // cards at which cards-declined-at-terminal alerts
	sampled   = 14   // payments online, somewhat more than online-amount-far-above-most wants to have seen
	spree     = 1000 // beyond which spending-spree alerts

	ownTerminals  = 6000 // of the merchants; those behind them are of nobody but the stories
	mostTerminals = 94_000
)

var categories = [...]string{"grocery", "restaurant", "transport", "clothing", "pharmacy", "fuel", "books", "electronics"}

// payments gives each customer a home, one or two cards and an amount that is usual for them.
type payments struct {
	*Generator
	terminals int          // stories of a terminal so far
	online    []uint8      // by key: approved payments online with the first card, since begun
	begun     []event.Time // by key
	seenBy    []event.Time // by key: when the last sampled ones of them had begun
}

func newPayments(g *Generator) (script, error) {
	n := g.options.Keys
	s := &payments{Generator: g, online: make([]uint8, n), begun: make([]event.Time, n), seenBy: make([]event.Time, n)}
	for i := range s.seenBy {
		s.seenBy[i] = event.NoTime
	}
	return s, nil
}

// payment is what differs between payments.
type payment struct {
	amount   float64
	channel  string
	approved bool
	card     uint64
	where    city
	terminal uint64 // 0: one of the merchant's
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
	terminal := p.terminal
	if terminal == 0 {
		terminal = merchant*3 + s.rand.Uint64N(3)
	}
	b = named(b, "terminal_id", "t-", terminal, 5)
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
	if e.counts() && p.approved && p.channel == "online" && p.card == 0 {
		s.sample(k, e.At)
	}
}

// sample counts a payment online. So it is known of a key that it has made so many within some time, without their times.
func (s *payments) sample(k int, at event.Time) {
	if s.online[k] == 0 {
		s.begun[k] = at
	}
	if s.online[k]++; s.online[k] == sampled {
		s.seenBy[k], s.online[k] = s.begun[k], 0
	}
}

func (s *payments) start(at event.Time) {
	kind := s.rand.IntN(payKinds)
	if kind == payDeclined {
		s.startDeclined(at)
		return
	}
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
	case payMost:
		steps, gap, quiet = 2, 10*time.Minute, 11*time.Minute
		ok = s.seenBy[k] > at.Add(-29*24*time.Hour)
	case paySpree:
		steps, gap, quiet = s.spreeOf(k), 15*time.Minute, 3*time.Hour
		ok = steps < burstAt-1
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

// startDeclined begins a story of a terminal: cards of different customers are declined there. To each of them it is one declined payment.
func (s *payments) startDeclined(at event.Time) {
	if !s.draw(at, declined) {
		return
	}
	s.inOnePane(at, 10*time.Second, time.Second, plan{kind: payDeclined, other: s.terminals})
	s.terminals++
}

// spreeAmount is what a customer pays again and again in a spree: much, and not unusual yet.
func (s *payments) spreeAmount(k int) int { return int(2.5 * s.mean(k)) }

// spreeOf is how many such payments are a spree.
func (s *payments) spreeOf(k int) int { return spree/s.spreeAmount(k) + 1 }

// quietSince says since when a victim must have paid nothing: a burst or a spree must not join a session of payments.
func (s *payments) quietSince(kind int, at event.Time) event.Time {
	if kind == payBurst || kind == paySpree {
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
	case payDeclined:
		pay.approved, pay.channel = false, "online"
		pay.terminal = ownTerminals + uint64(p.other%mostTerminals)
		if p.step == declined-1 {
			e.Label, e.Entity = "cards-declined-at-terminal", padded(append(e.Entity, "t-"...), pay.terminal, 5)
		}
	case payMost: // the alert of the first amount holds those of the second one by amount-far-above-usual back
		pay.channel = "online"
		pay.amount, e.Label = s.mean(p.key)*(5+s.rand.Float64()), "amount-far-above-usual"
		if p.step == 1 {
			pay.amount, e.Label = s.mean(p.key)*(14+s.rand.Float64()), "online-amount-far-above-most"
		}
	case paySpree:
		pay.amount = float64(s.spreeAmount(p.key))
		if p.step == s.spreeOf(p.key)-1 {
			e.Label = "spending-spree"
		}
	}
	s.write(e, p.key, &pay)
}
