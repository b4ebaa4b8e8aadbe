package app

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/internal/task"
	"insolite/internal/telemetry"
)

// partitionLog is a partition as a task reads it.
type partitionLog struct {
	client  *kafka.Client
	fetcher *kafka.Fetcher
	at      kafka.TopicPartition
	meter   *feedMeter
	logger  *slog.Logger
	feed    atomic.Pointer[kafka.Feed] // the present one; nil: none
	trims   *trouble
	bundles *bundles
}

func newPartitionLog(s *Service, at kafka.TopicPartition) *partitionLog {
	logger := s.log.With("topic", at.Topic, "partition", int(at.Partition))
	return &partitionLog{client: s.client, fetcher: s.fetcher, bundles: s.bundles, at: at, meter: newFeedMeter(s.registry, at.Topic), logger: logger,
		trims: &trouble{log: logger, what: "records that are not needed any more can't be deleted; the topic grows", over: "records that are not needed any more can be deleted again"}}
}

// trouble says what keeps the partition from being read.
func (l *partitionLog) trouble() error {
	if f := l.feed.Load(); f != nil {
		return f.Trouble()
	}
	return nil
}

// feedMeter counts what is read of a topic.
type feedMeter struct{ records, bytes, busy, away *telemetry.Counter }

func newFeedMeter(r *telemetry.Registry, topic string) *feedMeter {
	return &feedMeter{records: r.Counter(telemetry.FetchedRecords, topic), bytes: r.Counter(telemetry.FetchedBytes, topic),
		busy: r.Counter(telemetry.FetchPauses, topic, "credit"), away: r.Counter(telemetry.FetchPauses, topic, "environment")}
}

func (l *partitionLog) Facts(ctx context.Context) (task.Facts, error) {
	topic, err := l.client.DescribeTopic(ctx, l.at.Topic)
	if err != nil {
		return task.Facts{}, err
	}
	f := task.Facts{Partitions: int32(l.bundles.stages.width(topic.Name, topic.Partitions)), Compacted: topic.Compacted}
	id, err := hex.DecodeString(topic.ID)
	if err != nil || len(id) != len(f.TopicID) {
		return task.Facts{}, fmt.Errorf("topic %s has the id %q", topic.Name, topic.ID)
	}
	copy(f.TopicID[:], id)
	if f.Earliest, err = l.client.Earliest(ctx, l.at); err != nil {
		return task.Facts{}, err
	}
	f.End, err = l.client.LastStable(ctx, l.at)
	return f, err
}

func (l *partitionLog) OffsetAt(ctx context.Context, t event.Time) (event.Offset, error) {
	return l.client.OffsetForTime(ctx, l.at, t)
}

func (l *partitionLog) Open(_ context.Context, from event.Offset) (task.Feed, error) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	feed := l.fetcher.Add(l.at.Topic, l.at.Partition, from)
	l.feed.Store(feed)
	return &partitionFeed{feed: feed, timer: timer, meter: l.meter,
		trouble: &trouble{log: l.logger, what: "the partition can't be read and is tried again", over: "the partition can be read again"}}, nil
}

// partitionFeed gives a task the batches of a feed one by one.
type partitionFeed struct {
	feed  *kafka.Feed
	batch *kafka.Batch // that the task has
	timer *time.Timer
	meter *feedMeter
	busy  uint64 // pauses that are counted
	away  uint64

	trouble *trouble
}

// count tells what the feed did since the last call.
func (f *partitionFeed) count(b *kafka.Batch) {
	if b != nil {
		f.meter.records.Add(len(b.Records))
		f.meter.bytes.Add(b.Size())
	}
	busy, away := f.feed.Pauses()
	f.meter.busy.AddInt64(int64(busy - f.busy))
	f.meter.away.AddInt64(int64(away - f.away))
	f.busy, f.away = busy, away
	f.trouble.is(f.feed.Trouble())
}

// asRefusal turns a feed's end that no recovery heals into a refusal. An offset out of range is told by the recovery, which sees more.
func asRefusal(err error) error {
	var unsupported *kafka.UnsupportedError
	if errors.As(err, &unsupported) {
		return &task.Refusal{Task: fmt.Sprintf("%s/%d", unsupported.Topic, unsupported.Partition), Reason: err.Error(), Cure: "have the record written anew in a format that this version reads, or take another `app` to start behind it"}
	}
	return err
}

func (f *partitionFeed) release() {
	if f.batch != nil {
		f.batch.Release()
		f.batch = nil
	}
}

func (f *partitionFeed) Poll(ctx context.Context, wait time.Duration) (*ingest.Batch, error) {
	f.release()
	f.timer.Reset(max(wait, 0))
	defer f.timer.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case b, ok := <-f.feed.Batches():
		if !ok {
			return nil, cmp.Or(asRefusal(f.feed.Err()), errors.New("the feed was closed"))
		}
		f.batch = b
		f.count(b)
		return &b.Batch, nil
	case <-f.timer.C:
		f.count(nil)
		return nil, nil
	}
}

func (f *partitionFeed) End() event.Offset { return f.feed.LastStable() }

func (f *partitionFeed) Close() {
	f.release()
	f.feed.Close()
}

// Trim deletes the records below an offset. A cluster that does not allow it keeps them: nothing but its disks depends on that.
func (l *partitionLog) Trim(ctx context.Context, before event.Offset) error {
	err := l.client.DeleteBefore(ctx, l.at, before)
	if errors.Is(err, kafka.ErrForbidden) {
		err = fmt.Errorf("%w; allow the login to delete from the topic (see `detector doctor --acls`), or delete old records yourself", err)
	}
	l.trims.is(err)
	return nil
}

