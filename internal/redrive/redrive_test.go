package redrive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/deadletter"
	"insolite/internal/event"
)

const dead = "dead"

// second is of the year 2025, so that no broker takes a record for older than anything may be.
const second = event.Time(time.Second)

var start = event.Time(1_760_000_000) * second

type fixture struct {
	*testing.T
	ctx      context.Context
	c        *kafka.Client
	producer *kafka.Producer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "in"), kfake.SeedTopics(2, dead))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	c, err := kafka.Dial(ctx, kafka.Options{Brokers: cluster.ListenAddrs(), App: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	f := &fixture{t, ctx, c, c.NewProducer()}
	t.Cleanup(f.producer.Close)
	return f
}

func (f *fixture) produce(m ...kafka.Message) []event.Offset {
	f.Helper()
	offsets, err := f.producer.Produce(f.ctx, m...)
	if err != nil {
		f.Fatal(err)
	}
	return offsets
}

// letter is number n: of partition n%3 of topic in, put aside at second n.
func letter(n int) deadletter.Letter {
	return deadletter.Letter{App: "shop", Topic: "in", Partition: event.Partition(n % 3), Stage: "decode", Reason: "wrong_type", Source: "pay", Field: "amount", Byte: 3, Message: fmt.Sprint("wrong ", n),
		Record: ingest.Record{Offset: event.Offset(n), Timestamp: start + event.Time(n)*second, Key: fmt.Append(nil, "k", n), Value: fmt.Append(nil, "v", n), Headers: []ingest.Header{{Key: "trace", Value: []byte("t")}}}}
}

// putAside writes letters, odd ones into partition 1.
func (f *fixture) putAside(from, to int, change ...func(*deadletter.Letter)) {
	f.Helper()
	var all []kafka.Message
	for n := from; n < to; n++ {
		l := letter(n)
		for _, c := range change {
			c(&l)
		}
		m := l.Encode()
		all = append(all, kafka.Message{Topic: dead, Pinned: true, Partition: event.Partition(n % 2), Key: m.Key, Value: m.Value, Headers: m.Headers, Timestamp: start + event.Time(n)*second})
	}
	f.produce(all...)
}

func filter() Filter { return Filter{App: "shop", Since: event.NoTime, Limit: 1000} }

func (f *fixture) found(find func(context.Context, *kafka.Client, string, Filter) (*Found, error), x Filter) *Found {
	f.Helper()
	found, err := find(f.ctx, f.c, dead, x)
	if err != nil {
		f.Fatal(err)
	}
	return found
}

func messages(found *Found) string {
	var all []string
	for _, i := range found.Items {
		all = append(all, strings.TrimPrefix(i.Letter.Message, "wrong "))
	}
	return fmt.Sprintf("%s +%d", strings.Join(all, " "), found.More)
}

// stored returns the records of topic in, as "partition key value trace place" in any order.
func (f *fixture) stored() []string {
	f.Helper()
	var all []string
	for p := range 3 {
		tp := kafka.TopicPartition{Topic: "in", Partition: event.Partition(p)}
		end, err := f.c.HighWatermark(f.ctx, tp)
		if err != nil {
			f.Fatal(err)
		}
		for r, err := range f.c.ReadAll(f.ctx, tp, 0, end) {
			if err != nil {
				f.Fatal(err)
			}
			var headers []string
			for _, h := range r.Headers {
				headers = append(headers, h.Key+"="+string(h.Value))
			}
			all = append(all, fmt.Sprintf("%d %s %s at %d: %s", p, r.Key, r.Value[:min(len(r.Value), 10)], (r.Timestamp-start)/second, strings.Join(headers, " ")))
		}
	}
	slices.Sort(all)
	return all
}

func wantStored(from, to int) []string {
	var all []string
	for n := from; n < to; n++ {
		all = append(all, fmt.Sprintf("%d k%d v%d at %d: trace=t __insolite.redriven=%d/%d", n%3, n, n, n, n%2, n/2))
	}
	slices.Sort(all)
	return all
}

// send sends items and returns how many were sent, were already, and were refused with what.
func (f *fixture) send(items []Item) (sent, already int, refused string) {
	f.Helper()
	err := Send(f.ctx, f.c, dead, items, []string{"in", "small", "gone"}, func(r Result) {
		switch {
		case r.Already:
			already++
		case r.Refused != nil:
			refused += fmt.Sprintf("%s: %v\n", r.At, r.Refused)
		default:
			sent++
		}
	})
	if err != nil {
		f.Fatal(err)
	}
	return sent, already, refused
}

func TestFilters(t *testing.T) {
	f := newFixture(t)
	f.putAside(0, 4)
	f.putAside(4, 6, func(l *deadletter.Letter) { l.Reason = "max_ahead" })
	f.putAside(6, 8, func(l *deadletter.Letter) { l.Source = "login" })
	f.putAside(8, 9, func(l *deadletter.Letter) { l.Topic = "other" })
	f.putAside(9, 10, func(l *deadletter.Letter) { l.App = "else" })
	f.produce(kafka.Message{Topic: dead, Value: []byte("nonsense"), Timestamp: start})
	for want, change := range map[string]func(*Filter){
		"8 7 6 5 4 3 2 1 0 +0": func(*Filter) {},
		"8 7 6 +6":             func(x *Filter) { x.Limit = 3 },
		"5 4 +0":               func(x *Filter) { x.Reason = "max_ahead" },
		"7 6 +0":               func(x *Filter) { x.Source = "login" },
		"8 +0":                 func(x *Filter) { x.Topic = "other" },
		"8 7 6 5 +0":           func(x *Filter) { x.Since = start + 5*second },
		"9 8 +0":               func(x *Filter) { x.Since, x.App = start+8*second, "" },
		" +0":                  func(x *Filter) { x.Since = start + 100*second },
	} {
		x := filter()
		change(&x)
		found := f.found(List, x)
		if got := messages(found); got != want || found.Nonsense > 1 || x.Since == event.NoTime && found.Nonsense != 1 {
			t.Errorf("%+v: %s, %d nonsense, want %s", x, got, found.Nonsense, want)
		}
	}
	x := filter()
	x.Limit = 2
	if got := messages(f.found(Pending, x)); got != "0 1 +7" {
		t.Errorf("pending: %s", got)
	}
	if _, err := List(f.ctx, f.c, "nowhere", filter()); !errors.Is(err, kafka.ErrNotFound) {
		t.Error(err)
	}
}

// Each record comes back once, as it was and where it was; asking again, sending the same list again, changes nothing.
func TestOnce(t *testing.T) {
	f := newFixture(t)
	f.putAside(0, 250)
	first := f.found(Pending, filter())
	if sent, already, refused := f.send(first.Items[:7]); sent != 7 || already != 0 || refused != "" {
		t.Fatalf("%d sent, %d already, refused %s", sent, already, refused)
	}
	if found := f.found(Pending, filter()); len(found.Items) != 243 {
		t.Errorf("%d are pending", len(found.Items))
	}
	if sent, already, refused := f.send(first.Items); sent != 243 || already != 7 || refused != "" {
		t.Fatalf("%d sent, %d already, refused %s", sent, already, refused)
	}
	if got := f.stored(); !slices.Equal(got, wantStored(0, 250)) {
		t.Errorf("%d records\n%s", len(got), strings.Join(got, "\n"))
	}
	if found := f.found(Pending, filter()); len(found.Items) != 0 {
		t.Errorf("%d are pending", len(found.Items))
	}
	for _, i := range f.found(List, filter()).Items {
		if !i.Redriven {
			t.Errorf("%s is not told as redriven", i.At)
		}
	}
}

// A call that ends in the middle, and one that another takes over from, leave nothing undone and nothing done twice.
func TestOnceThoughInterrupted(t *testing.T) {
	for name, interrupt := range map[string]func(f *fixture, items []Item, stop func()){
		"ended":      func(_ *fixture, _ []Item, stop func()) { stop() },
		"taken over": func(f *fixture, items []Item, _ func()) { f.send(items) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.putAside(0, 400)
			items := f.found(Pending, filter()).Items
			ctx, stop := context.WithCancel(f.ctx)
			defer stop()
			interrupted := false
			err := Send(ctx, f.c, dead, items, []string{"in"}, func(Result) {
				if !interrupted {
					interrupted = true
					interrupt(f, items, stop)
				}
			})
			if err == nil {
				t.Error("the first call knows nothing of it")
			}
			f.send(items)
			if got := f.stored(); !slices.Equal(got, wantStored(0, 400)) {
				t.Errorf("%d records, want 400", len(got))
			}
		})
	}
}

