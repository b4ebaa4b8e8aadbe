package task

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"insolite/internal/testsize"
	"insolite/rules"
)

// check compares a flow that has come to rest with the truth.
func (f *flow) check() (string, error) {
	var sent, logged []string
	for i, s := range f.all() {
		want, err := s.evaluate()
		if err != nil {
			return "", err
		}
		sent = append(sent, want.rows...)
		if d := s.compare(want); d != "" {
			return d, nil
		}
		if i < len(f.sources) {
			continue
		}
		d, err := s.checkAbsorbed()
		if err != nil || d != "" {
			return d, err
		}
		for i := range s.records {
			rows, err := rowsOf(s.topic, s.partition, s.records[i].Value)
			if err != nil {
				return "", err
			}
			logged = append(logged, rows...)
		}
	}
	switch {
	case !f.eager:
		slices.Sort(logged)
		slices.Sort(sent)
		return differ("rows in the logs of stages", logged, sent), nil
	case f.sources[0].sameRules:
		return differ("different rows in the logs of stages", distinct(logged), distinct(sent)), nil
	}
	return "", nil
}

// originOf returns which row an alert of a rule is of that alerts of every one.
func originOf(line string) (string, bool) {
	_, rule, _ := strings.Cut(line, `"rule":{"id":"`)
	if id, _, _ := strings.Cut(rule, `"`); id != "each" && id != "each-refund" && id != "each-kind" {
		return "", false
	}
	_, p, _ := strings.Cut(rule, `"position":{"topic":"`)
	p, _, _ = strings.Cut(p, "}")
	topic, p, _ := strings.Cut(p, `","partition":`)
	partition, offset, ok := strings.Cut(p, `,"offset":`)
	return topic + "/" + partition + "@" + offset, ok
}

// note tells what the schedule had.
func (s *simulation) note(m *model) {
	for kind, had := range map[string]bool{
		"frames of history": len(m.history) > 0, "an idle source": m.sawIdle, "a late row": m.late > 0, "rules by a frame": m.bundle > s.journal[0].Bundle,
		"an upstream that left": m.left, "a shortened log": s.earliest > 0, "alerts of stages": len(m.alerting) > 0, "alerts behind two stages": s.topic == farKind && len(m.alerting) > 0, "rows of alerts": strings.HasSuffix(s.topic, ".101") && len(m.alerting) > 0, "an alert told late": m.raised > 0, "a frame that ends within another": m.within > 0, "repeated rows": m.repeated > 0,
	} {
		if had {
			s.seen[kind] = true
		}
	}
}

// checkAbsorbed holds the alerts of the rules that alert of every event against a second bookkeeping: an event that came in time at its source
// is absorbed by the stage, and once.
func (s *simulation) checkAbsorbed() (string, error) {
	m, err := s.model()
	if err != nil {
		return "", err
	}
	s.note(m)
	if len(m.wrongly) > 0 {
		return fmt.Sprintf("%s/%d found these late, which were in time: %s", s.topic, s.partition, m.wrongly), nil
	}
	if w := s.own.engine.Watermark(); w != m.watermark {
		return fmt.Sprintf("the watermark of %s/%d is %d, by the bookkeeping %d", s.topic, s.partition, w, m.watermark), nil
	}
	if s.topic != byShop && s.topic != farKind {
		return "", nil
	}
	var absorbed []string
	for _, line := range s.output {
		if row, ok := originOf(line); ok {
			absorbed = append(absorbed, row)
		}
	}
	if s.eager {
		return differ("different rows absorbed by "+s.topic, distinct(absorbed), distinct(m.alerting)), nil
	}
	slices.Sort(absorbed)
	slices.Sort(m.alerting)
	return differ("rows absorbed by "+s.topic, absorbed, m.alerting), nil
}

const flowLength = 450

// simulateFlows runs schedules of flows.
func simulateFlows(sets [][]*rules.Set) func(schedule) outcome {
	return func(c schedule) outcome {
		f := newFlow(sets, c.seed, c.eager)
		f.mutation, f.off = c.mutation, c.off
		err := f.run(c.steps)
		if err != nil && f.failed != nil && f.failed.back {
			return outcome{"", true, f.seen}
		}
		difference := ""
		if err == nil {
			difference, err = f.check()
		}
		if err != nil {
			difference = err.Error()
		}
		return outcome{difference, false, f.seen}
	}
}

// What the tasks of stages give is what one uninterrupted evaluation of their logs gives, and their logs have what one uninterrupted evaluation
// of the sources gives: each row once, or with delivery at least once at least once. The stage absorbs each of them once.
func TestFlowsGiveTheSameAlerts(t *testing.T) {
	for _, eager := range []bool{false, true} {
		t.Run(fmt.Sprintf("at least once %t", eager), func(t *testing.T) {
			t.Parallel()
			seen := all(t, testsize.Of(80, 6500), schedule{steps: flowLength, eager: eager}, simulateFlows(flowSets(t)))
			need(t, seen, "commit failed", "reply lost", "crash", "takeover", "zombie", "new rules", "store goes back",
				"frames of history", "an idle source", "a late row", "rules by a frame", "an upstream that left", "a shortened log", "alerts of stages", "alerts behind two stages", "rows of alerts", "an alert told late", "a frame that ends within another", "ticked", "a stage ticked")
			if eager {
				need(t, seen, "repeated rows")
			} else {
				need(t, seen, "exclude")
			}
		})
	}
}

// The simulation notices when a part of the protocol of stages is missing.
func TestFlowMutationsShow(t *testing.T) {
	sets := flowSets(t)
	for mutation, eager := range map[string]bool{
		"repeats are not dropped": true, "upstreams of the flip": false, "maximum of the watermarks": false, "leave outside the transaction": false,
		"offsets only": false, "rules after the frame": false, "frames of a replay": false, "frames before the commit": false,
	} {
		t.Run(mutation, func(t *testing.T) {
			t.Parallel()
			shows(t, schedule{mutation: mutation, eager: eager, steps: flowLength}, simulateFlows(sets))
		})
	}
}
