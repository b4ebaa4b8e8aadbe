package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"insolite/internal/crash"
	"insolite/internal/event"
)

// Transaction is the transactional producer of one task, speaking the protocol itself: a request to end a transaction is sent once and
// never again, so that what came of it is either known or doubted. A transaction begins with the first Send or SendOffsets after Init,
// Commit or Abort. It costs no goroutine and, until it is used, no connection. It is for one goroutine.
type Transaction struct {
	writer
	id      string // transactional id
	task    TopicPartition
	added   map[TopicPartition]bool // partitions that the coordinator knows to be in the transaction
	offsets *sarama.TxnOffsetCommitRequest
	began   time.Time
	failed  error // what Init has to come after
}

// NewTransaction makes the producer of the task that reads a partition; its transactional id is app/topic/partition. Call Init first.
func (c *Client) NewTransaction(topic string, partition event.Partition) *Transaction {
	return c.newTransaction(fmt.Sprintf("%s/%s/%d", c.opts.App, topic, partition), TopicPartition{topic, partition})
}

// NewNamedTransaction makes a producer that belongs to no task and sends no offsets; its transactional id is app/name, which is never a
// task's. Call Init first.
func (c *Client) NewNamedTransaction(name string) *Transaction {
	return c.newTransaction(c.opts.App+"/"+name, TopicPartition{})
}

func (c *Client) newTransaction(id string, task TopicPartition) *Transaction {
	t := &Transaction{writer: c.newWriter(&id), id: id, task: task}
	t.failed = &DoubtError{ID: id, Op: "begin", Err: errors.New("the producer has no identity yet; call Init")}
	return t
}

// ID is the transactional id.
func (t *Transaction) ID() string { return t.id }

// Init takes the transactional id over: it aborts what a predecessor left open and fences it, so that nothing more comes from it. It is
// also the way on after an error.
func (t *Transaction) Init(ctx context.Context) error {
	t.conns.close()
	var id int64
	var epoch int16
	err := retry(ctx, "take over transactional id "+t.id, func() error {
		b, err := t.coordinator()
		if err != nil {
			return err
		}
		r, err := b.InitProducerID(&sarama.InitProducerIDRequest{
			Version: 4, TransactionalID: &t.id, TransactionTimeout: t.client.opts.TransactionTimeout, ProducerID: -1, ProducerEpoch: -1,
		})
		if err != nil {
			return t.lost(b, err)
		}
		id, epoch = r.ProducerID, r.ProducerEpoch
		return t.moved(r.Err)
	})
	if err != nil {
		return err
	}
	t.reset(id, epoch)
	t.finish()
	t.failed = nil
	return nil
}

func (t *Transaction) finish() {
	t.added, t.offsets, t.began = map[TopicPartition]bool{}, nil, time.Time{}
}

// Send adds messages to the transaction. They are gathered and sent at Commit, or earlier when they are many.
func (t *Transaction) Send(ctx context.Context, messages ...Message) error {
	if t.failed != nil {
		return t.failed
	}
	t.begin()
	ctx, cancel := t.deadline(ctx)
	defer cancel()
	for i := range messages {
		full, err := t.add(ctx, &messages[i])
		if err == nil && full {
			if err = t.flush(ctx); err == nil {
				_, err = t.add(ctx, &messages[i])
			}
		}
		if err != nil {
			return t.fail("send", false, err)
		}
	}
	return nil
}

// SendOffsets puts the task's committed offset into the transaction. The generation is the one in which the batch was closed; when it is
// over, Commit fails with [ErrZombie].
func (t *Transaction) SendOffsets(gen Generation, next event.Offset, metadata string) error {
	if t.failed != nil {
		return t.failed
	}
	if err := checkMetadata(metadata); err != nil {
		return err
	}
	t.begin()
	t.offsets = &sarama.TxnOffsetCommitRequest{
		Version: 3, TransactionalID: t.id, GroupID: t.client.opts.App, ProducerID: t.writer.id, ProducerEpoch: t.epoch,
		GenerationID: gen.ID, MemberID: gen.MemberID, GroupInstanceID: gen.instance(),
		Topics: map[string][]*sarama.PartitionOffsetMetadata{t.task.Topic: {{
			Partition: int32(t.task.Partition), Offset: int64(next), LeaderEpoch: -1, Metadata: &metadata,
		}}},
	}
	return nil
}

