package reference

import (
	"encoding/json"
	"hash/fnv"
	"testing"
	"time"
)

// The job is what it is said to be, and the same each time.
func TestPayments(t *testing.T) {
	const count = 50_000
	var sums [2]uint64
	for run := range sums {
		g, sum := New(Options{Seed: 1}), fnv.New64a()
		bytes, behind := 0, 0
		for i := range count {
			r := g.Next()
			_, _ = sum.Write(append(r.Key, r.Value...)) // never fails
			bytes += len(r.Value)
			var p struct {
				At       time.Time `json:"at"`
				Customer string    `json:"customer_id"`
			}
			if err := json.Unmarshal(r.Value, &p); err != nil || p.Customer != string(r.Key) || int(r.Offset) != i {
				t.Fatalf("payment %d: %v: key %s, offset %d, %s", i, err, r.Key, r.Offset, r.Value)
			}
			if d := r.Timestamp.Std().Sub(p.At); d < 0 || d >= disorder {
				t.Fatalf("payment %d is of %v, its record of %v", i, p.At, r.Timestamp.Std())
			} else if d > 0 {
				behind++
			}
		}
		if mean := bytes / count; mean < 245 || mean > 255 {
			t.Errorf("a payment has %d bytes", mean)
		}
		if behind < count/11 || behind > count/9 {
			t.Errorf("%d of %d payments are out of order", behind, count)
		}
		sums[run] = sum.Sum64()
	}
	if sums[0] != sums[1] {
		t.Error("the same options gave other bytes")
	}
	fields := map[string]any{}
	if err := json.Unmarshal(New(Options{}).Next().Value, &fields); err != nil || len(fields) != 14 {
		t.Errorf("%v: fields %v", err, fields)
	}
}

func TestNextAllocatesNothing(t *testing.T) {
	g := New(Options{Keys: 1000})
	for range 1000 {
		g.Next()
	}
	if n := testing.AllocsPerRun(1000, func() { g.Next() }); n != 0 {
		t.Errorf("%v allocations a payment", n)
	}
}
