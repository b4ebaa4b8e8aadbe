package task

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"testing"
	"time"

	"insolite/context/checkpoint"
	"insolite/context/store"
	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/testsize"
)

// mutate does to a live task what the protocol forbids, when the simulation is to show that it notices.
func (s *simulation) mutate(t *Task) error {
	switch s.mutation {
	case "eviction between commits":
		return t.evict(context.Background())
	case "warming over memory":
		return stored(t, func(i int, k engine.Keyspace, c checkpoint.Context) error {
			if h, ok := k.Contexts.Find(store.Hash(c.Key), c.Key); ok {
				k.Contexts.Evict(h)
			}
			_, err := t.engine.Warm(i, c.Key, c.Blob)
			return err
		})
	case "warming late":
		return s.warmLate(t)
	case "sweep between commits":
		t.sweep.restart()
		return t.sweepAll(context.Background(), s.now.Add(time.Hour))
	case "state before transaction":
		before := t.committed
		t.committed = t.engine.Position()
		err := t.sweepAll(context.Background(), s.now.Add(time.Hour))
		t.committed = before
		return err
	case "tick before its entry":
		if at := t.silentUntil(); !t.inHistory() && t.engine.Next() < at && t.isIdle(context.Background()) {
			t.cycle.output = true
			return t.engine.Tick(at, &t.out)
		}
	case "rules before their entry":
		return s.switchAtOnce(t)
	case "warm too early":
		for id := range t.warm.whole {
			t.warm.whole[id] = true
		}
	}
	return nil
}

// switchAtOnce puts new rules in force that no committed journal entry tells of. The entry comes later, unless the task dies before.
func (s *simulation) switchAtOnce(t *Task) (err error) {
	if s.newest <= t.bundle || len(t.pending) > 0 {
		return nil
	}
	t.engine, err = t.engine.Switch(s.plan(s.newest), s.newest)
	t.sweep.restart()
	return err
}

var paymentID = regexp.MustCompile(`"id":"(\d+)"`)

// sharing is a record as an engine steps it whose keys share a memory of ids, which no context has.
func sharing(ids map[string]bool, value []byte) []byte {
	id := paymentID.FindSubmatch(value)
	if id == nil {
		return value
	}
	if !ids[string(id[1])] {
		ids[string(id[1])] = true
		return value
	}
	return bytes.Replace(value, []byte(`"amount":`), []byte(`"amount":9`), 1)
}

// log is what the task reads: the records, and in a mutation those that were aborted.
func (w *world) log() []ingest.Record {
	if len(w.aborted) == 0 {
		return w.records
	}
	return slices.SortedFunc(slices.Values(slices.Concat(w.records, w.aborted)), func(a, b ingest.Record) int { return int(a.Offset - b.Offset) })
}

// The simulation notices when a part of the protocol is missing.
func TestMutationsShow(t *testing.T) {
	plans := simPlans(t)
	for mutation, first := range map[string]uint64{ // where the search begins: some show in one of a thousand
		"no fencing": 0, "no write number": 0, // neither the producer's nor the store's
		"state before transaction": 0,
		"read uncommitted":         0, "aborted records are read": 0, // what is written, what is read
		"no offsets without records": 0, "a failed commit is believed": 0, // older clients
		"closure broken":           0,
		"eviction between commits": 0, "sweep between commits": 0, // the commit boundary
		"journal before commit": 0, "rules before their entry": 0,
		"positions without steps": 0, "position of the flip": 115, "watermark of the flip": 1820,
		"warming over memory": 0, "warming late": 0, "warm too early": 0, "warming in a replay": 50,
	} {
		t.Run(mutation, func(t *testing.T) {
			t.Parallel()
			shows(t, schedule{seed: first, mutation: mutation, steps: simLength}, simulate(plans))
		})
	}
}

// What breaks the closure is harmless until a task recovers: it is the recovery that the simulation finds wrong.
func TestBrokenClosureNeedsARecovery(t *testing.T) {
	t.Parallel()
	s := schedule{mutation: "closure broken", steps: simLength, off: map[string]bool{}}
	for _, kind := range []string{"crash", "takeover", "stop", "store goes back", "commit failed", "reply lost", "not sent", "not read", "no offset", "no producer"} {
		s.off[kind] = true
	}
	for s.seed = range uint64(testsize.Of(20, 200)) {
		if o := simulate(simPlans(t))(s); o.difference != "" || o.refused {
			t.Fatalf("seed %d: %t %s", s.seed, o.refused, o.difference)
		}
	}
}
