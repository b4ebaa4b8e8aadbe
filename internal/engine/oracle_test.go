package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"insolite/ingest"
	"insolite/internal/chain"
	"insolite/internal/config"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/oracle"
	"insolite/internal/testsize"
	"insolite/rules"
)

const (
	seedsLong  = 500
	seedsShort = 8
	seedParts  = 4  // compared side by side
	perCell    = 50 // findings that every cell of the table must have
)

// The evaluator makes much that is gone at once.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// load makes a set of an evaluator's job, and of those on its alerts.
func load(t testing.TB, j oracle.Job, onAlerts ...oracle.Job) *rules.Set {
	c, list := config.Load("insolite.yaml", config.Options{
		Env:      func(string) (string, bool) { return "", false },
		ReadFile: func(string) ([]byte, error) { return []byte(j.ConfigYAML()), nil },
	})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	files := []rules.File{{Path: "rules.yaml", Data: []byte(j.RulesYAML())}}
	for i, x := range onAlerts {
		files = append(files, rules.File{Path: fmt.Sprintf("rules%d.yaml", i), Data: []byte(x.RulesYAML())})
	}
	set, list := rules.Load(files, c.Sources, nil, rules.Options{})
	if err := list.Err(); err != nil {
		t.Fatalf("%v\n%s", err, files[len(files)-1].Data)
	}
	return set
}

// records are the lines as records.
func records(lines []string) []ingest.Record {
	all := make([]ingest.Record, len(lines))
	for i, line := range lines {
		all[i] = ingest.Record{Offset: event.Offset(i), Timestamp: event.NoTime, Value: []byte(line)}
	}
	return all
}

// run steps the lines of a job in batches of a size, through the tasks of the topics and the stages. A batch is of one topic. An offset is a place
// among all lines.
func run(t testing.TB, j oracle.Job, set *rules.Set, lines []string, size int) (*engine.Output, []*engine.Engine) {
	c, err := chain.New(set, chain.Options{Files: true})
	if err != nil {
		t.Fatal(err)
	}
	out := &engine.Output{}
	all := records(lines)
	for len(all) > 0 {
		topic, n := j.TopicOf(string(all[0].Value)), 1
		for n < len(all) && j.TopicOf(string(all[n].Value)) == topic {
			n++
		}
		feed(t, all[:n], size, func(b *ingest.Batch) error {
			b.Topic = topic
			return c.Step(b, out)
		})
		all = all[n:]
	}
	return out, c.Tasks()
}

func feed(t testing.TB, all []ingest.Record, size int, step func(*ingest.Batch) error) {
	for len(all) > 0 {
		n := min(size, len(all))
		if err := step(&ingest.Batch{Topic: "t", Records: all[:n], Next: all[n-1].Offset + 1}); err != nil {
			t.Fatal(err)
		}
		all = all[n:]
	}
}

// wire is what is compared of an alert's JSON.
type wire struct {
	Rule               struct{ ID string }
	Key                json.RawMessage
	Position           struct{ Offset int }
	Suppressed         int
	State, Correlation string
	Summary            string
	Evidence           []struct{ Offset int }
	Context            map[string]struct {
		Value   json.RawMessage
		Samples int
	}
}

// told writes the engine's alerts, one a line, in the words of the evaluator.
func told(t testing.TB, j oracle.Job, out *engine.Output) []string {
	var all []string
	first := map[string]string{} // alert, by correlation
	for _, a := range out.Alerts {
		var w wire
		if err := json.Unmarshal(a.Value, &w); err != nil {
			t.Fatalf("%v in %s", err, a.Value)
		}
		at := fmt.Sprintf("%d@%d", w.Position.Offset, a.At.Time())
		if _, known := first[w.Correlation]; !known {
			first[w.Correlation] = at
		}
		s := fmt.Sprintf("%d %s%s %s %s suppressed=%d", w.Position.Offset, w.State, joins(at, first[w.Correlation]), w.Rule.ID, w.Key, w.Suppressed)
		each(j, w.Rule.ID, func(feature, member string) {
			f := w.Context[feature]
			v := f.Value
			if member != "" {
				var members map[string]json.RawMessage
				if err := json.Unmarshal(f.Value, &members); err != nil {
					t.Fatalf("%v in %s", err, a.Value)
				}
				v = members[member]
			}
			s += fmt.Sprintf(" %s=%s/%d", strings.TrimSuffix(feature+"."+member, "."), v, f.Samples)
		})
		s += toldMatch(j, &w)
		all = append(all, s)
	}
	return all
}