// messages turns what a task sends into what Kafka's producers take.
func messages(from []task.Message) []kafka.Message {
	to := make([]kafka.Message, len(from))
	for i := range from {
		m := &from[i]
		to[i] = kafka.Message{Topic: m.Topic, Pinned: m.Pinned, Partition: m.Partition, Key: m.Key, Value: m.Value, Headers: m.Headers}
	}
	return to
}

// sent counts the frames among messages that were handed over.
func sent(r *telemetry.Registry, all []task.Message) {
	for i := range all {
		if m := &all[i]; m.Pinned {
			r.Counter(telemetry.FramesSent, m.Topic).Inc()
			r.Counter(telemetry.FrameBytesSent, m.Topic).Add(len(m.Value))
		}
	}
}

// exactlyOnce is a task's producer with transactions.
type exactlyOnce struct {
	claim    *kafka.Claim
	t        *kafka.Transaction
	registry *telemetry.Registry
}

func (p *exactlyOnce) Init(ctx context.Context) error { return p.t.Init(ctx) }

func (p *exactlyOnce) Send(ctx context.Context, m []task.Message) error {
	sent(p.registry, m)
	return p.t.Send(ctx, messages(m)...)
}

func (p *exactlyOnce) Commit(ctx context.Context, next event.Offset, metadata string) error {
	gen, release, err := p.claim.Hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := p.t.SendOffsets(gen, next, metadata); err != nil {
		return err
	}
	return p.t.Commit(ctx)
}

func (p *exactlyOnce) Close(ctx context.Context) error { return p.t.Close(ctx) }

// atLeastOnce is a task's producer that does not keep output until the commit: what is sent can be read at once, and may be sent again
// after a crash. The journal has its transactions all the same: one that could hold an entry twice would be no journal.
type atLeastOnce struct {
	exactlyOnce
	client  *kafka.Client
	p       *kafka.Producer
	journal string // topic
	steers  bool   // a journal entry waits for the commit
}

func (p *atLeastOnce) Init(ctx context.Context) error {
	p.steers = false
	return p.exactlyOnce.Init(ctx)
}

func (p *atLeastOnce) Send(ctx context.Context, m []task.Message) error {
	if len(m) > 0 && m[0].Topic == p.journal { // the journal's come alone
		p.steers = true
		return p.exactlyOnce.Send(ctx, m)
	}
	sent(p.registry, m)
	_, err := p.p.Produce(ctx, messages(m)...)
	return err
}

func (p *atLeastOnce) Commit(ctx context.Context, next event.Offset, metadata string) error {
	if p.steers {
		p.steers = false
		return p.exactlyOnce.Commit(ctx, next, metadata)
	}
	gen, release, err := p.claim.Hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	return p.client.CommitOffset(ctx, gen, p.claim.Topic, p.claim.Partition, next, metadata)
}

func (p *atLeastOnce) Close(ctx context.Context) error {
	p.p.Close()
	return p.exactlyOnce.Close(ctx)
}

// taskGroup is the consumer group, and the journal, as a task sees them.
type taskGroup struct {
	client  *kafka.Client
	claim   *kafka.Claim
	journal string // topic
	name    string // of the task, in the journal
}

func (g *taskGroup) Owner(ctx context.Context) error {
	err := g.claim.Confirm(ctx)
	if errors.Is(err, kafka.ErrZombie) {
		return fmt.Errorf("%w: %w", task.ErrLost, err)
	}
	return err
}

func (g *taskGroup) Committed(ctx context.Context) (event.Offset, string, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, stableWait)
	defer cancel()
	next, metadata, found, err := g.client.CommittedOffset(ctx, g.claim.Topic, g.claim.Partition)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("a transaction of this application stays open beyond its timeout, so the offset can't be told; find it with `kafka-transactions.sh find-hanging` and end it with `abort`: %w", err)
	}
	return next, metadata, found, err
}

// stableWait is how long the committed offset may be held up by an open transaction: the broker ends one after ten seconds.
const stableWait = 30 * time.Second

// Journal reads the journal topic as far as it goes now, and keeps what is the task's. It tells of starts, of new rules, and of ticks.
func (g *taskGroup) Journal(ctx context.Context) ([]journal.Entry, error) {
	topic, err := g.client.DescribeTopic(ctx, g.journal)
	if err != nil {
		return nil, err
	}
	var entries []journal.Entry
	for n := range topic.Partitions {
		at := kafka.TopicPartition{Topic: g.journal, Partition: event.Partition(n)}
		if entries, err = g.read(ctx, at, entries); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(entries, func(a, b journal.Entry) int { return cmp.Compare(a.Number, b.Number) })
	return slices.CompactFunc(entries, func(a, b journal.Entry) bool { return a.Number == b.Number }), nil
}

func (g *taskGroup) read(ctx context.Context, at kafka.TopicPartition, entries []journal.Entry) ([]journal.Entry, error) {
	from, err := g.client.Earliest(ctx, at)
	if err != nil {
		return nil, err
	}
	end, err := g.client.HighWatermark(ctx, at)
	if err != nil {
		return nil, err
	}
	for r, err := range g.client.ReadAll(ctx, at, from, end) {
		if err != nil {
			return nil, err
		}
		if r.Value == nil || !journal.OfTask(r.Key, g.name) {
			continue
		}
		e, err := journal.Parse(r.Value)
		if err != nil {
			if errors.Is(err, journal.ErrNewer) {
				return nil, err
			}
			return nil, &task.Refusal{Task: g.name, Reason: fmt.Sprintf("the journal entry at offset %d of %s can't be read: %v", r.Offset, at, err), Cure: "restore the journal topic, or take another `app` to start anew"}
		}
		entries = append(entries, e)
	}
	return entries, nil
}
