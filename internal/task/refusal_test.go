package task

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"insolite/context/checkpoint"
	"insolite/ingest"
	"insolite/internal/bundle"
	"insolite/internal/journal"
	"insolite/rules"
)

// settled steps and commits until the task stands at the end of the log with the newest rules.
func (s *simulation) settled() error {
	for range 500 {
		if t := s.own; t.engine != nil && t.live && t.committed.Offset >= s.end && t.bundle == s.newest {
			return nil
		}
		for _, name := range []string{"poll", "boundary"} {
			s.now = s.now.Add(2 * time.Second)
			if err := s.do(s.own, simSteps[name]); err != nil {
				return err
			}
		}
	}
	return errors.New("the task does not come to rest")
}

// halfway is a task that has stopped in order, run on without a checkpoint but through new rules, and crashed: Y < X. early is what was
// committed before the stop, and middle soon after it.
func halfway(t *testing.T) (s *simulation, early, middle kafkaState) {
	t.Helper()
	s = &simulation{world: newWorld(simPlans(t), 3)}
	s.faults = false
	s.own = s.instance()
	run := func(n int) {
		for range n {
			s.produce()
		}
		if err := s.settled(); err != nil {
			t.Fatal(err)
		}
	}
	run(20)
	early = s.kafkaState.clone()
	run(20)
	if err := s.do(s.own, simSteps["stop"]); err != nil || s.store.state.meta == nil {
		t.Fatal("no checkpoint:", err)
	}
	s.own = s.instance()
	s.own.o.CheckpointInterval = time.Hour
	run(3)
	middle = s.kafkaState.clone()
	s.newest++
	run(20)
	s.own = s.instance()
	s.own.o.CheckpointInterval = time.Hour
	if y := s.store.state.meta.Y; y.Offset >= s.x {
		t.Fatalf("Y %v is not below X %d", y, s.x)
	}
	return s, early, middle
}

func (s *simulation) setCommit(change func(c *journal.Commit)) {
	c, err := journal.ParseCommit(s.metadata)
	if err != nil {
		panic(err) // the world wrote it
	}
	change(&c)
	s.metadata = c.Text()
}

// The ways out. One that stays within the promise is judged by the output.
func back(s *simulation, was kafkaState) { s.kafkaState = was }
func rebuilt(s *simulation, _ kafkaState) {
	s.store = newMemory()
	s.own = s.instance()
	s.own.o.Rebuild = true
}
func otherApp(s *simulation, _ kafkaState) {
	s.kafkaState = kafkaState{}
	s.store = newMemory()
	s.own = s.instance()
}

// staged makes the task one of a stage whose topic has one record.
func staged(s *simulation, value string) {
	s.kafkaState, s.store, s.records, s.end = kafkaState{}, newMemory(), nil, 0
	s.plans = []*rules.Plan{{Topic: s.plans[0].Topic, Stage: &rules.Stage{Hop: 1, Fields: []string{"shop"}, Upstreams: []string{"sales"}}}}
	s.newest, s.own = 0, s.instance()
	if err := s.do(s.own, nil); err != nil {
		panic(err)
	}
	s.records, s.end = []ingest.Record{{Value: []byte(value)}}, 1
}
func cleared(s *simulation, _ kafkaState) { // the topic is made anew, for another app
	s.records, s.end, s.topicID = nil, 0, [16]byte{3}
	otherApp(s, kafkaState{})
}
func newerRun(s *simulation, _ kafkaState) { s.own.o.AcceptEngine = true }
func drained(s *simulation, was kafkaState) { // with the version before
	engine := s.own.o.Engine
	s.own.o.Engine = 1
	_ = s.settled()
	_ = s.do(s.own, simSteps["stop"])
	s.own = s.instance()
	s.own.o.Engine = engine
}

// aheadCase is found while the task runs.
const aheadCase = "contexts are ahead of the task"

