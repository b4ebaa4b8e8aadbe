package task

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"insolite/internal/event"
	"insolite/internal/testsize"
	"insolite/rules"
)

// differ says how two lists differ; empty: they do not.
func differ(what string, got, want []string) string {
	if slices.Equal(got, want) {
		return ""
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("%d %s, want %d; the first difference is at %d:\n got %s\nwant %s", len(got), what, len(want), i, at(got, i), at(want, i))
}

// distinct returns the sorted lines, each once.
func distinct(lines []string) []string { return slices.Compact(slices.Sorted(slices.Values(lines))) }

// check compares a flow that has come to rest with the truth.
func (f *flow) check() (string, error) {
	var sent []string
	for _, s := range f.sources {
		want, err := s.evaluate()
		if err != nil {
			return "", err
		}
		sent = append(sent, want.rows...)
		if d := s.compare(want); d != "" {
			return d, nil
		}
	}
	var logged []string
	for _, s := range f.stages {
		want, err := s.evaluate()
		if err != nil {
			return "", err
		}
		if d := s.compare(want); d != "" {
			return d, nil
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

// compare compares what can be read of a task with its evaluation.
func (s *simulation) compare(want *evaluation) string {
	if s.own.engine.Watermark() != want.watermark {
		return fmt.Sprintf("the watermark of %s/%d is %d, want %d", s.topic, s.partition, s.own.engine.Watermark(), want.watermark)
	}
	if s.eager {
		if !s.sameRules && !s.own.onStage() {
			return "" // what is repeated after a crash may be repeated with other rules
		}
		return differ("different alerts and dead letters of "+s.topic, distinct(s.output), distinct(want.lines))
	}
	for _, topic := range []string{"alerts ", "dead "} { // within one commit alerts go before dead letters
		if d := differ(topic+"of "+s.topic, ofTopic(s.output, topic), ofTopic(want.lines, topic)); d != "" {
			return d
		}
	}
	return ""
}

var origin = regexp.MustCompile(`"rule":\{"id":"each(?:-refund)?".*"position":\{"topic":"(\w+)","partition":(\d+),"offset":(\d+)\}`)

// checkAbsorbed holds the alerts of the rules that alert of every event against a second bookkeeping: an event that came in time at its source
// is absorbed by the stage, and once.
func (s *simulation) checkAbsorbed() (string, error) {
	m, err := s.model()
	if err != nil {
		return "", err
	}
	if len(m.wrongly) > 0 {
		return fmt.Sprintf("%s/%d found these late, which were in time: %s", s.topic, s.partition, m.wrongly), nil
	}
	if w := s.own.engine.Watermark(); w != m.watermark {
		return fmt.Sprintf("the watermark of %s/%d is %d, by the bookkeeping %d", s.topic, s.partition, w, m.watermark), nil
	}
	if s.topic != byShop {
		return "", nil
	}
	var absorbed []string
	for _, line := range s.output {
		if p := origin.FindStringSubmatch(line); p != nil {
			absorbed = append(absorbed, p[1]+"/"+p[2]+"@"+p[3])
		}
	}
	if s.eager {
		return differ("different rows absorbed by "+s.topic, distinct(absorbed), distinct(m.alerting)), nil
	}
	slices.Sort(absorbed)
	slices.Sort(m.alerting)
	return differ("rows absorbed by "+s.topic, absorbed, m.alerting), nil
}

// outcome is what became of a schedule.
type outcome struct {
	difference string // what is wrong; empty: nothing
	refused    bool   // rightly: a store went back
	f          *flow
}

func runFlow(all [][]*rules.Set, seed uint64, eager bool, mutation string, steps int, off map[string]bool) outcome {
	f := newFlow(all, seed, eager)
	f.mutation, f.off = mutation, off
	if err := f.run(steps); err != nil {
		refused := f.failed != nil && f.failed.back
		if refused {
			return outcome{refused: true, f: f}
		}
		return outcome{difference: err.Error(), f: f}
	}
	difference, err := f.check()
	if err != nil {
		difference = err.Error()
	}
	return outcome{difference: difference, f: f}
}

const flowSteps = 450

// minimised tells of a schedule that fails, after leaving out what it fails without.
func minimised(all [][]*rules.Set, seed uint64, eager bool, first outcome) string {
	off, steps, last := map[string]bool{}, flowSteps, first
	for _, kind := range slices.Sorted(mapKeys(first.f.seen)) {
		off[kind] = true
		if o := runFlow(all, seed, eager, "", steps, off); o.difference != "" {
			last = o
		} else {
			delete(off, kind)
		}
	}
	for cut := steps / 2; cut > 0; cut /= 2 {
		for steps > cut {
			o := runFlow(all, seed, eager, "", steps-cut, off)
			if o.difference == "" {
				break
			}
			steps, last = steps-cut, o
		}
	}
	return fmt.Sprintf("seed %d, at least once: %t; it fails after %d steps with no more than %s:\n%s", seed, eager, steps, strings.Join(slices.Sorted(mapKeys(last.f.seen)), ", "), last.difference)
}

func mapKeys(m map[string]bool) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// What the tasks of stages give is what one uninterrupted evaluation of their logs gives, and their logs have what one uninterrupted evaluation
// of the sources gives: each row once, or with delivery at least once at least once. The stage absorbs each of them once.
func TestFlowsGiveTheSameAlerts(t *testing.T) {
	all := flowPlans(t)
	for _, eager := range []bool{false, true} {
		t.Run(fmt.Sprintf("at least once %t", eager), func(t *testing.T) {
			t.Parallel()
			refusals, alerts, rows, repeated := 0, 0, 0, event.Offset(0)
			for seed := range uint64(testsize.Of(60, 3000)) {
				o := runFlow(all, seed, eager, "", flowSteps, nil)
				if o.difference != "" {
					t.Fatal(minimised(all, seed, eager, o))
				}
				if o.refused {
					refusals++
					continue
				}
				for _, s := range o.f.stages {
					alerts += len(s.output)
					c := s.own.engine.Counts()
					rows += int(c.Records)
					repeated += event.Offset(c.RowsRepeated)
				}
			}
			if alerts == 0 || eager && repeated == 0 {
				t.Errorf("%d alerts, %d rows repeated: the test shows nothing", alerts, repeated)
			}
			t.Logf("%d alerts of stages, %d frames, %d rows repeated; %d refused after a store went back", alerts, rows, repeated, refusals)
		})
	}
}

// The simulation notices when a part of the protocol of stages is missing.
func TestFlowMutationsShow(t *testing.T) {
	all := flowPlans(t)
	for mutation, eager := range map[string]bool{
		"repeats are not dropped": true, "upstreams of the flip": false, "maximum of the watermarks": false, "leave outside the transaction": false,
		"rules after the frame": false, "frames of a replay": false, "frames before the commit": false,
	} {
		t.Run(mutation, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(5000) {
				if o := runFlow(all, seed, eager, mutation, flowSteps, nil); o.difference != "" {
					t.Logf("shows at seed %d: %.300s", seed, o.difference)
					return
				}
			}
			t.Error("5000 schedules do not show it")
		})
	}
}