// What comes back and is put aside again is another letter.
func TestAgain(t *testing.T) {
	f := newFixture(t)
	f.putAside(0, 1)
	f.send(f.found(Pending, filter()).Items)
	f.putAside(1, 2, func(l *deadletter.Letter) {
		l.Record.Headers = append(l.Record.Headers, ingest.Header{Key: deadletter.HeaderRedriven, Value: []byte("0/0")})
	})
	pending := f.found(Pending, filter())
	if messages(pending) != "1 +0" {
		t.Fatal(messages(pending))
	}
	f.send(pending.Items)
	if got := f.stored(); !slices.Equal(got, wantStored(0, 2)) {
		t.Errorf("%q", got)
	}
}

// What a letter lacks is taken from the record; what can't be sent is told, and the others go on.
func TestRefusals(t *testing.T) {
	f := newFixture(t)
	if _, err := f.c.EnsureTopic(f.ctx, kafka.TopicSpec{Name: "small", Partitions: 1, Config: map[string]string{"max.message.bytes": "1000"}}); err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 990_000) // does not fit into a letter
	for i := range random {
		random[i] = byte(i * i >> 7)
	}
	f.produce(kafka.Message{Topic: "in", Pinned: true, Key: []byte("k"), Value: random, Timestamp: start})
	cut := func(value []byte, offset event.Offset) func(*deadletter.Letter) {
		return func(l *deadletter.Letter) {
			l.Partition, l.Record.Offset, l.Record.Key, l.Record.Value = 0, offset, []byte("k"), value
		}
	}
	f.putAside(0, 1, cut(random, 0))
	f.putAside(2, 3, cut(random, 99))
	f.putAside(4, 5, cut(bytes.Repeat([]byte("x"), 990_000), 0))
	f.putAside(6, 7, func(l *deadletter.Letter) { l.Topic = "secret" })
	f.putAside(8, 9, func(l *deadletter.Letter) { l.Topic = "gone" })
	f.putAside(10, 11, func(l *deadletter.Letter) { l.Topic, l.Partition = "small", 5 }) // there were more partitions then
	f.putAside(12, 13, func(l *deadletter.Letter) {
		l.Topic, l.Record.Value = "small", slices.Concat(random[:1000], random[2000:4000])
	})
	f.putAside(14, 15, func(l *deadletter.Letter) { l.Partition = 2 })
	items := f.found(Pending, filter()).Items
	sent, _, refused := f.send(append(items, Item{At: deadletter.Place{Partition: 1, Offset: 0}}))
	for _, want := range []string{"0/1: the dead letter lacks a part of the record, and the record itself is gone from in/0 at offset 99: its topic no longer holds it",
		"0/2: the dead letter lacks a part of the record, and the record itself is gone from in/0 at offset 0: another record is there",
		"0/3: no source reads topic secret", "0/4: there is no topic gone any more", "too large for topic small", "1/0: the dead letter is gone"} {
		if !strings.Contains(refused, want) {
			t.Errorf("not told: %s", want)
		}
	}
	if sent != 3 || strings.Count(refused, "\n") != 6 {
		t.Errorf("%d sent, refused:\n%s", sent, refused)
	}
	tp := kafka.TopicPartition{Topic: "in"}
	end, err := f.c.HighWatermark(f.ctx, tp)
	whole := 0
	for r, broken := range f.c.ReadAll(f.ctx, tp, 0, end) {
		if err = broken; bytes.Equal(r.Value, random) {
			whole++
		}
	}
	if err != nil || whole != 2 {
		t.Errorf("the large record is there %d times, want 2: %v", whole, err)
	}
}
