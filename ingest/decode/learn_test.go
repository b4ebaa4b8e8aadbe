package decode

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"insolite/internal/event"
)

// fastShare decodes the records and returns how many of the last half went the fast way.
func fastShare(t *testing.T, d *Decoder, records []string) float64 {
	t.Helper()
	row := make(event.Row, d.Width())
	half := len(records) / 2
	var before Stats
	for i, r := range records {
		if i == half {
			before = d.Stats()
		}
		if _, err := d.Decode([]byte(r), 0, row); err != nil {
			t.Fatalf("%s: %v", r, err)
		}
	}
	return float64(d.Stats().Fast-before.Fast) / float64(len(records)-half)
}

// Every producer's way of writing is learnt: what it leaves out, what is null, what it nests, how it spaces.
func TestProducersAreLearnt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	maybe := func(member string) string {
		if r.IntN(2) == 0 {
			return ""
		}
		return member
	}
	at := `"at":"2026-10-15T20:00:00Z"`
	for name, write := range map[string]func() string{
		"compact": func() string { return fmt.Sprintf(`{%s,"amount":%d.5,"other":"x%d"}`, at, r.IntN(1e6), r.IntN(1e6)) },
		"python":  func() string { return fmt.Sprintf(`{"at": "2026-10-15T20:00:00Z", "amount": %d}`, r.IntN(1e6)) },
		"pretty": func() string {
			return fmt.Sprintf("{\n  \"at\": \"2026-10-15T20:00:00Z\",\n  \"shop\": {\n    \"city\": \"%d\"\n  }\n}\n", r.IntN(1e6))
		},
		"fields absent": func() string {
			return `{` + at + maybe(`,"text":"a"`) + maybe(`,"amount":1`) + maybe(`,"count":2`) + maybe(`,"paid":true`) + maybe(`,"u1":0`) + maybe(`,"u2":"z"`) + `}`
		},
		"null": func() string {
			return `{` + at + `,"text":` + []string{`null`, `"x"`}[r.IntN(2)] + `,"shop":` + []string{`null`, `{}`, `{"city":"x"}`}[r.IntN(3)] + `}`
		},
		"types vary": func() string {
			return `{` + at + `,"u":` + []string{`null`, `"x"`, `1`, `[1,2]`, `{"a":[]}`, `true`}[r.IntN(6)] + `,"amount":1}`
		},
		"lists": func() string {
			return `{` + at + `,"items":[` + strings.TrimSuffix(strings.Repeat(`{"sku":"a","n":1},`, r.IntN(9)), ",") + `],"count":3}`
		},
		"escapes":   func() string { return `{` + at + `,"text":"caf\u00e9","shop":{"city":"\"q\""}}` },
		"not ASCII": func() string { return `{` + at + `,"text":"Zürich ` + []string{"東京", "Ωmega"}[r.IntN(2)] + `"}` },
	} {
		records := make([]string, 2000)
		for i := range records {
			records[i] = write()
		}
		if share := fastShare(t, newDecoder(t, orders()), records); share < 0.97 {
			t.Errorf("%s: %.0f %% of the records went the fast way", name, 100*share)
		}
	}
}

func TestEventTypesOfOneTopicAreLearnt(t *testing.T) {
	typed := func(name string, f ...event.Field) *event.Source {
		f = append(f, event.Field{Name: "event_time", Kind: event.KindTime})
		return &event.Source{Name: name, Match: &event.Match{Path: []string{"type"}, Equals: name}, Time: event.NoSlot, EventTime: event.Slot(len(f) - 1), Fields: f}
	}
	d := newDecoder(t, typed("a", declare("x", event.KindInt)), typed("b", declare("x", event.KindString)))
	var records []string
	for i := range 3000 {
		records = append(records, []string{`{"type":"a","x":1}`, `{"type":"b","x":"s"}`, `{"type":"c","y":{}}`}[i*7919%101%3])
	}
	if share := fastShare(t, d, records); share < 0.99 {
		t.Errorf("%.0f %% of the records went the fast way", 100*share)
	}
}

// Records that never look alike may cost memory and learning only within bounds, and don't stop the learning of what comes after.
func TestWhatIsNeverAlikeIsBounded(t *testing.T) {
	d := newDecoder(t, orders())
	var records []string
	for i := range 20_000 {
		records = append(records, fmt.Sprintf(`{"k%d":1,"at":"2026-10-15T20:00:00Z","j%d":{"x":1},"h%d":2}`, i, i, i))
	}
	fastShare(t, d, records)
	g := d.plans[0].shapes
	if len(g.steps) > stepsMax+8 || len(g.root.next) > nextMax {
		t.Errorf("%d steps, %d starts were kept", len(g.steps), len(g.root.next))
	}
	same := make([]string, 10_000)
	for i := range same {
		same[i] = `{"at":"2026-10-15T20:00:00Z","amount":1}`
	}
	if share := fastShare(t, d, same); share < 0.99 {
		t.Errorf("only %.0f %% went the fast way afterwards", 100*share)
	}
}

// The hot path must not allocate: neither what is learnt, nor what is strictly scanned, nor escapes once the arena has grown.
func TestDecodingDoesNotAllocate(t *testing.T) {
	for _, strict := range []bool{false, true} {
		d, err := New([]*event.Source{payments()}, sixWanted())
		if err != nil {
			t.Fatal(err)
		}
		records, row := batch(64), make(event.Row, d.Width())
		for i := range records {
			if i%8 == 0 {
				records[i] = []byte(strings.Replace(string(records[i]), `"customer_id":"c`, `"customer_id":"\u0063`, 1))
			}
		}
		d.spec = !strict
		run := func() {
			d.Reset()
			for _, r := range records {
				if _, err := d.Decode(r, 0, row); err != nil {
					t.Fatal(err)
				}
			}
		}
		run()
		if n := testing.AllocsPerRun(50, run); n != 0 {
			t.Errorf("strict %t: %.0f allocations in %d records", strict, n, len(records))
		}
	}
}