// joins tells when an alert is, and, if it is not the first, to which it belongs.
func joins(at, first string) string {
	if at == first {
		_, at, _ = strings.Cut(at, "@")
		return " at " + at
	}
	return " at " + at + " of " + first
}

// found writes the evaluator's findings, one a line.
func found(j oracle.Job, findings []oracle.Finding) []string {
	var all []string
	for _, f := range findings {
		at, first := fmt.Sprintf("%d@%d", f.Offset, f.At), fmt.Sprintf("%d@%d", f.FirstOffset, f.FirstAt)
		s := fmt.Sprintf("%d %s%s %s %s suppressed=%d", f.Offset, f.State, joins(at, first), f.Rule, f.Key, f.Suppressed)
		each(j, f.Rule, func(feature, member string) {
			name := strings.TrimSuffix(feature+"."+member, ".")
			r := f.Features[name]
			v := r.Value.JSON()
			if r.Value.Kind == oracle.Duration {
				v = string(event.AppendNumber(nil, float64(r.Value.I)/1e9))
			}
			s += fmt.Sprintf(" %s=%s/%d", name, v, r.Samples)
		})
		s += foundMatch(j, &f)
		all = append(all, s)
	}
	return all
}

// each calls f for all values of a rule's context.
func each(j oracle.Job, rule string, f func(feature, member string)) {
	for _, r := range j.Rules {
		if r.ID != rule {
			continue
		}
		for _, x := range r.Features {
			if len(x.Members()) == 0 {
				f(x.Name, "")
			}
			for _, m := range x.Members() {
				f(x.Name, m)
			}
		}
	}
}

// tally brings what the tasks count into the evaluator's form.
func tally(tasks []*engine.Engine) oracle.Result {
	var r oracle.Result
	for _, e := range tasks {
		c := e.Counts()
		r.Malformed += int(c.Malformed)
		for _, s := range c.Sources {
			r.Late += int(s.Late)
			r.Duplicates += int(s.Duplicates)
			r.Unsent += int(s.Unsent)
		}
		for _, x := range c.Rules {
			r.Skipped += int(x.NoKey)
			r.HeldBack += int(x.Suppressed)
			r.Unknown += int(x.InsufficientData + x.MissingField)
			for _, n := range x.Excepted {
				r.Silenced += int(n)
			}
		}
	}
	return r
}

// differ returns what engine and evaluator do not agree on, in words; empty: nothing.
func differ(t testing.TB, j oracle.Job, lines []string, o oracle.Options) (string, oracle.Result) {
	want := oracle.Evaluate(j, lines, o)
	out, tasks := run(t, j, load(t, j), lines, 4096)
	a, b := told(t, j, out), found(j, want.Findings)
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return fmt.Sprintf("alert %d\nengine    %s\nevaluator %s", i, x, y), want
		}
	}
	is := tally(tasks)
	should := want
	should.Findings, should.Cells = nil, nil
	if fmt.Sprintf("%+v", is) != fmt.Sprintf("%+v", should) {
		return fmt.Sprintf("counts\nengine    %+v\nevaluator %+v", is, should), want
	}
	return "", want
}

