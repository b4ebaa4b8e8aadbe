package kafka

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"insolite/internal/event"
)

// book notes who runs which partition. Two at once are a failure unless the former has lost it.
type book struct {
	t    testing.TB
	mu   sync.Mutex
	runs map[TopicPartition]string
	ends map[string][]error // causes, by member
}

func newBook(t testing.TB) *book {
	return &book{t: t, runs: map[TopicPartition]string{}, ends: map[string][]error{}}
}

func (b *book) run(name string) RunClaim {
	return func(ctx context.Context, claim *Claim) {
		b.mu.Lock()
		if other := b.runs[claim.TopicPartition]; other != "" {
			b.t.Errorf("%s is run by %s and %s", claim.TopicPartition, other, name)
		}
		b.runs[claim.TopicPartition] = name
		b.mu.Unlock()
		<-ctx.Done()
		b.mu.Lock()
		delete(b.runs, claim.TopicPartition)
		b.ends[name] = append(b.ends[name], context.Cause(ctx))
		b.mu.Unlock()
	}
}

// count returns how many partitions a member runs and how many it has given up or lost.
func (b *book) count(name string) (runs, ends int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.runs {
		if n == name {
			runs++
		}
	}
	return runs, len(b.ends[name])
}

func (b *book) wait(name string, runs int) {
	b.t.Helper()
	until(b.t, func() bool { got, _ := b.count(name); return got == runs })
}

func quickGroup(t testing.TB) *kfake.Cluster {
	return fake(t, kfake.GroupMinSessionTimeout(100*time.Millisecond))
}

func shortSession(o *Options) { o.SessionTimeout = 900 * time.Millisecond }

func join(t testing.TB, c *Client, run RunClaim) *Membership {
	t.Helper()
	m := must(c.Join([]string{"in"}, run))(t)
	t.Cleanup(func() { _ = m.Stop(testContext(t)) })
	return m
}

