// Package reference is the reference job, by which the cost of an event is measured: what it reads, which rules it evaluates, and its
// records. Whatever measures takes the job from here, so that figures can be compared.
//
// The records are payments: JSON of 250 bytes with 14 fields, keyed by customer, customers by Zipf's law; a million payments are a day, so
// the panes of every window roll over. Of ten payments one is up to 70 s out of order: with the source's lateness of a minute a few are late.
//
//	g := reference.New(reference.Options{Keys: 1_000_000})
//	for range n {
//		r := g.Next() // r.Key and r.Value are good until the next call
//		…
//	}
package reference

import (
	_ "embed" // for Config and Rules
	"math/rand/v2"
	"time"

	"insolite/ingest"
	"insolite/internal/event"
)

// Topic holds the payments.
const Topic = "payments"

// Lateness is that of the source in Config.
const Lateness = time.Minute

// perDay is how many payments there are in a day of event time; disorder is how far one may be out of order.
const (
	perDay   = 1_000_000
	disorder = 70 * time.Second
)

// Config is the job's insolite.yaml, and Rules its rules.yaml, of one key; TwoKeys are rules of two keys.
var (
	//go:embed insolite.yaml
	Config []byte
	//go:embed rules.yaml
	Rules []byte
	//go:embed rules-two-keys.yaml
	TwoKeys []byte
)

// Options decide every byte of what a generator makes.
type Options struct {
	Seed uint64
	Keys int // how many customers there are; 0: a million

	Customer func() int // who pays next, below Keys; nil: by Zipf's law
}

// Generator makes the job's payments. It allocates nothing for one, and is for one goroutine.
type Generator struct {
	random *rand.Rand
	zipf   *rand.Zipf
	keys   uint64
	next   func() int
	at     event.Time
	record ingest.Record
}

// New returns a generator at the first payment.
func New(o Options) *Generator {
	if o.Keys == 0 {
		o.Keys = 1_000_000
	}
	random := rand.New(rand.NewPCG(1, o.Seed))
	start := event.Time(time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC).UnixNano())
	return &Generator{
		random: random, keys: uint64(o.Keys), next: o.Customer, at: start, record: ingest.Record{Offset: -1},
		zipf: rand.NewZipf(random, 1.1, 20, uint64(o.Keys)-1),
	}
}

// Next makes the next payment. Its offset counts all payments from 0; its timestamp is when it would have come without disorder.
func (g *Generator) Next() *ingest.Record {
	g.at = g.at.Add(24 * time.Hour / perDay)
	r := &g.record
	r.Offset++
	r.Timestamp = g.at - g.at%event.Time(time.Millisecond) // as Kafka keeps it
	at := r.Timestamp
	if g.random.IntN(10) == 0 {
		at -= event.Time(g.random.Int64N(disorder.Milliseconds())) * event.Time(time.Millisecond)
	}
	var customer uint64
	if g.next != nil {
		customer = uint64(g.next())
	} else {
		customer = g.zipf.Uint64() * 2654435761 % g.keys // busy ones lie anywhere
	}
	r.Key = appendDigits(append(r.Key[:0], 'c'), 8, 10_000_000+customer)
	r.Value = g.payment(r.Value[:0], at, r.Key, customer)
	return r
}

// payment appends a payment. What customers do mostly is what they always do: small amounts at their six terminals, in their country.
func (g *Generator) payment(b []byte, at event.Time, key []byte, customer uint64) []byte {
	terminal := (customer*7 + g.random.Uint64N(6)) % 10_000
	if g.random.IntN(50) == 0 {
		terminal = g.random.Uint64N(10_000)
	}
	cents := 100 + g.random.Uint64N(9_900)
	if g.random.IntN(2000) == 0 {
		cents *= 20
	}
	country := countries[customer%6]
	if g.random.IntN(50) == 0 {
		country = countries[g.random.IntN(len(countries))]
	}
	attempt := uint64(1)
	if g.random.IntN(100) == 0 {
		attempt += g.random.Uint64N(6)
	}
	b = append(b, `{"at":"`...)
	b = event.AppendTime(b, at, 7200)
	b = appendDigits(append(b, `","id":"p`...), 8, uint64(g.record.Offset))
	b = append(append(b, `","customer_id":"`...), key...)
	b = appendDigits(append(b, `","terminal":"t`...), 4, terminal)
	b = event.AppendNumber(append(b, `","amount":`...), float64(cents)/100)
	b = append(append(b, `,"currency":"EUR","country":"`...), country...)
	b = appendDigits(append(b, `","via":"pos","mcc":`...), 4, 5000+g.random.Uint64N(999))
	b = appendDigits(append(b, `,"merchant":{"name":"m`...), 5, g.random.Uint64N(100_000))
	b = append(append(b, `"},"online":`...), truths[g.random.IntN(2)]...)
	b = appendDigits(append(b, `,"device":"d`...), 4, g.random.Uint64N(10_000))
	b = appendDigits(append(b, `","attempt":`...), 1, attempt)
	return append(b, `,"note":""}`...)
}

var (
	countries = [...]string{"DE", "FR", "IT", "ES", "NL", "AT", "SE", "PL", "CH", "BE"}
	truths    = [...]string{"false", "true"}
)

// appendDigits appends the last digits of n.
func appendDigits(b []byte, digits int, n uint64) []byte {
	from := len(b)
	b = append(b, "0000000000"[:digits]...)
	for i := len(b) - 1; i >= from; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}