func (t *Transaction) begin() {
	if t.began.IsZero() {
		t.began = time.Now()
	}
}

// deadline is when the coordinator aborts the transaction on its own: no use in going on.
func (t *Transaction) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(ctx, t.began.Add(t.client.opts.TransactionTimeout))
}

// Commit makes everything that was sent visible at once, offsets included. Every error is a [*DoubtError]: recover.
func (t *Transaction) Commit(ctx context.Context) error {
	if t.failed != nil {
		return t.failed
	}
	if t.began.IsZero() {
		return nil
	}
	ctx, cancel := t.deadline(ctx)
	defer cancel()
	if err := t.flush(ctx); err != nil {
		return t.fail("send", false, err)
	}
	if t.offsets != nil {
		if err := t.sendOffsets(ctx); err != nil {
			return t.fail("send offsets", false, err)
		}
	}
	crash.At(crash.OffsetsSent)
	if unknown, err := t.end(ctx, true); err != nil {
		return t.fail("commit", unknown, err)
	}
	t.finish()
	return nil
}

// Abort throws away what was sent since the last Commit. An error is a [*DoubtError], but nothing of it is ever visible.
func (t *Transaction) Abort(ctx context.Context) error {
	if t.failed != nil {
		return t.failed
	}
	if t.began.IsZero() {
		return nil
	}
	clear(t.queue)
	t.bytes, t.queued = 0, 0
	if _, err := t.end(ctx, false); err != nil {
		return t.fail("abort", false, err)
	}
	t.finish()
	return nil
}

// Close aborts an open transaction, so that later ones of other tasks need not wait for its timeout, and closes the connections.
func (t *Transaction) Close(ctx context.Context) error {
	var err error
	if t.failed == nil {
		err = t.Abort(ctx)
	}
	t.conns.close()
	t.failed = &DoubtError{ID: t.id, Op: "use", Err: errors.New("the producer is closed; call Init")}
	return err
}

// fail puts the transaction out of use until Init.
func (t *Transaction) fail(op string, unknown bool, err error) error {
	t.failed = &DoubtError{ID: t.id, Op: op, Unknown: unknown, Err: meaning(err)}
	t.conns.close()
	return t.failed
}

// flush has the coordinator add new partitions to the transaction, and sends what is queued.
func (t *Transaction) flush(ctx context.Context) error {
	batches := t.batches()
	if len(batches) == 0 {
		return nil
	}
	if err := t.addPartitions(ctx, batches); err != nil {
		return err
	}
	crash.At(crash.PartitionsAdded)
	_, err := t.write(ctx, batches)
	crash.At(crash.RecordsWritten)
	return err
}

func (t *Transaction) addPartitions(ctx context.Context, batches map[TopicPartition]*sarama.RecordBatch) error {
	partitions := map[string][]int32{}
	for tp := range batches {
		if !t.added[tp] {
			partitions[tp.Topic] = append(partitions[tp.Topic], int32(tp.Partition))
		}
	}
	if len(partitions) == 0 {
		return nil
	}
	err := retry(ctx, "add partitions", func() error {
		b, err := t.coordinator()
		if err != nil {
			return err
		}
		r, err := b.AddPartitionsToTxn(&sarama.AddPartitionsToTxnRequest{
			Version: 3, TransactionalID: t.id, ProducerID: t.writer.id, ProducerEpoch: t.epoch, TopicPartitions: partitions,
		})
		if err != nil {
			return t.lost(b, err) // adding twice adds once
		}
		return t.moved(firstError(r.Errors))
	})
	for tp := range batches {
		t.added[tp] = err == nil
	}
	return err
}

