package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/IBM/sarama"

	"insolite/internal/event"
)

// Sentinels that callers branch on.
var (
	// ErrZombie: the group no longer knows this member in this generation. Leave the session and wait for an assignment.
	ErrZombie = errors.New("this member is no longer in the group")
	// ErrRebalancing: the group is forming a new generation. Wait and ask again.
	ErrRebalancing = errors.New("the group is rebalancing")
	// ErrFenced: another producer has taken over the transactional id.
	ErrFenced = errors.New("another producer has taken over this transactional id")
	// ErrNotFound: there is no such topic, partition or record.
	ErrNotFound = errors.New("not found")
	// ErrForbidden: this login, or a policy of the cluster, does not allow it.
	ErrForbidden = errors.New("not allowed")
)

// OutOfRangeError tells that a feed cannot go on: its offset is not in the log. Nothing is skipped or reset; the owner decides.
type OutOfRangeError struct {
	Topic     string
	Partition event.Partition
	Offset    event.Offset // asked for
	Earliest  event.Offset // the log's first offset; -1: not known
	Latest    event.Offset // the log's end; -1: not known
}

func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("offset %d of %s/%d is not in the log, which reaches from %d to %d: its records were deleted, or the topic was created anew",
		e.Offset, e.Topic, e.Partition, e.Earliest, e.Latest)
}

// UnsupportedError tells that a feed cannot go on: the partition holds what cannot be read.
type UnsupportedError struct {
	Topic     string
	Partition event.Partition
	Offset    event.Offset
	What      string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s/%d at offset %d: %s", e.Topic, e.Partition, e.Offset, e.What)
}

// DoubtError tells that a transaction failed. Its producer does nothing more until [Transaction.Init]: recover, nothing repairs memory
// in place.
type DoubtError struct {
	ID      string // transactional id
	Op      string // the step that failed
	Unknown bool   // the commit had been sent, so it may stand; false: it surely does not
	Err     error
}

func (e *DoubtError) Error() string {
	if e.Unknown {
		return fmt.Sprintf("transaction of %s: %s: the outcome is not known: %v", e.ID, e.Op, e.Err)
	}
	return fmt.Sprintf("transaction of %s: %s: %v", e.ID, e.Op, e.Err)
}

func (e *DoubtError) Unwrap() error { return e.Err }

// TooLargeError tells that a broker or a batch does not take a record of this size. Sizes are to be checked before.
type TooLargeError struct {
	Topic string
	Bytes int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a record or batch of %d bytes is too large for topic %s; raise its max.message.bytes or make the record smaller", e.Bytes, e.Topic)
}

// meaning turns an error code of Kafka's into the sentinel that callers know; the text keeps the code's.
func meaning(err error) error {
	for _, known := range []error{ErrZombie, ErrRebalancing, ErrFenced, ErrNotFound, ErrForbidden} {
		if errors.Is(err, known) {
			return err
		}
	}
	var code sarama.KError
	if !errors.As(err, &code) {
		return err
	}
	switch code {
	case sarama.ErrNoError:
		return nil
	case sarama.ErrFencedInstancedId, sarama.ErrIllegalGeneration, sarama.ErrUnknownMemberId, sarama.ErrGroupIDNotFound:
		return fmt.Errorf("%w: %w", ErrZombie, err)
	case sarama.ErrRebalanceInProgress:
		return fmt.Errorf("%w: %w", ErrRebalancing, err)
	case sarama.ErrProducerFenced, sarama.ErrInvalidProducerEpoch, sarama.ErrInvalidProducerIDMapping, sarama.ErrInvalidTxnState:
		return fmt.Errorf("%w: %w", ErrFenced, err)
	case sarama.ErrUnknownTopicOrPartition:
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case sarama.ErrTopicAuthorizationFailed, sarama.ErrGroupAuthorizationFailed, sarama.ErrClusterAuthorizationFailed, sarama.ErrPolicyViolation:
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return err
}

// passing reports whether err may be gone at the next attempt: a broker is away, a leader or coordinator moves.
func passing(err error) bool {
	var code sarama.KError
	if errors.As(err, &code) {
		switch code {
		case sarama.ErrUnknownTopicOrPartition, sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition, sarama.ErrRequestTimedOut,
			sarama.ErrBrokerNotAvailable, sarama.ErrReplicaNotAvailable, sarama.ErrNetworkException, sarama.ErrOffsetsLoadInProgress,
			sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrNotCoordinatorForConsumer, sarama.ErrNotEnoughReplicas,
			sarama.ErrNotEnoughReplicasAfterAppend, sarama.ErrNotController, sarama.ErrConcurrentTransactions, sarama.ErrKafkaStorageError,
			sarama.ErrFencedLeaderEpoch, sarama.ErrUnknownLeaderEpoch, sarama.ErrOffsetNotAvailable, sarama.ErrUnstableOffsetCommit,
			sarama.ErrThrottlingQuotaExceeded:
			return true
		}
		return false
	}
	return broken(err) || errors.Is(err, sarama.ErrOutOfBrokers) || errors.Is(err, sarama.ErrIncompleteResponse)
}

// broken reports whether err is one of a connection: whether the request was carried out is not known.
func broken(err error) bool {
	var netErr net.Error
	return errors.Is(err, sarama.ErrNotConnected) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &netErr)
}

const (
	backoffMin = 20 * time.Millisecond
	backoffMax = time.Second
)

// backoff is how long to wait after so many failures in a row, from 1: doubled each time, with jitter so that tasks do not move in step.
func backoff(failures int) time.Duration {
	d := min(backoffMin<<min(failures-1, 10), backoffMax)
	return d/2 + rand.N(d)
}

// sleep waits for d, less when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// retry calls f until it succeeds, fails with what does not pass, or ctx ends; the error says what was tried and how it failed last.
func retry(ctx context.Context, op string, f func() error) error {
	for failures := 1; ; failures++ {
		err := f()
		if err == nil {
			return nil
		}
		if !passing(err) {
			return fmt.Errorf("%s: %w", op, meaning(err))
		}
		pause := backoff(failures)
		if errors.Is(err, sarama.ErrConcurrentTransactions) {
			// The markers of the transaction before are being written, a matter of milliseconds: the common case under load.
			pause = min(pause, time.Millisecond<<min(failures-1, 5))
		}
		if sleep(ctx, pause) != nil {
			return fmt.Errorf("%s: %w; last: %w", op, ctx.Err(), meaning(err))
		}
	}
}