var refusals = []struct {
	name    string
	damage  func(s *simulation, early, middle kafkaState)
	reason  string
	cure    string
	ways    []func(s *simulation, was kafkaState) // out of it
	outside bool                                  // of the promise: the output is another one
}{
	{"the checkpoint is ahead", func(s *simulation, early, _ kafkaState) { s.kafkaState = early },
		"is ahead of the committed offset", "restore the consumer group's offsets", []func(*simulation, kafkaState){back}, false},
	{"no committed offset, but a checkpoint", func(s *simulation, _, _ kafkaState) { s.found = false },
		"exists, but no committed offset", "restore the consumer group's offsets", []func(*simulation, kafkaState){back}, false},
	{"no committed offset, but a journal", func(s *simulation, _, _ kafkaState) { s.found = false; s.store.state.meta = nil },
		"but there is no committed offset", "offsets.retention.minutes", []func(*simulation, kafkaState){otherApp}, true},
	{"foreign metadata", func(s *simulation, _, _ kafkaState) { s.metadata = "" },
		`carries ""`, "another program or a reset of offsets", []func(*simulation, kafkaState){back}, false},
	{"metadata of a newer version", func(s *simulation, _, _ kafkaState) { s.metadata = "insolite 3 step" },
		"newer version", "run the newer version", []func(*simulation, kafkaState){back}, false},
	{"the topic was created anew", func(s *simulation, _, _ kafkaState) { s.topicID = [16]byte{2} },
		"the topic was created anew", "another `app`", []func(*simulation, kafkaState){otherApp}, true},
	{"the topic was created anew, and the offsets went with the old one", func(s *simulation, _, _ kafkaState) { s.topicID, s.found = [16]byte{2}, false },
		"the topic was created anew", "another `app`", []func(*simulation, kafkaState){otherApp}, true},
	{"partitions were added", func(s *simulation, _, _ kafkaState) { s.parts = 2 },
		"the topic has 2 partitions, at the checkpoint it had 1", "keys have moved", []func(*simulation, kafkaState){otherApp}, true},
	{"the log lost its end", func(s *simulation, _, _ kafkaState) {
		s.end = s.x - 1
		s.records = slices.DeleteFunc(s.records, func(r ingest.Record) bool { return r.Offset >= s.end })
	},
		"is beyond the end", "another `app`", []func(*simulation, kafkaState){otherApp}, true},
	{"records between Y and X are gone", func(s *simulation, _, _ kafkaState) { s.earliest = s.store.state.meta.Y.Offset + 1 },
		"what lies between is gone", "lengthen the topic's retention", []func(*simulation, kafkaState){rebuilt}, true},
	{"records are gone that were never read", func(s *simulation, _, _ kafkaState) { s.produce(); s.produce(); s.earliest = s.end - 1 },
		"what lies between is gone", "delete the state and set state.on_missing: rebuild", []func(*simulation, kafkaState){rebuilt}, true},
	{"records are gone under the running task", func(s *simulation, _, _ kafkaState) {
		if err := s.settled(); err != nil {
			panic(err)
		}
		s.produce()
		s.produce()
		s.earliest = s.end - 1
	}, "what lies between is gone", "lengthen the topic's retention", []func(*simulation, kafkaState){rebuilt}, true},
	{"records are gone before the first checkpoint", func(s *simulation, _, _ kafkaState) {
		s.store = newMemory()
		s.setCommit(func(c *journal.Commit) { c.Swept = false })
		s.own, s.earliest = s.instance(), 5
	}, "there is no checkpoint yet", "set state.on_missing: rebuild", []func(*simulation, kafkaState){rebuilt}, true},
	{"the last record before the checkpoint is another one", func(s *simulation, _, _ kafkaState) {
		i := slices.IndexFunc(s.records, s.isLast)
		s.records[i].Value = []byte(`{}`)
	}, "is another one now", "another `app`", []func(*simulation, kafkaState){otherApp}, true},
	{"the last record before the checkpoint is no longer there", func(s *simulation, _, _ kafkaState) { s.records = slices.DeleteFunc(s.records, s.isLast) },
		"is another one now", "another `app`", []func(*simulation, kafkaState){otherApp}, true},
	{"a compacted source", func(s *simulation, _, _ kafkaState) { s.compact = true },
		"the topic is compacted", "cleanup.policy=delete", []func(*simulation, kafkaState){func(s *simulation, _ kafkaState) { s.compact = false }}, false},
	{"a journal entry is missing", func(s *simulation, _, _ kafkaState) { s.journal = s.journal[:len(s.journal)-1] },
		"is missing; the task has written", "restore the journal topic", []func(*simulation, kafkaState){back, rebuilt}, true},
	{"a journal entry stands at another place", func(s *simulation, _, _ kafkaState) { s.journal[len(s.journal)-1].At.Offset = 3 },
		"but the task is at", "restore the journal topic", []func(*simulation, kafkaState){rebuilt}, true},
	{"a journal entry begins the task anew", func(s *simulation, _, _ kafkaState) { s.journal[len(s.journal)-1].Kind = journal.First },
		"begins the task anew", "restore the journal topic", []func(*simulation, kafkaState){rebuilt}, true},
	{"the journal ends with other rules", func(s *simulation, _, _ kafkaState) { s.journal[len(s.journal)-1].Bundle = 2 },
		"the replay ends with bundle 2", "restore the journal topic", []func(*simulation, kafkaState){rebuilt}, true},
	{"a step without its entry", func(s *simulation, _, _ kafkaState) { s.setCommit(func(c *journal.Commit) { c.Step++ }) },
		"a journal entry is missing", "restore the journal topic", []func(*simulation, kafkaState){back, rebuilt}, true},
	{"the replay comes to another watermark", func(s *simulation, _, _ kafkaState) { s.setCommit(func(c *journal.Commit) { c.Watermark++ }) },
		"the replay ends with the watermark", "state.on_missing: rebuild", []func(*simulation, kafkaState){back, rebuilt}, true},
	{"another engine", func(s *simulation, _, _ kafkaState) { s.own.o.Engine = 2 },
		"engine version 1 ran up to", "run `detector drain` with the version that ran before", []func(*simulation, kafkaState){drained, newerRun}, false},
	{"another engine before the first checkpoint", func(s *simulation, _, _ kafkaState) {
		s.store = newMemory()
		s.setCommit(func(c *journal.Commit) { c.Swept = false })
		s.own = s.instance()
		s.own.o.Engine = 2
	}, "engine version 1 ran up to", "--accept-engine-change", []func(*simulation, kafkaState){drained, newerRun}, false},
	{"the store is lost", func(s *simulation, _, _ kafkaState) {
		s.store = newMemory()
		s.own = s.instance()
		s.setCommit(func(c *journal.Commit) { c.Swept = true })
	},
		"its checkpoint is missing", "if another instance ran this task, start that one again", []func(*simulation, kafkaState){rebuilt}, true},
	{"the store is damaged", func(s *simulation, _, _ kafkaState) { s.store.torn = true },
		"the checkpoint is damaged: the checksum does not match in meta", "restore the store from a copy", []func(*simulation, kafkaState){
			func(s *simulation, _ kafkaState) { s.store.torn = false }}, false},
	{"a layout of a newer version", func(s *simulation, _, _ kafkaState) { s.store.state.layouts[1] = []byte{2, 0} },
		"newer version of the program", "run the newer version", []func(*simulation, kafkaState){func(s *simulation, _ kafkaState) { delete(s.store.state.layouts, 1) }}, false},
	{"a checkpoint of a newer version", func(s *simulation, _, _ kafkaState) {
		s.store.newer = fmt.Errorf("%w: meta format 9", checkpoint.ErrNewer)
	}, "newer version", "run the newer version", []func(*simulation, kafkaState){func(s *simulation, _ kafkaState) { s.store.newer = nil }}, false},
	{"a journal entry of a newer version", func(s *simulation, _, _ kafkaState) {
		_, err := journal.Parse([]byte{9, 9})
		s.newer = map[string]error{"Journal": err}
	}, "newer version of the program", "run the newer version", []func(*simulation, kafkaState){func(s *simulation, _ kafkaState) { s.newer = nil }}, false},
	{"a bundle of a newer version", func(s *simulation, _, _ kafkaState) {
		_, err := bundle.Parse([]byte{'M', 9})
		s.newer = map[string]error{"Plan": err}
	}, "newer version of the program", "run the newer version", []func(*simulation, kafkaState){func(s *simulation, _ kafkaState) { s.newer = nil }}, false},
	{"a record of a stage is no frame", func(s *simulation, _, _ kafkaState) { staged(s, "") },
		"a record of this stage was not written by its tasks: the record at 0", "keep other programs away from the topic", []func(*simulation, kafkaState){cleared}, true},
	{"a frame of a newer version", func(s *simulation, _, _ kafkaState) { staged(s, "\xff\x00") },
		"newer version of the program", "run the newer version", []func(*simulation, kafkaState){cleared}, true},
	{"a record kills in the replay", func(s *simulation, _, _ kafkaState) {
		last := s.records[len(s.records)-1] // it is committed, and behind the checkpoint
		s.own = s.instance()
		s.killer = func(value []byte) bool { return string(value) == string(last.Value) }
	}, "the process has died 3 times while it replayed the record", "give the process more memory", []func(*simulation, kafkaState){
		func(s *simulation, _ kafkaState) { s.killer, s.own = nil, s.instance() }}, false},
	{aheadCase, func(s *simulation, _, middle kafkaState) {
		if err := s.settled(); err != nil { // a sweep writes contexts and does not complete
			panic(err)
		}
		s.own.beginSweep()
		if err := s.own.sweepShare(context.Background(), 2); err != nil {
			panic(err)
		}
		s.kafkaState, s.newest, s.own = middle, 0, s.instance()
	}, "a stored context is ahead of its task", "restore the store that belongs to this consumer group", []func(*simulation, kafkaState){rebuilt}, true},
}