// firstError returns the error that decides: one that does not pass before one that does.
func firstError(errs map[string][]*sarama.PartitionError) sarama.KError {
	first := sarama.ErrNoError
	for _, topic := range errs {
		for _, p := range topic {
			if p.Err != sarama.ErrNoError && (first == sarama.ErrNoError || first == sarama.ErrOperationNotAttempted || passing(first)) {
				first = p.Err
			}
		}
	}
	return first
}

// sendOffsets adds the group's offsets partition to the transaction and the offset to it.
func (t *Transaction) sendOffsets(ctx context.Context) error {
	err := retry(ctx, "add offsets", func() error {
		b, err := t.coordinator()
		if err != nil {
			return err
		}
		r, err := b.AddOffsetsToTxn(&sarama.AddOffsetsToTxnRequest{
			Version: 3, TransactionalID: t.id, ProducerID: t.writer.id, ProducerEpoch: t.epoch, GroupID: t.client.opts.App,
		})
		if err != nil {
			return t.lost(b, err) // adding twice adds once
		}
		return t.moved(r.Err)
	})
	if err != nil {
		return err
	}
	// From here on the coordinator knows of a transaction that must be ended.
	t.added[TopicPartition{Topic: "__consumer_offsets"}] = true
	return t.client.atCoordinator(ctx, "send offsets", func(known *sarama.Broker) (sarama.KError, error) {
		b, err := t.conns.to(known.Addr())
		if err != nil {
			return 0, err
		}
		r, err := b.TxnOffsetCommit(t.offsets)
		if err != nil {
			t.conns.drop(b)
			return 0, err // the same offset twice is the same
		}
		return firstError(r.Topics), nil
	})
}

// end sends the request that ends the transaction. It is sent again only after a reply that asks for it: one whose reply was lost might be
// carried out late, and end the next transaction. unknown tells that it may have been carried out.
func (t *Transaction) end(ctx context.Context, commit bool) (unknown bool, err error) {
	if len(t.added) == 0 {
		return false, nil // the coordinator knows of nothing
	}
	err = retry(ctx, "end transaction", func() error {
		b, err := t.coordinator()
		if err != nil {
			return err
		}
		r, err := b.EndTxn(&sarama.EndTxnRequest{
			Version: 3, TransactionalID: t.id, ProducerID: t.writer.id, ProducerEpoch: t.epoch, TransactionResult: commit,
		})
		if err != nil {
			unknown = true
			return fmt.Errorf("connection to the transaction coordinator: %w", doubtful{err})
		}
		unknown = unknown || r.Err != sarama.ErrNoError && passing(r.Err) // it may have reached the log of a coordinator that then lost it
		return t.moved(r.Err)
	})
	return unknown, err
}

// doubtful hides the kind of an error, so that it is not tried again.
type doubtful struct{ err error }

func (d doubtful) Error() string { return d.err.Error() }

// coordinator is our own connection to the transaction coordinator.
func (t *Transaction) coordinator() (*sarama.Broker, error) {
	b, err := t.client.meta.TransactionCoordinator(t.id)
	if err != nil {
		return nil, err
	}
	return t.conns.to(b.Addr())
}

// lost closes a connection after an error.
func (t *Transaction) lost(b *sarama.Broker, err error) error {
	t.conns.drop(b)
	_ = t.client.meta.RefreshTransactionCoordinator(t.id) // a failure shows at the next attempt
	return err
}

// moved looks the coordinator up again when a reply says that it has moved.
func (t *Transaction) moved(code sarama.KError) error {
	switch code {
	case sarama.ErrNoError:
		return nil
	case sarama.ErrNotCoordinatorForConsumer, sarama.ErrConsumerCoordinatorNotAvailable:
		_ = t.client.meta.RefreshTransactionCoordinator(t.id) // a failure shows at the next attempt
	}
	return code
}
