package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// gate keeps commits and joins apart. A commit names the generation of its member; once a join has begun, the group may move on at any
// moment, and the commit would be refused as a zombie's, although the partition stays where it is. So a join waits for the commits under
// way, and a commit waits for the join under way.
type gate struct {
	mu         sync.Mutex
	joining    bool
	generation int32
	joins      uint64 // generations joined
	holds      int
	changed    chan struct{} // closed and replaced at every change
}

func newGate() *gate { return &gate{changed: make(chan struct{})} }

func (g *gate) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	close(g.changed)
	g.changed = make(chan struct{})
}

// hold waits for a join under way and returns the generation, which stays the member's until release.
func (g *gate) hold(ctx context.Context) (generation int32, err error) {
	for {
		g.mu.Lock()
		joining, changed := g.joining, g.changed
		if !joining {
			g.holds++
			generation = g.generation
		}
		g.mu.Unlock()
		if !joining {
			return generation, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func (g *gate) release() { g.change(func() { g.holds-- }) }

// join begins a join: it waits for the commits under way, but not so long that the session would end.
func (g *gate) join(atMost time.Duration) {
	g.change(func() { g.joining = true })
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	for {
		g.mu.Lock()
		holds, changed := g.holds, g.changed
		g.mu.Unlock()
		if holds == 0 {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return // the commit is refused then: doubt, but no harm
		}
	}
}

// joined ends a join.
func (g *gate) joined(generation int32) {
	g.change(func() {
		if generation != g.generation {
			g.joins++
		}
		g.joining, g.generation = false, generation
	})
}

// underWay reports whether a join is.
func (g *gate) underWay() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.joining
}

// present is the generation last joined.
func (g *gate) present() int32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.generation
}

// joinCount is how many generations were joined.
func (g *gate) joinCount() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.joins
}

// gatedStrategy is sarama's cooperative-sticky assignment, with the gate and the present topics at the only two places that sarama calls before a
// join and after it.
type gatedStrategy struct {
	cooperative
	gate   *gate
	topics *subscription
	atMost time.Duration
}

// cooperative is what sarama's strategy implements.
type cooperative interface {
	sarama.RebalanceProtocolBalanceStrategy
	SubscriptionUserData(topics []string) ([]byte, error)
	OnAssignment(assignment *sarama.ConsumerGroupMemberAssignment, generationID int32)
}

// SubscriptionUserData implements [sarama.SubscriptionUserDataBalanceStrategy]: a join begins.
func (s gatedStrategy) SubscriptionUserData(topics []string) ([]byte, error) {
	s.gate.join(s.atMost)
	s.topics.rewrite()
	return s.cooperative.SubscriptionUserData(topics)
}

// OnAssignment implements [sarama.OnAssignmentBalanceStrategy]: the join is over.
func (s gatedStrategy) OnAssignment(assignment *sarama.ConsumerGroupMemberAssignment, generation int32) {
	s.cooperative.OnAssignment(assignment, generation)
	s.gate.joined(generation)
}

// Plan implements [sarama.BalanceStrategy]: members name topics more than once; see [subscription].
func (s gatedStrategy) Plan(members map[string]sarama.ConsumerGroupMemberMetadata, topics map[string][]int32) (sarama.BalanceStrategyPlan, error) {
	for id, m := range members {
		m.Topics = once(m.Topics)
		members[id] = m
	}
	return s.cooperative.Plan(members, topics)
}
