package task

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"insolite/context/checkpoint/pebble"
	"insolite/ingest"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/internal/testsize"
	"insolite/rules"
)

const coldRule = `
- {id: silent, source: pay, group_by: [who], absence: {of: pay, within: 1h}}
`

// crowd is a log in which each of many keys has one event, so that each waits for another one; then a clock ticks, in events of a key of its own.
// Its last one makes all due at once that are left.
type crowd struct {
	port
	t     *testing.T
	plan  *rules.Plan
	keys  int
	clock int // events
	next  int
	own   *Task

	fired   []bool // by key
	count   int
	pending int // alerts that are not committed
	most    int // alerts of a transaction
	amid    int // commits amid timers
	memory  int64
}

const (
	crowdStep  = 100 * time.Microsecond // between the events of two keys
	crowdStart = event.Time(1_800_000_000_000_000_000)
	crowdBatch = 500
)

// record is the one at an offset.
func (c *crowd) record(i int) ingest.Record {
	at, who := crowdStart.Add(time.Duration(i)*crowdStep), strconv.Itoa(i)
	if i >= c.keys {
		at, who = crowdStart.Add(c.clockAt(i-c.keys)), "clock"
	}
	value := fmt.Appendf(nil, `{"at":%q,"who":%q,"id":"%d","amount":1}`, at.Std().Format(time.RFC3339Nano), who, i)
	return ingest.Record{Offset: event.Offset(i), Timestamp: at, Value: value}
}

// clockAt is when the clock ticks: up to where four of five keys are due, and once far beyond.
func (c *crowd) clockAt(tick int) time.Duration {
	span := time.Duration(c.keys) * crowdStep
	if tick == c.clock-1 {
		return 90*time.Minute + span
	}
	return time.Hour + span*4/5*time.Duration(tick+1)/time.Duration(c.clock-1)
}

func (c *crowd) Facts(context.Context) (Facts, error) {
	return Facts{TopicID: [16]byte{1}, Partitions: 1, End: event.Offset(c.keys + c.clock)}, nil
}
func (c *crowd) Open(context.Context, event.Offset) (Feed, error) { return c, nil }
func (c *crowd) Committed(context.Context) (event.Offset, string, bool, error) {
	return 0, "", false, nil
}
func (c *crowd) Journal(context.Context) ([]journal.Entry, error)        { return nil, nil }
func (c *crowd) Init(context.Context) error                              { return nil }
func (c *crowd) Close()                                                  {}
func (c *crowd) End() event.Offset                                       { return event.Offset(c.keys + c.clock) }
func (c *crowd) Newest() event.Offset                                    { return 0 }
func (c *crowd) Plan(context.Context, event.Offset) (*rules.Plan, error) { return c.plan, nil }

func (c *crowd) Poll(context.Context, time.Duration) (*ingest.Batch, error) {
	n := min(crowdBatch, c.keys+c.clock-c.next)
	if c.next >= c.keys {
		n = min(n, 1) // so that it can be seen what each one makes due
	}
	if n <= 0 {
		return nil, nil
	}
	b := &ingest.Batch{Topic: "pays", Next: event.Offset(c.next + n)}
	for i := range n {
		b.Records = append(b.Records, c.record(c.next+i))
	}
	c.next += n
	return b, nil
}

// producer counts what is produced.
type crowdProducer struct{ *crowd }

func (c crowdProducer) Close(context.Context) error { return nil }

func (c crowdProducer) Send(_ context.Context, messages []Message) error {
	for i := range messages {
		if messages[i].Topic != "alerts" {
			continue
		}
		_, who, _ := bytes.Cut(messages[i].Value, []byte(`"key":{"who":"`))
		n, err := strconv.Atoi(string(who[:bytes.IndexByte(who, '"')]))
		if err != nil || c.fired[n] {
			c.t.Fatalf("key %d fires again, or %v", n, err)
		}
		c.fired[n] = true
		c.count++
		c.pending++
	}
	return nil
}

func (c crowdProducer) Commit(_ context.Context, _ event.Offset, text string) error {
	commit, err := journal.ParseCommit(text)
	if err != nil {
		return err
	}
	if commit.Firing {
		c.amid++
	}
	c.most, c.pending = max(c.most, c.pending), 0
	if c.own.engine != nil {
		c.memory = max(c.memory, c.own.memory())
	}
	return nil
}

// Many keys wait, and hardly any of them is in memory: each is told of once and when it is due, and what is due at once is told in transactions
// of bounded size, with bounded memory. In a soak they are ten million.
func TestManyWaitInTheStore(t *testing.T) {
	c := &crowd{t: t, plan: simPlansOf(t, []string{coldRule})[0], keys: testsize.Of(5000, 200_000), clock: 21}
	c.fired = make([]bool, c.keys)
	s, err := pebble.Open(pebble.Options{Dir: t.TempDir(), MinFreeBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const limit = 1 << 20
	c.own = New(Options{App: "app", Topic: "pays", Log: c, Producer: crowdProducer{c}, Group: c, Bundles: c, Store: s, AlertsTopic: "alerts", JournalTopic: "journal",
		Memory: func() int64 { return limit }, CommitInterval: time.Millisecond, CheckpointInterval: 50 * time.Millisecond, Start: Start{From: FromEarliest},
		Now: time.Now, Engine: 1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	ctx := t.Context()
	c.own.lifetime, c.own.last = ctx, last{offset: -1, timestamp: event.NoTime}
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	step(c.own.recover(ctx))
	for c.next < c.keys+c.clock {
		tick := c.next - c.keys
		step(c.own.poll(ctx, 0))
		step(c.own.boundary(ctx))
		if c.next <= c.keys {
			continue
		}
		watermark := c.clockAt(tick) - 3*time.Second
		due := min(c.keys, max(0, int((watermark-time.Hour+crowdStep-1)/crowdStep)))
		if c.count != due {
			t.Fatalf("when the clock has ticked %d times, %d of %d keys have been told of, want %d", tick+1, c.count, c.keys, due)
		}
	}
	if c.count != c.keys || c.amid == 0 || c.most > outputAlertsMax+2*pauseAfter || c.memory > 4*limit {
		t.Errorf("%d of %d keys, %d commits amid timers, %d alerts in one, %d bytes of contexts", c.count, c.keys, c.amid, c.most, c.memory)
	}
	t.Logf("%d keys, %d commits amid timers, up to %d alerts in one, up to %d bytes of contexts", c.keys, c.amid, c.most, c.memory)
}
