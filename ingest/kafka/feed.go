package kafka

import (
	"sync/atomic"

	"insolite/ingest"
	"insolite/internal/event"
)

// Batch is a run of committed records of one partition. Keys, values and header keys are views into the fetched buffer: they live until
// [Batch.Release], and whatever is kept longer is copied. A batch without records moves Next over control records and aborted
// transactions.
type Batch struct {
	ingest.Batch
	Bytes   int // of credit that it holds
	headers []ingest.Header
	feed    *Feed
}

// Size is the bytes of its keys, values and headers.
func (b *Batch) Size() int { return b.Bytes - len(b.Records)*recordOverheadBytes }

// Release gives the batch's credit back and its memory to the next batch. Every batch is released once, by whoever holds it; nothing of it
// may be used afterwards.
func (b *Batch) Release() {
	f := b.feed
	bytes := int64(b.Bytes)
	clear(b.Records) // or the views would keep the fetched buffers alive
	clear(b.headers)
	*b = Batch{Batch: ingest.Batch{Records: b.Records[:0]}, headers: b.headers[:0]}
	f.fetcher.reuse(b)
	before := f.credit.Add(bytes) - bytes
	if f.queued.Add(-1) == queuedBatchesMax-1 || before <= 0 {
		f.wake()
	}
}

// queuedBatchesMax bounds the batches of a feed that are handed over and not released, so that handing over never blocks the other
// partitions of the broker. At low load, when batches are small, a task that is busy meanwhile finds the rest in one large batch.
const queuedBatchesMax = 8

// Feed is one partition being fetched. Its batches follow each other without a gap: Next of one is where the next one begins.
type Feed struct {
	TopicPartition
	fetcher *Fetcher
	out     chan *Batch
	err     error // written before out is closed
	closed  atomic.Bool
	credit  atomic.Int64
	queued  atomic.Int32
	holder  atomic.Pointer[loop]

	high, stable, earliest atomic.Int64
	busy, away             atomic.Uint64 // pauses
	trouble                atomic.Pointer[error]

	// Of the goroutine that holds the feed: a broker's loop, or the router.
	next     event.Offset
	epoch    int32 // of the leader, as the metadata say
	maxBytes int32 // grows while a record does not fit
	failures int   // in a row
	full     bool  // it was left out of the last fetch
}

// Batches is where the batches come. It is closed when the feed has ended: then see [Feed.Err].
func (f *Feed) Batches() <-chan *Batch { return f.out }

// Err says why the feed ended, once Batches is closed: [*OutOfRangeError], [*UnsupportedError], or nil after Close.
func (f *Feed) Err() error { return f.err }

// Trouble says what keeps the feed from being fetched at the moment: a broker that is away, a leader that moves. It is tried again without
// end; nil: all is well.
func (f *Feed) Trouble() error {
	if p := f.trouble.Load(); p != nil {
		return *p
	}
	return nil
}

// HighWatermark is the end of the partition's log as last heard; -1: not yet heard.
func (f *Feed) HighWatermark() event.Offset { return event.Offset(f.high.Load()) }

// LastStable is the end of what can be read as committed, as last heard; -1: not yet heard.
func (f *Feed) LastStable() event.Offset { return event.Offset(f.stable.Load()) }

// Earliest is the first offset of the partition's log as last heard; -1: not yet heard.
func (f *Feed) Earliest() event.Offset { return event.Offset(f.earliest.Load()) }

// Pauses counts the times that the feed was left out of fetching: busy, because what it was given is not released; away, because of a trouble.
func (f *Feed) Pauses() (busy, away uint64) { return f.busy.Load(), f.away.Load() }

// Close ends the feed. Batches is closed soon; those still in it, or held, may be released or not.
func (f *Feed) Close() {
	f.closed.Store(true)
	f.wake()
}

func (f *Feed) wake() {
	if l := f.holder.Load(); l != nil {
		l.wake()
		return
	}
	f.fetcher.wakeRouter()
}

// ready reports whether the feed may be given more.
func (f *Feed) ready() bool { return f.credit.Load() > 0 && f.queued.Load() < queuedBatchesMax }

// deliver hands a batch over; the feed was ready, so it does not block.
func (f *Feed) deliver(b *Batch) {
	b.feed = f
	f.next = b.Next
	f.credit.Add(-int64(b.Bytes))
	f.queued.Add(1)
	f.out <- b
}

// end closes the feed for good.
func (f *Feed) end(err error) {
	f.err = err
	f.fetcher.forget(f)
	close(f.out)
}

func (f *Feed) inTrouble(err error) {
	if f.failures++; f.failures == 1 {
		f.away.Add(1)
	}
	f.trouble.Store(&err)
}

func (f *Feed) wellAgain() {
	if f.failures > 0 {
		f.failures = 0
		f.trouble.Store(nil)
	}
}
