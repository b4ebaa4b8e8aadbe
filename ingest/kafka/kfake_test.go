package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"insolite/internal/event"
)

// testTimeout bounds a test; none comes near it.
const testTimeout = 30 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// fake starts a cluster in the process.
func fake(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(4, "in", "out")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func dial(t testing.TB, brokers []string, change ...func(*Options)) *Client {
	t.Helper()
	opts := Options{Brokers: brokers, App: "app", RequestTimeout: 5 * time.Second}
	for _, f := range change {
		f(&opts)
	}
	c, err := Dial(testContext(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// values makes messages for partition 0 with the numbers [from, to) as values.
func values(topic string, from, to int) []Message {
	var out []Message
	for i := from; i < to; i++ {
		out = append(out, Message{Topic: topic, Pinned: true, Key: fmt.Append(nil, "k", i), Value: fmt.Append(nil, i)})
	}
	return out
}

// take reads so many records from a feed and checks that batches follow each other.
func take(t testing.TB, f *Feed, count int) []string {
	t.Helper()
	var out []string
	deadline := time.After(testTimeout)
	for len(out) < count {
		select {
		case b, open := <-f.Batches():
			if !open {
				t.Fatalf("the feed ended after %d of %d records: %v", len(out), count, f.Err())
			}
			for _, r := range b.Records {
				out = append(out, string(r.Value))
			}
			b.Release()
		case <-deadline:
			t.Fatalf("%d of %d records; trouble: %v", len(out), count, f.Trouble())
		}
	}
	return out
}

func wantNumbers(t testing.TB, got []string, from int) {
	t.Helper()
	for i, v := range got {
		if v != fmt.Sprint(from+i) {
			t.Fatalf("record %d is %q, want %d", i, v, from+i)
		}
	}
}

func TestWhatIsProducedIsFetched(t *testing.T) {
	t.Parallel()
	c := dial(t, fake(t).ListenAddrs())
	ctx := testContext(t)
	p := c.NewProducer()
	defer p.Close()
	offsets := must(p.Produce(ctx, values("in", 0, 100)...))(t)
	for i, o := range offsets {
		if o != event.Offset(i) {
			t.Fatalf("message %d is at offset %d", i, o)
		}
	}
	f := c.NewFetcher()
	defer f.Close()
	feed := f.Add("in", 0, 10)
	wantNumbers(t, take(t, feed, 90), 10)
	ok(t, func() error { _, err := p.Produce(ctx, values("in", 100, 200)...); return err }())
	wantNumbers(t, take(t, feed, 100), 100)
	if got := feed.HighWatermark(); got != 200 {
		t.Errorf("high watermark %d, want 200", got)
	}
}