// A second member takes half; what the first keeps is not interrupted. When it goes, the first has everything again.
func TestCooperativeRebalance(t *testing.T) {
	t.Parallel()
	c := dial(t, quickGroup(t).ListenAddrs(), shortSession)
	b := newBook(t)
	first := join(t, c, b.run("first"))
	b.wait("first", 4)
	second := join(t, c, b.run("second"))
	b.wait("second", 2)
	if runs, ends := b.count("first"); runs != 2 || ends != 2 {
		t.Errorf("the first runs %d and was interrupted in %d; want 2 and 2", runs, ends)
	}
	ok(t, second.Stop(testContext(t)))
	ok(t, second.Stop(testContext(t)))
	b.wait("first", 4)
	if n := first.Rebalances(); n < 3 {
		t.Errorf("the first was in %d generations, want one alone, one with the second and one alone again", n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, causes := range b.ends {
		for _, cause := range causes {
			if !errors.Is(cause, ErrRevoked) {
				t.Errorf("%s: %v", name, cause)
			}
		}
	}
}

// A rebalance waits until what is revoked has been let go.
func TestRevokeWaitsForRun(t *testing.T) {
	t.Parallel()
	c := dial(t, quickGroup(t).ListenAddrs(), shortSession)
	b := newBook(t)
	release, held := make(chan struct{}), make(chan struct{}, 4)
	join(t, c, func(ctx context.Context, claim *Claim) {
		b.run("slow")(ctx, claim)
		b.mu.Lock()
		b.runs[claim.TopicPartition] = "slow, still busy"
		b.mu.Unlock()
		held <- struct{}{}
		<-release
		b.mu.Lock()
		delete(b.runs, claim.TopicPartition)
		b.mu.Unlock()
	})
	b.wait("slow", 4)
	join(t, c, b.run("second"))
	<-held
	<-held
	if runs, _ := b.count("second"); runs != 0 {
		t.Errorf("the second runs %d partitions that the first has not let go", runs)
	}
	close(release)
	b.wait("second", 2)
}

// Generations: the present one is accepted, another is a zombie's; offsets and transactions of a zombie are refused.
func TestZombieIsRefused(t *testing.T) {
	t.Parallel()
	c := dial(t, quickGroup(t).ListenAddrs(), shortSession)
	ctx := testContext(t)
	generations := make(chan Generation, 4)
	join(t, c, func(ctx context.Context, claim *Claim) {
		generations <- claim.Generation()
		<-ctx.Done()
	})
	gen := <-generations
	ok(t, c.Heartbeat(ctx, gen))
	ok(t, c.CommitOffset(ctx, gen, "in", 0, 7, "m"))
	tx := initiated(t, c)
	ok(t, tx.SendOffsets(gen, 8, ""))
	ok(t, tx.Commit(ctx))
	old, stranger := gen, gen
	old.ID--
	stranger.MemberID = "stranger"
	for name, zombie := range map[string]Generation{"an older generation": old, "another member": stranger} {
		if err := c.Heartbeat(ctx, zombie); !errors.Is(err, ErrZombie) {
			t.Errorf("%s: heartbeat: %v", name, err)
		}
		if err := c.CommitOffset(ctx, zombie, "in", 0, 9, ""); !errors.Is(err, ErrZombie) {
			t.Errorf("%s: commit: %v", name, err)
		}
		ok(t, tx.Send(ctx, values("out", 0, 3)...))
		ok(t, tx.SendOffsets(zombie, 9, ""))
		if err := tx.Commit(ctx); !errors.Is(err, ErrZombie) {
			t.Errorf("%s: transaction: %v", name, err)
		}
		ok(t, tx.Init(ctx))
	}
	if got, next := committed(t, c); len(got) != 0 || next != 8 {
		t.Errorf("%d records and offset %d are committed, want none and 8", len(got), next)
	}
}

func TestHeartbeatWhileRebalancing(t *testing.T) {
	t.Parallel()
	cluster := quickGroup(t)
	c := dial(t, cluster.ListenAddrs(), shortSession)
	b := newBook(t)
	if err := c.Heartbeat(testContext(t), Generation{MemberID: "m", ID: 1}); !errors.Is(err, ErrZombie) {
		t.Errorf("heartbeat to a group that is not there: %v", err)
	}
	join(t, c, b.run("first"))
	b.wait("first", 4)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress, When: func(r kmsg.Request) bool {
		return r.(*kmsg.HeartbeatRequest).MemberID == "m"
	}})
	if err := c.Heartbeat(testContext(t), Generation{MemberID: "m", ID: 1}); !errors.Is(err, ErrRebalancing) {
		t.Errorf("heartbeat: %v", err)
	}
}

// A member that the group has forgotten is told that its partitions are lost, and joins again by itself.
func TestLostAndBack(t *testing.T) {
	t.Parallel()
	cluster := quickGroup(t)
	c := dial(t, cluster.ListenAddrs(), shortSession)
	b := newBook(t)
	m := join(t, c, b.run("first"))
	b.wait("first", 4)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID})
	until(t, func() bool { _, ends := b.count("first"); return ends == 4 })
	b.wait("first", 4)
	for _, cause := range b.ends["first"] {
		if !errors.Is(cause, ErrLost) {
			t.Errorf("cause %v", cause)
		}
	}
	m.Rejoin()
	until(t, func() bool { _, ends := b.count("first"); return ends == 8 })
	b.wait("first", 4)
	if cause := b.ends["first"][7]; !errors.Is(cause, ErrRevoked) {
		t.Errorf("cause after Rejoin: %v", cause)
	}
}

// When the coordinator's broker crashes, the member follows to the next and keeps its partitions.
func TestCoordinatorGone(t *testing.T) {
	t.Parallel()
	cluster := fake(t, kfake.GroupMinSessionTimeout(100*time.Millisecond), kfake.NumBrokers(3))
	gone := cluster.CoordinatorFor("app")
	for p := range int32(4) { // the partitions stay where they are
		ok(t, cluster.MoveTopicPartition("in", p, (gone+1)%3))
	}
	c := dial(t, cluster.ListenAddrs(), func(o *Options) { o.SessionTimeout = 1500 * time.Millisecond })
	b := newBook(t)
	join(t, c, b.run("first"))
	b.wait("first", 4)
	ok(t, cluster.RemoveNode(gone))
	beats := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Observe: true, Count: -1})
	ok(t, beats.Wait(testContext(t), 2))
	if runs, ends := b.count("first"); runs != 4 || ends != 0 {
		t.Errorf("runs %d, interrupted %d: %v", runs, ends, b.ends["first"])
	}
}

