package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"insolite/internal/event"
)

// Why a claim's context ends.
var (
	// ErrRevoked: the partition goes to another member, or the membership stops. Until the run function returns, the claim is still held.
	ErrRevoked = errors.New("the partition is given up")
	// ErrLost: the member is out of the group, and the partition may be another's already. Nothing that it commits is accepted.
	ErrLost = errors.New("the partition is lost")
)

// Claim is one partition assigned to this member.
type Claim struct {
	TopicPartition
	session    sarama.ConsumerGroupSession
	membership *Membership
}

// Generation is the member's present one. It moves on while the claim is held: for a commit see [Claim.Hold].
func (c *Claim) Generation() Generation { return c.generation(c.membership.gate.present()) }

func (c *Claim) generation(id int32) Generation {
	return Generation{MemberID: c.session.MemberID(), ID: id, GroupInstanceID: c.membership.client.opts.StaticID}
}

// Hold captures the generation for a commit, and keeps it the member's present one until release: a rebalance waits for the commits under
// way, as a commit waits here for a rebalance under way, at most until ctx ends. Without it every rebalance would refuse some commits of
// partitions that do not even move. Hold when the batch is closed, commit, release at once: a commit that takes longer than a third of the
// session timeout is not waited for.
func (c *Claim) Hold(ctx context.Context) (gen Generation, release func(), err error) {
	id, err := c.membership.gate.hold(ctx)
	if err != nil {
		return Generation{}, nil, err
	}
	return c.generation(id), c.membership.gate.release, nil
}

// Confirm asks the group whether this member still is who it was, the first step of a recovery; it waits while the group is rebalancing.
// [ErrZombie]: leave by [Membership.Rejoin], and wait for the context of the claim to end.
func (c *Claim) Confirm(ctx context.Context) error {
	for failures := 1; ; failures++ {
		gen, release, err := c.Hold(ctx)
		if err != nil {
			return err
		}
		err = c.membership.client.Heartbeat(ctx, gen)
		release()
		if !errors.Is(err, ErrRebalancing) {
			return err
		}
		if err := sleep(ctx, backoff(failures)); err != nil {
			return err
		}
	}
}

// RunClaim runs one assigned partition, in a goroutine of its own. It returns soon after ctx ends, whose cause is [ErrRevoked] or [ErrLost]:
// the rebalance of the whole group waits for it. One that returns earlier keeps the claim idle.
type RunClaim func(ctx context.Context, claim *Claim)

// Membership is a member of the consumer group: cooperative-sticky, with sarama's group. It serves assignment alone: its client reads
// uncommitted and commits nothing, and the one fetch that sarama makes for each claim is thrown away.
type Membership struct {
	client  *Client
	topics  *subscription
	run     RunClaim
	group   sarama.ConsumerGroup
	meta    sarama.Client
	stop    context.CancelFunc
	wait    sync.WaitGroup // for consume
	watches sync.WaitGroup
	trouble atomic.Pointer[error]
	gate    *gate

	mu    sync.Mutex
	leave context.CancelFunc // ends the present session

	stopping sync.Once
	stopped  chan struct{}
	err      error // written before stopped is closed
}

// rebalanceTimeout is how long a rebalance waits for a member to give partitions up: a commit and a second's sweep, with room.
const rebalanceTimeout = 20 * time.Second

// membershipConfig is the configuration of the membership client.
func (c *Client) membershipConfig(gate *gate, topics *subscription) (*sarama.Config, error) {
	conf := *c.conf
	conf.Net.ReadTimeout = rebalanceTimeout + c.opts.RequestTimeout // a join waits for the slowest member
	conf.Metadata.Retry.Max, conf.Metadata.Retry.Backoff = coordinatorRetries, coordinatorPause
	conf.Metadata.RefreshFrequency = c.opts.TopicRefresh
	g := &conf.Consumer.Group
	sticky, ok := sarama.NewBalanceStrategyCooperativeSticky().(cooperative)
	if !ok {
		return nil, errors.New("sarama's cooperative-sticky strategy does not tell of joins and assignments; use the version in go.mod")
	}
	g.Rebalance.GroupStrategies = []sarama.BalanceStrategy{gatedStrategy{sticky, gate, topics, c.opts.SessionTimeout / 3}}
	g.Rebalance.Timeout, g.Rebalance.Retry.Max = rebalanceTimeout, 20
	g.Rebalance.Retry.Backoff = 100 * time.Millisecond
	g.Session.Timeout, g.Heartbeat.Interval = c.opts.SessionTimeout, c.opts.SessionTimeout/3
	g.InstanceId = c.opts.StaticID
	// A claim whose committed offset is out of range would end the session of all claims. The membership's own position is not used: the
	// fetcher begins where recovery says, and reports such an offset instead of moving it.
	g.ResetInvalidOffsets = true
	conf.Consumer.IsolationLevel = sarama.ReadUncommitted
	conf.Consumer.Offsets.Initial, conf.Consumer.Offsets.AutoCommit.Enable = sarama.OffsetOldest, false
	conf.Consumer.Return.Errors = true
	conf.Consumer.Fetch.Default, conf.Consumer.Fetch.Min, conf.Consumer.MaxWaitTime = 1, 1, 10*time.Millisecond
	conf.ChannelBufferSize = 1
	return &conf, nil
}

