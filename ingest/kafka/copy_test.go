package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"insolite/internal/event"
)

// copier is the smallest task there can be: it copies its partition of a topic to the same partition of another, exactly once, by the
// recovery that the package doc tells.
type copier struct {
	client   *Client
	fetcher  *Fetcher
	from, to string
	copied   func(tp TopicPartition, next event.Offset)
	doubts   func(error)
}

func (cp *copier) run(ctx context.Context, claim *Claim) {
	for failures := 1; ctx.Err() == nil; failures++ {
		if err := cp.once(ctx, claim); err != nil && ctx.Err() == nil {
			cp.doubts(err)
			_ = sleep(ctx, backoff(failures))
		}
	}
}

// once recovers and copies until ctx ends or there is doubt.
func (cp *copier) once(ctx context.Context, claim *Claim) error {
	if err := claim.Confirm(ctx); err != nil {
		return err
	}
	tx := cp.client.NewTransaction(cp.from, claim.Partition)
	defer func() { _ = tx.Close(context.WithoutCancel(ctx)) }()
	if err := tx.Init(ctx); err != nil {
		return err
	}
	next, _, found, err := cp.client.CommittedOffset(ctx, cp.from, claim.Partition)
	if err != nil {
		return err
	}
	if !found {
		next = 0
	}
	feed := cp.fetcher.Add(cp.from, claim.Partition, next)
	defer feed.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case b, open := <-feed.Batches():
			if !open {
				return feed.Err()
			}
			if err := cp.commit(ctx, claim, tx, b); err != nil {
				return err
			}
			cp.copied(claim.TopicPartition, b.Next)
			b.Release()
		}
	}
}

func (cp *copier) commit(ctx context.Context, claim *Claim, tx *Transaction, b *Batch) error {
	gen, release, err := claim.Hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	for _, r := range b.Records {
		if err := tx.Send(ctx, Message{Topic: cp.to, Pinned: true, Partition: b.Partition, Key: r.Key, Value: r.Value}); err != nil {
			return err
		}
	}
	if err := tx.SendOffsets(gen, b.Next, ""); err != nil {
		return err
	}
	return tx.Commit(context.WithoutCancel(ctx))
}

// wantCopies checks that every partition of the copy has the numbers [0, count) once, in order.
func wantCopies(t testing.TB, c *Client, topic string, partitions, count int) {
	t.Helper()
	ctx := testContext(t)
	for p := range event.Partition(partitions) {
		tp := TopicPartition{topic, p}
		var got []string
		for r, err := range c.ReadAll(ctx, tp, 0, must(c.HighWatermark(ctx, tp))(t)) {
			ok(t, err)
			got = append(got, string(r.Value))
		}
		if len(got) != count {
			t.Errorf("%s has %d records, want %d", tp, len(got), count)
			continue
		}
		wantNumbers(t, got, 0)
	}
}

// feedNumbers produces numbers to all partitions in small record batches until it is stopped, and returns how many it put into each.
func feedNumbers(t testing.TB, c *Client, topic string, partitions int, stop <-chan struct{}) int {
	p := c.NewProducer()
	defer p.Close()
	for n := 0; ; n += 5 {
		select {
		case <-stop:
			return n
		default:
		}
		var m []Message
		for partition := range event.Partition(partitions) {
			for i := range 5 {
				m = append(m, Message{Topic: topic, Pinned: true, Partition: partition, Value: fmt.Append(nil, n+i)})
			}
		}
		if _, err := p.Produce(testContext(t), m...); err != nil {
			t.Error(err)
			return n
		}
	}
}

// Members join and leave, brokers answer with errors, replies are lost: what is copied is copied once. Without faults no rebalance brings
// any doubt.
func TestExactlyOnceThroughRebalances(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for name, faults := range map[string]bool{"rebalances": false, "rebalances and faults": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cut cutter
			cluster := fake(t, kfake.GroupMinSessionTimeout(100*time.Millisecond), kfake.ListenFn(cut.listen), kfake.NumBrokers(3))
			c := dial(t, cluster.ListenAddrs(), shortSession)
			progress := map[TopicPartition]event.Offset{}
			var mu sync.Mutex
			var doubts []error
			cp := &copier{client: c, fetcher: c.NewFetcher(), from: "in", to: "out",
				copied: func(tp TopicPartition, next event.Offset) { mu.Lock(); progress[tp] = next; mu.Unlock() },
				doubts: func(err error) { mu.Lock(); doubts = append(doubts, err); mu.Unlock() },
			}
			defer cp.fetcher.Close()
			stop, total := make(chan struct{}), make(chan int, 1)
			stopOnce := sync.OnceFunc(func() { close(stop) })
			var feeder sync.WaitGroup
			defer feeder.Wait()
			defer stopOnce()
			feeder.Go(func() { total <- feedNumbers(t, c, "in", 4, stop) })
			reached := func(least event.Offset) func() bool {
				return func() bool {
					mu.Lock()
					defer mu.Unlock()
					for p := range event.Partition(4) {
						if progress[TopicPartition{"in", p}] < least {
							return false
						}
					}
					return true
				}
			}
			members := []*Membership{join(t, c, cp.run)}
			r := rand.New(rand.NewPCG(1, 2))
			for round := range rounds {
				if round%2 == 0 {
					members = append(members, join(t, c, cp.run))
				} else {
					ok(t, members[0].Stop(testContext(t)))
					members = members[1:]
				}
				if faults {
					inject(cluster, &cut, r)
				}
				must(cluster.WaitGroupStable(testContext(t), "app", len(members)))(t)
				mu.Lock()
				at := progress[TopicPartition{"in", 0}]
				mu.Unlock()
				until(t, reached(at+20))
			}
			stopOnce()
			count := <-total
			until(t, reached(event.Offset(count)))
			wantCopies(t, c, "out", 4, count)
			mu.Lock()
			defer mu.Unlock()
			t.Logf("%d records a partition, %d doubts", count, len(doubts))
			if !faults && len(doubts) > 0 {
				t.Errorf("rebalances alone led to %d doubts, such as: %v", len(doubts), errors.Join(doubts...))
			}
		})
	}
}

// inject has some request fail, a leader and the coordinators move, and a reply be lost.
func inject(cluster *kfake.Cluster, cut *cutter, r *rand.Rand) {
	keys := []kmsg.Key{kmsg.Fetch, kmsg.Produce, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.InitProducerID, kmsg.OffsetFetch}
	codes := []*kerr.Error{kerr.UnknownServerError, kerr.NotCoordinator, kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.CoordinatorNotAvailable}
	for range 3 {
		cluster.Fault(kfake.Fault{Keys: []kmsg.Key{keys[r.IntN(len(keys))]}, Err: codes[r.IntN(len(codes))], Count: 1 + r.IntN(2)})
	}
	_ = cluster.MoveTopicPartition("in", int32(r.IntN(4)), int32(r.IntN(3)))
	_ = cluster.MoveTopicPartition("out", int32(r.IntN(4)), int32(r.IntN(3)))
	cut.armed.Store(true)
}
