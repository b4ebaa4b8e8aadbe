package task

import (
	"context"
	"errors"
	"time"

	"insolite/ingest"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/rules"
)

// ErrLost says that the partition is no longer ours: leave it to whoever has it now.
var ErrLost = errors.New("the partition belongs to another member")

// Facts are what Kafka says about the task's partition.
type Facts struct {
	TopicID    [16]byte // another one means that the topic was created anew; zero: the broker has none
	Partitions int32
	Compacted  bool
	Earliest   event.Offset
	End        event.Offset // behind the last committed record
}

// Log is the partition that a task steps.
type Log interface {
	// Facts asks for the present facts.
	Facts(ctx context.Context) (Facts, error)
	// OffsetAt returns the first offset whose record has a timestamp of t or later; the end when there is none.
	OffsetAt(ctx context.Context, t event.Time) (event.Offset, error)
	// Open reads from an offset on.
	Open(ctx context.Context, from event.Offset) (Feed, error)
	// Trim deletes the records below an offset. It is asked of the topics of stages only, which nobody else reads.
	Trim(ctx context.Context, before event.Offset) error
}

// Feed reads the committed records of a partition.
type Feed interface {
	// Poll returns the next batch, or nil when none has come within wait. The batch is valid until the next Poll. It returns early when
	// the context ends, with its error.
	Poll(ctx context.Context, wait time.Duration) (*ingest.Batch, error)
	// End returns the last known end of the committed log, for the lag.
	End() event.Offset
	Close()
}

// Message is a record to be produced. Its bytes stay as they are until the commit.
type Message struct {
	Topic      string
	Pinned     bool            // Partition says where it goes, as a frame for a stage does; else its key decides
	Partition  event.Partition // when Pinned
	Key, Value []byte
	Headers    []ingest.Header
}

// Producer writes what a task gives. With delivery at least once, output that was sent before Commit may be read and may be repeated; a
// journal entry never. An entry is sent alone, in a call of its own; what belongs into its transaction is sent before.
type Producer interface {
	// Init ends what a predecessor left open and fences it.
	Init(ctx context.Context) error
	// Send adds messages to the open transaction, and begins one when there is none.
	Send(ctx context.Context, messages []Message) error
	// Commit makes what was sent and the offset visible at once. After any error its outcome is in doubt.
	Commit(ctx context.Context, next event.Offset, metadata string) error
	// Close throws away what was not committed.
	Close(ctx context.Context) error
}

// Group is the consumer group as a task sees it.
type Group interface {
	// Owner checks that the partition is still ours; ErrLost when it is not.
	Owner(ctx context.Context) error
	// Committed returns the task's committed offset with its metadata, when no transaction that could change it is open.
	Committed(ctx context.Context) (next event.Offset, metadata string, found bool, err error)
	// Journal returns all entries of the task that are committed at the time of the call.
	Journal(ctx context.Context) ([]journal.Entry, error)
}

// Bundles are the rules in force, by number.
type Bundles interface {
	// Newest returns the number of the newest bundle. It does not wait.
	Newest() event.Offset
	// Plan returns what a bundle computes on the task's topic, and sees to it that the topics which it sends to exist. On the topic of a stage
	// that the bundle does not have, the plan has a Stage without upstreams, and nothing else.
	Plan(ctx context.Context, number event.Offset) (*rules.Plan, error)
	// Targets returns how many partitions the topic of a stage has, of those to which a plan that was returned sends. It does not wait.
	Targets(topic string) int32
}