// Engine and brute-force evaluator agree on every alert, every value in it and every count; and whatever is written, evicted, loaded, expired,
// reloaded or lost between two steps, of the topics' tasks and those of stages, the alerts are the same bytes.
func TestEngineAgreesWithTheEvaluator(t *testing.T) {
	all, happened := oracle.Cells{}, lives{}
	var lock sync.Mutex
	t.Run("seeds", func(t *testing.T) {
		for part := range uint64(seedParts) {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < comparedSeeds(); seed += seedParts {
					cells, tasks, alerts := agree(t, seed)
					lock.Lock()
					all.Add(cells)
					happened.add(tasks, alerts)
					lock.Unlock()
				}
			})
		}
	})
	var table strings.Builder
	if err := all.Print(&table); err != nil {
		t.Fatal(err)
	}
	t.Logf("findings that agree over %d seeds\n%s", comparedSeeds(), table.String())
	if cell, n := all.Least(); !testing.Short() && n < perCell {
		t.Errorf("%+v has %d findings, want %d", cell, n, perCell)
	}
	happened.check(t)
}

func comparedSeeds() uint64 { return uint64(testsize.Of(seedsShort, seedsLong)) }

// agree compares on one seed, and shrinks what differs.
func agree(t *testing.T, seed uint64) (oracle.Cells, []*shelf, []engine.Alert) {
	j, lines := oracle.Random(seed)
	difference, result := differ(t, j, lines, oracle.Options{})
	if difference != "" {
		report(t, seed, j, lines, func(j oracle.Job, lines []string) string { d, _ := differ(t, j, lines, oracle.Options{}); return d })
	}
	difference, tasks, alerts := survive(t, seed, j, lines, "")
	if difference != "" {
		report(t, seed, j, lines, func(j oracle.Job, lines []string) string { d, _, _ := survive(t, seed, j, lines, ""); return d })
	}
	return result.Cells, tasks, alerts
}

// report shrinks a job and a log on which something differs, and tells of them.
func report(t *testing.T, seed uint64, j oracle.Job, lines []string, difference func(oracle.Job, []string) string) {
	j, lines = oracle.Minimize(j, lines, func(j oracle.Job, lines []string) bool { return difference(j, lines) != "" })
	t.Fatalf("seed %d: %s\n%s\n%s\n%s", seed, difference(j, lines), j.ConfigYAML(), j.RulesYAML(), strings.Join(lines, "\n"))
}

// The comparison can fail: each mutation of the definitions makes it so.
func TestComparisonNoticesOtherDefinitions(t *testing.T) {
	for name, mutation := range map[string]oracle.Options{
		"59 panes": {Panes: 59}, "a gap that is equal parts sessions": {SessionStrict: true}, "late at the watermark": {LateInclusive: true}, "Kleene swapped": {SwapKleene: true},
		"by before the event": {ByBefore: true}, "due at the watermark": {DueAtWatermark: true}, "an absence without its deadline": {WithinOpen: true},
		"what comes later ends a wait": {LaterEnds: true}, "what came before ends no wait": {ForgetsEnds: true}, "a condition without its deadline": {ForOpen: true}, "keep_firing_for without its end": {KeepOpen: true}, "five timers": {OneMoreWaits: true}, "the rule's where of another source": {WhereOfOthers: true},
	} {
		noticed := false
		for seed := uint64(0); seed < 12 && !noticed; seed++ {
			j, lines := oracle.Random(seed)
			difference, _ := differ(t, j, lines, mutation)
			noticed = difference != ""
		}
		if !noticed {
			t.Errorf("%s: no seed shows it", name)
		}
	}
}

// What restarts must not lose is missed.
func TestRestartsNoticeLosses(t *testing.T) {
	for _, mutation := range []string{"watermark", "since", "journal", "a record", "deadlines", "limit"} {
		noticed := false
		for seed := uint64(0); seed < 60 && !noticed; seed++ {
			j, lines := oracle.Random(seed)
			difference, _, _ := survive(t, seed, j, lines, mutation)
			noticed = difference != ""
			if noticed {
				t.Logf("%s: noticed at seed %d", mutation, seed)
			}
		}
		if !noticed {
			t.Errorf("%s: no seed misses it", mutation)
		}
	}
}