// Join joins the group for some topics, which must exist, and runs every partition that it is assigned. Partitions that are added to a topic
// are noticed within [Options].TopicRefresh; [Membership.Subscribe] changes the topics.
func (c *Client) Join(topics []string, run RunClaim) (*Membership, error) {
	if len(topics) == 0 {
		return nil, fmt.Errorf("join group %s: no topic is named", c.opts.App)
	}
	gate, named := newGate(), newSubscription(topics)
	conf, err := c.membershipConfig(gate, named)
	if err != nil {
		return nil, err
	}
	dialer := newPatientDialer(conf, gate)
	conf.Net.Proxy.Enable, conf.Net.Proxy.Dialer = true, dialer
	meta, err := sarama.NewClient(c.opts.Brokers, conf)
	if err != nil {
		return nil, fmt.Errorf("join group %s: %w", c.opts.App, err)
	}
	group, err := sarama.NewConsumerGroupFromClient(c.opts.App, meta)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("join group %s: %w", c.opts.App, err), meta.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &Membership{client: c, topics: named, run: run, group: group, meta: meta, stop: stop, leave: stop, stopped: make(chan struct{}), gate: gate}
	m.watches.Go(m.watch)
	m.watches.Go(func() { m.followCoordinator(ctx, dialer.failed) })
	m.wait.Go(func() { m.consume(ctx) })
	return m, nil
}

// watch notes the errors that sarama reports; the group's Close ends it.
func (m *Membership) watch() {
	for err := range m.group.Errors() {
		m.trouble.Store(&err)
	}
}

// Trouble says what went wrong last with the membership; nil: nothing since the last assignment.
func (m *Membership) Trouble() error {
	if p := m.trouble.Load(); p != nil {
		return *p
	}
	return nil
}

// Rebalances is how many generations of the group this member has been in; 0: it has not joined yet.
func (m *Membership) Rebalances() uint64 { return m.gate.joinCount() }

// consume is a member until ctx ends, one session after another.
func (m *Membership) consume(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		session, leave := context.WithCancel(ctx)
		m.mu.Lock()
		m.leave = leave
		m.mu.Unlock()
		began := time.Now()
		err := m.group.Consume(session, m.topics.open(), handler{m, session})
		leave()
		if errors.Is(err, sarama.ErrFencedInstancedId) {
			err = fmt.Errorf("another instance has joined with the static id %q, which has the partitions now; stop one of the two, or give each an id of its own: %w", m.client.opts.StaticID, err)
		}
		if err != nil && ctx.Err() == nil {
			m.trouble.Store(&err)
		}
		if failures++; time.Since(began) > m.client.opts.SessionTimeout {
			failures = 1
		}
		_ = sleep(ctx, backoff(failures)) // the end of ctx is seen above
	}
}

// Rejoin leaves the present session and joins anew, as a member that was refused as a zombie must. Claims are revoked.
func (m *Membership) Rejoin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave()
}

// Stop revokes the claims, waits for their run functions and leaves the group; a member with a static id only disconnects. When ctx ends
// first, the rest goes on in the background, and a later call may wait for it.
func (m *Membership) Stop(ctx context.Context) error {
	m.stopping.Do(func() {
		m.stop()
		go func() {
			m.wait.Wait()
			m.err = errors.Join(m.group.Close(), m.meta.Close())
			m.watches.Wait()
			close(m.stopped)
		}()
	})
	select {
	case <-m.stopped:
		return m.err
	case <-ctx.Done():
		return fmt.Errorf("leave group %s: %w", m.client.opts.App, ctx.Err())
	}
}

// handler is sarama's view of one session.
type handler struct {
	m       *Membership
	session context.Context // ended by us: by Stop or Rejoin
}

// Setup implements [sarama.ConsumerGroupHandler].
func (h handler) Setup(s sarama.ConsumerGroupSession) error {
	h.m.gate.joined(s.GenerationID()) // sarama tells of no assignment when there is nothing assigned
	h.m.topics.began(s)
	h.m.trouble.Store(nil)
	if h.m.client.opts.StaticID != "" {
		h.m.wait.Go(func() { h.m.complete(h.session, s) })
	}
	return nil
}

// Cleanup implements [sarama.ConsumerGroupHandler].
func (h handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim implements [sarama.ConsumerGroupHandler]. Its records are not wanted; that their channel closes says that the claim is revoked.
func (h handler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	h.m.group.Pause(map[string][]int32{c.Topic(): {c.Partition()}})
	revoked := make(chan struct{})
	go func() {
		for range c.Messages() {
		}
		close(revoked)
	}()
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		select {
		case <-revoked:
		case <-s.Context().Done():
		}
		if s.Context().Err() != nil && h.session.Err() == nil {
			cancel(fmt.Errorf("%w: %w", ErrLost, context.Cause(s.Context())))
			return
		}
		cancel(ErrRevoked)
	}()
	h.m.run(ctx, &Claim{TopicPartition{c.Topic(), event.Partition(c.Partition())}, s, h.m})
	<-ctx.Done() // a return before would end the session of all claims
	return nil
}
