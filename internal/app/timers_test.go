package app

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// timerRules wait for what customers do not do, and for what lasts.
const timerRules = `
- id: gone-quiet
  source: payment.made
  group_by: [customer_id]
  absence: {of: payment.made, within: 4s}
- id: keeps-paying
  source: payment.made
  group_by: [customer_id, card_id]
  context: {n: {agg: count, window: 20s}}
  condition: n >= 3
  for: 2s
  keep_firing_for: 3s
`

// What waits is due at its time, once, however often the program is killed: under load, and when the input is silent, so that only ticks make it
// due. Hardly any context is in memory.
func timersKilled(r *rig) {
	const lateness = 2 * time.Second
	r.setting("lateness: 1m", "lateness: "+lateness.String())
	r.rules(func(text string) string { return text + timerRules })
	end := r.pour(1500)
	r.killed(3, rand.New(rand.NewPCG(7, 1)), 1500*time.Millisecond, 4000*time.Millisecond)
	r.run()
	end()
	r.logged("msg=tick ", 2, patience)
	r.kill()
	r.run()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		waiting := r.waiting(lateness)
		if len(waiting) == 0 {
			break
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("of %d customers nobody has said that they have gone quiet, of %s for one", len(waiting), waiting[0])
		}
	}
	ticks := 0
	for _, entries := range r.journalled() {
		for _, e := range entries {
			if e.ticks {
				ticks++
			}
		}
	}
	if ticks < rigPartitions {
		r.t.Errorf("%d ticks: the test shows nothing about them", ticks)
	}
	r.finish()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// waiting are the last payments of customers that are not late, as partition@offset, that no alert says to be the last one.
func (r *rig) waiting(lateness time.Duration) (all []string) {
	r.t.Helper()
	told := map[string]bool{}
	for _, records := range r.read(r.project.Config.Alerts) {
		for i := range records {
			var a struct {
				Rule     struct{ ID string }
				Position struct{ Partition, Offset int }
			}
			must(r.t, json.Unmarshal(records[i].Value, &a))
			if a.Rule.ID == "gone-quiet" {
				told[fmt.Sprintf("%d@%d", a.Position.Partition, a.Position.Offset)] = true
			}
		}
	}
	for p, records := range r.events() {
		var watermark time.Time
		last, newest := map[string][]string{}, map[string]time.Time{} // a duplicate has the same time
		for i := range records {
			var e struct {
				At       time.Time
				Customer string `json:"customer_id"`
			}
			if json.Unmarshal(records[i].Value, &e) != nil || e.At.Before(watermark) {
				continue
			}
			if at := earlier(e.At, records[i].Timestamp.Std()).Add(-lateness); at.After(watermark) {
				watermark = at
			}
			if e.At.Before(newest[e.Customer]) {
				continue
			}
			if e.At.After(newest[e.Customer]) {
				newest[e.Customer], last[e.Customer] = e.At, nil
			}
			last[e.Customer] = append(last[e.Customer], fmt.Sprintf("%d@%d", p, records[i].Offset))
		}
		for _, at := range last {
			if !slices.ContainsFunc(at, func(at string) bool { return told[at] }) {
				all = append(all, at[0])
			}
		}
	}
	return all
}