func (s *simulation) isLast(r ingest.Record) bool { return r.Offset == s.store.state.meta.Last }

// Where going on could give a wrong alert, the task says what is wrong and how to go on, writes nothing, and the ways that it names lead on.
func TestRefusals(t *testing.T) {
	var messages []string
	for _, c := range refusals {
		for n, way := range c.ways {
			t.Run(fmt.Sprintf("%s, way %d", c.name, n+1), func(t *testing.T) {
				s, early, middle := halfway(t)
				was := s.kafkaState.clone()
				c.damage(s, early, middle)
				before, contexts, meta := s.kafkaState.clone(), maps.Clone(s.store.state.contexts), s.store.state.meta
				err := s.settled()
				var refusal *Refusal
				if !errors.As(err, &refusal) || !strings.Contains(refusal.Reason, c.reason) || !strings.Contains(refusal.Cure, c.cure) {
					t.Fatalf("%v; want a refusal because %q, with the way out %q", err, c.reason, c.cure)
				}
				messages = append(messages, refusal.Reason)
				if c.name != aheadCase && (!s.kafkaState.equal(before) || len(contexts) != len(s.store.state.contexts) || meta != s.store.state.meta) {
					t.Errorf("something was written: offset %d, %d alerts and dead letters; before %d, %d", s.x, len(s.output), before.x, len(before.output))
				}
				way(s, was)
				if err := s.settled(); err != nil {
					t.Fatal("the way out ends with:", err)
				}
				if c.outside {
					return
				}
				if want, err := s.expected(); err != nil || !slices.Equal(ofTopic(s.output, "alerts "), ofTopic(want, "alerts ")) {
					t.Errorf("the alerts are others than expected: %v", err)
				}
			})
		}
	}
	covered(t, "the code", messages, refusalFormats(t), false)
	covered(t, "docs/delivery.md", messages, refusalsTold(t), true)
}