// A partition whose committed offset is not in the log any more is assigned like any other: it is for recovery to refuse it.
func TestTrimmedCommitDoesNotEndTheSession(t *testing.T) {
	t.Parallel()
	cluster := quickGroup(t)
	c := dial(t, cluster.ListenAddrs(), shortSession)
	produce(t, c, "in", 0, 50)
	ok(t, c.CommitOffset(testContext(t), nobody, "in", 0, 10, ""))
	ok(t, c.CommitOffset(testContext(t), nobody, "in", 1, 1000, ""))
	ok(t, cluster.DeleteRecords("in", 0, 30))
	b := newBook(t)
	join(t, c, b.run("first"))
	b.wait("first", 4)
	beats := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Observe: true, Count: -1})
	ok(t, beats.Wait(testContext(t), 3))
	if runs, ends := b.count("first"); runs != 4 || ends != 0 {
		t.Errorf("runs %d, interrupted %d", runs, ends)
	}
	next, _, _, err := c.CommittedOffset(testContext(t), "in", 0)
	if err != nil || next != 10 {
		t.Errorf("the membership moved the committed offset to %d, %v", next, err)
	}
}

// A run function that returns early keeps its claim and does not disturb the others.
func TestEarlyReturn(t *testing.T) {
	t.Parallel()
	cluster := quickGroup(t)
	c := dial(t, cluster.ListenAddrs(), shortSession)
	b := newBook(t)
	join(t, c, func(ctx context.Context, claim *Claim) {
		if claim.Partition != 0 {
			b.run("first")(ctx, claim)
		}
	})
	b.wait("first", 3)
	beats := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Observe: true, Count: -1})
	ok(t, beats.Wait(testContext(t), 3))
	if runs, ends := b.count("first"); runs != 3 || ends != 0 {
		t.Errorf("runs %d, interrupted %d", runs, ends)
	}
}

// A member with a static id that comes back in time has its partitions at once, and the group knows where its admin page is.
func TestStaticMemberAndAdminAddress(t *testing.T) {
	t.Parallel()
	cluster := quickGroup(t)
	static := func(o *Options) { o.StaticID, o.AdminAddress = "one", "10.0.0.1:9090" }
	b := newBook(t)
	first := join(t, dial(t, cluster.ListenAddrs(), static), b.run("first"))
	b.wait("first", 4)
	info := must(cluster.WaitGroupStable(testContext(t), "app", 1))(t)
	if addr, ok := AdminAddress(info.Members[0].ClientID); !ok || addr != "10.0.0.1:9090" {
		t.Errorf("client.id %q", info.Members[0].ClientID)
	}
	ok(t, first.Stop(testContext(t)))
	var gen Generation
	join(t, dial(t, cluster.ListenAddrs(), static), func(ctx context.Context, claim *Claim) {
		b.mu.Lock()
		gen = claim.Generation()
		b.mu.Unlock()
		b.run("again")(ctx, claim)
	})
	b.wait("again", 4)
	if gen.GroupInstanceID != "one" || gen.ID != info.Epoch {
		t.Errorf("generation %+v after a return, before it was %d", gen, info.Epoch)
	}
}

// Stop is bounded by its context; the rest is done when the run function returns.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	c := dial(t, quickGroup(t).ListenAddrs(), shortSession)
	release, running := make(chan struct{}), make(chan event.Partition, 4)
	m := join(t, c, func(ctx context.Context, claim *Claim) {
		running <- claim.Partition
		<-release
	})
	for range 4 {
		<-running
	}
	short, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	if err := m.Stop(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop: %v", err)
	}
	close(release)
	ok(t, m.Stop(testContext(t)))
}
