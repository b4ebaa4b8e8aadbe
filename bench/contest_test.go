package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// partitions is how many the payments have.
const partitions = 4

// contest is what a contender's process is told.
type contest struct {
	Contender string
	Brokers   []string
	Events    int64  // in the topic
	Run       string // names this run: the group, and more
	Alerts    string // topic
	Dir       string // for files; it is empty

	AtLeastOnce    bool
	CommitInterval time.Duration // 0: the default
	TwoKeys        bool          // the job's form of two keys
	NoCheckpoints  bool          // while the run lasts
	Topic          string        // of the payments; empty: the job's
	Profile        string        // where to put a CPU profile of what is measured; empty: none
}

// contender is one way of doing the job.
type contender struct {
	name   string
	about  string
	cores  int  // GOMAXPROCS
	alerts bool // it has rules, and writes its alerts to a topic
	run    func(context.Context, contest) (result, error)
}

// The contenders' names.
const (
	claimLoop = "empty claim loop"
	plain     = "straightforward Go worker"
	wellMade  = "good Go worker"
	service   = "insolite"
	oneCore   = "insolite, one core"
	unswept   = "insolite, without checkpoints"
	alone     = "insolite's engine alone"
	twoKeys   = "insolite, two keys"
)

var contenders = []contender{
	{claimLoop, "sarama consumer group, `Messages()`, `MarkMessage`, no work", 2, false, func(ctx context.Context, o contest) (result, error) { return runClaims(ctx, o, nil) }},
	{plain, "claim loop, encoding/json, Go maps, rules by expr-lang's machine, alerts by sarama's producer", 2, true, func(ctx context.Context, o contest) (result, error) { return runClaims(ctx, o, newStraightforward) }},
	{wellMade, "claim loop, sonic into a slim struct without copies, rules in Go, alerts by sarama's producer", 2, true, func(ctx context.Context, o contest) (result, error) { return runClaims(ctx, o, newGood) }},
	{service, "`detector run`: exactly once, checkpoints, metrics and page on", 2, true, runService},
	{oneCore, "the same with GOMAXPROCS=1", 1, true, runService},
	{unswept, "the same with two cores, and none of its checkpoints while it is measured", 2, true, runService},
	{alone, "`engine.Step` over the fetched records, its thread alone", 2, false, runEngine},
}

// twoKeyContenders are those of the job's form of two keys.
var twoKeyContenders = []contender{
	{claimLoop, contenders[0].about, 2, false, contenders[0].run},
	{twoKeys, "`detector run`, half of the rules by terminal, through a repartition topic", 2, true, runService},
}

// contestEnv holds a contest in the environment of a contender's process.
const contestEnv = "INSOLITE_BENCH_CONTEST"

// TestMain runs a contender when that is what the process was started for, else the tests.
func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(contestEnv)
	if !ok {
		os.Exit(m.Run())
	}
	if err := compete(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// compete runs a contender and prints its result.
func compete(text string) error {
	var o contest
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	c := named(o.Contender)
	if c == nil {
		return fmt.Errorf("no contender is named %q", o.Contender)
	}
	r, err := c.run(context.Background(), o)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// named returns the contender with that name; nil: there is none.
func named(name string) *contender {
	for _, list := range [][]contender{contenders, twoKeyContenders, delayContenders} {
		for i := range list {
			if list[i].name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// limit bounds a contender's run; it is far away.
func limit(events int64) time.Duration {
	return time.Minute + time.Duration(events)*100*time.Microsecond
}

// start runs a contender in a process of its own.
func (c *contender) start(t *testing.T, o contest) result {
	t.Helper()
	o.Contender, o.Dir = c.name, t.TempDir()
	text, err := json.Marshal(&o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit(o.Events))
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), contestEnv+"="+string(text), fmt.Sprintf("GOMAXPROCS=%d", c.cores))
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	var r result
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", c.name, err, log.Bytes()[max(0, log.Len()-4000):])
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%s printed %q: %v", c.name, out.Bytes(), err)
	}
	return r
}