// covered checks that each pattern matches a message and, if all is set, that each message is matched.
func covered(t *testing.T, where string, messages, patterns []string, all bool) {
	t.Helper()
	matched := map[string]bool{}
	for _, p := range patterns {
		found := false
		for _, m := range messages {
			if regexp.MustCompile(p).MatchString(m) {
				found, matched[m] = true, true
			}
		}
		if !found {
			t.Errorf("%s has the refusal %q, which no test shows", where, p)
		}
	}
	for _, m := range messages {
		if all && !matched[m] {
			t.Errorf("%s does not tell of %q", where, m)
		}
	}
}

// refusalFormats are the reasons in the package's code, as patterns.
func refusalFormats(t *testing.T) (patterns []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "refuse" {
				return true
			}
			format, err := strconv.Unquote(call.Args[1].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, regexp.MustCompile("%[a-z]").ReplaceAllString(regexp.QuoteMeta(format), ".*"))
			return true
		})
	}
	if len(patterns) < 10 {
		t.Fatalf("only %d refusals found in the code", len(patterns))
	}
	return patterns
}

// refusalsTold are the reasons in the operators' page, as patterns.
func refusalsTold(t *testing.T) (patterns []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/delivery.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "| It says |")
	if !ok {
		t.Fatal("docs/delivery.md has no table of refusals")
	}
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			break
		}
		patterns = append(patterns, strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(cells[1])), "…", ".*"))
	}
	return patterns
}
