package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"insolite/internal/event"
)

const (
	// responseBytesMax bounds a response; sarama takes up to 100 MiB, and one record batch may be larger than asked for.
	responseBytesMax = 50 << 20
	// littleBytes is a response after which the loop lets records gather for a moment.
	littleBytes = 64 << 10
	// busyWait is how long a broker may hold a fetch while a feed is left out of it: the feed may want back in.
	busyWait = 5 * time.Millisecond
)

// loop fetches from one broker for all feeds whose leader it is.
type loop struct {
	fetcher *Fetcher
	addr    string
	conns   conns
	woken   chan struct{}

	mu    sync.Mutex
	feeds []*Feed
	fresh bool // a feed came since the last request: more may follow, so the next request is not to be a long one
	ended bool

	// Of the loop's goroutine: after a response that could not be decoded, feeds are asked one at a time, to find the one that is at fault.
	suspects []*Feed
	chosen   []*Feed
}

func (l *loop) add(feed *Feed) {
	l.mu.Lock()
	ended := l.ended
	if !ended {
		feed.holder.Store(l)
		l.feeds, l.fresh = append(l.feeds, feed), true
	}
	l.mu.Unlock()
	if ended {
		feed.end(nil)
		return
	}
	l.wake()
}

func (l *loop) wake() {
	select {
	case l.woken <- struct{}{}:
	default: // it is woken already
	}
}

func (l *loop) run() {
	defer l.stop()
	ctx := l.fetcher.ctx
	for ctx.Err() == nil {
		wait := l.choose()
		if len(l.chosen) == 0 {
			select {
			case <-l.woken:
			case <-ctx.Done():
			}
			continue
		}
		began := time.Now()
		response, err := l.fetch(wait)
		if err != nil {
			l.failed(err)
			continue
		}
		bytes := l.distribute(response)
		if rest := l.fetcher.client.opts.FetchPace - time.Since(began); bytes < littleBytes && rest > 0 {
			_ = sleep(ctx, rest) // the end of ctx is seen above
		}
	}
}

func (l *loop) stop() {
	l.mu.Lock()
	l.ended = true
	feeds := l.feeds
	l.feeds = nil
	l.mu.Unlock()
	for _, f := range feeds {
		f.end(nil)
	}
	l.conns.close()
}

// choose puts the feeds to ask for into l.chosen and says how long the broker may wait for data. Closed feeds end here.
func (l *loop) choose() time.Duration {
	l.mu.Lock()
	var over []*Feed
	l.feeds = slices.DeleteFunc(l.feeds, func(f *Feed) bool {
		if f.closed.Load() {
			over = append(over, f)
			return true
		}
		return false
	})
	wait := l.fetcher.client.opts.FetchWait
	l.chosen = l.chosen[:0]
	for _, f := range l.feeds {
		ready := f.ready()
		switch {
		case ready:
			l.chosen = append(l.chosen, f)
		case !f.full:
			f.busy.Add(1)
		}
		f.full = !ready
	}
	if len(l.chosen) < len(l.feeds) || l.fresh {
		wait, l.fresh = min(wait, busyWait), false
	}
	for len(l.suspects) > 0 {
		f := l.suspects[0]
		l.suspects = l.suspects[1:]
		if slices.Contains(l.chosen, f) {
			l.chosen = append(l.chosen[:0], f)
			wait = min(wait, busyWait)
			break
		}
	}
	l.mu.Unlock()
	for _, f := range over {
		f.end(nil)
	}
	return wait
}

func (l *loop) fetch(wait time.Duration) (*sarama.FetchResponse, error) {
	b, err := l.conns.to(l.addr)
	if err != nil {
		return nil, err
	}
	response, err := b.Fetch(fetchRequest(wait, l.chosen))
	if err != nil {
		if up, _ := b.Connected(); !up || broken(err) {
			l.conns.drop(b)
			return nil, brokenError{err}
		}
	}
	return response, err
}

// brokenError marks an error of the connection, not of what came over it.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

func fetchRequest(wait time.Duration, feeds []*Feed) *sarama.FetchRequest {
	r := &sarama.FetchRequest{
		Version: 12, MinBytes: 1, MaxWaitTime: int32(wait.Milliseconds()), MaxBytes: responseBytesMax,
		Isolation: sarama.ReadCommitted, SessionEpoch: -1, // no fetch session
	}
	for _, f := range feeds {
		r.AddBlock(f.Topic, int32(f.Partition), int64(f.next), f.maxBytes, f.epoch)
	}
	return r
}

// failed sorts a fetch that brought nothing. A broken connection sends all feeds to the router. A response that cannot be decoded is one
// partition's fault, but sarama does not say whose.
func (l *loop) failed(err error) {
	if broken := (brokenError{}); !errors.As(err, &broken) {
		if len(l.chosen) > 1 {
			l.suspects = slices.Clone(l.chosen)
			return
		}
		l.leave(l.chosen, err)
		return
	}
	l.mu.Lock()
	all := slices.Clone(l.feeds)
	l.mu.Unlock()
	l.leave(all, err)
}

// leave sends feeds to the router because of err.
func (l *loop) leave(feeds []*Feed, err error) {
	l.remove(feeds...)
	for _, f := range feeds {
		f.inTrouble(meaning(err))
		l.fetcher.rehome(f, backoff(f.failures))
	}
}

func (l *loop) remove(feeds ...*Feed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.feeds = slices.DeleteFunc(l.feeds, func(f *Feed) bool { return slices.Contains(feeds, f) })
}

// distribute gives each feed its part of a response and returns how many bytes there were.
func (l *loop) distribute(r *sarama.FetchResponse) int {
	if code := sarama.KError(r.ErrorCode); code != sarama.ErrNoError {
		l.leave(slices.Clone(l.chosen), code)
		return 0
	}
	total := 0
	for _, f := range l.chosen {
		block := r.GetBlock(f.Topic, int32(f.Partition))
		switch {
		case block == nil:
			l.leave([]*Feed{f}, sarama.ErrIncompleteResponse)
		case block.Err == sarama.ErrOffsetOutOfRange:
			l.remove(f)
			l.fetcher.group.Go(func() { l.fetcher.outOfRange(f) })
		case block.Err != sarama.ErrNoError:
			l.leave([]*Feed{f}, block.Err)
		default:
			total += l.take(f, block, total)
		}
	}
	return total
}

// take hands a feed its records.
func (l *loop) take(f *Feed, block *sarama.FetchResponseBlock, before int) int {
	f.high.Store(block.HighWaterMarkOffset)
	f.stable.Store(block.LastStableOffset)
	f.earliest.Store(block.LogStartOffset)
	b := l.fetcher.batch()
	b.Topic, b.Partition, b.Next = f.Topic, f.Partition, f.next
	if err := fill(b, block); err != nil {
		l.remove(f)
		f.end(&UnsupportedError{f.Topic, f.Partition, f.next, err.Error()})
		return 0
	}
	f.wellAgain()
	if b.Next == f.next {
		l.fetcher.reuse(b)
		// There is data, there was room, and yet nothing came: a record batch above maxBytes. Brokers send such a one only for the first
		// partition of a request.
		if event.Offset(block.LastStableOffset) > f.next && before < responseBytesMax/2 {
			f.maxBytes = min(2*f.maxBytes, responseBytesMax)
		}
		return 0
	}
	f.maxBytes = int32(l.fetcher.client.opts.FetchBytes)
	bytes := b.Bytes
	f.deliver(b)
	return bytes
}

// outOfRange ends a feed whose offset is not in the log.
func (f *Fetcher) outOfRange(feed *Feed) {
	ctx, cancel := context.WithTimeout(f.ctx, f.client.opts.RequestTimeout)
	defer cancel()
	e := &OutOfRangeError{feed.Topic, feed.Partition, feed.next, -1, -1}
	if at, err := f.client.Earliest(ctx, feed.TopicPartition); err == nil {
		e.Earliest = at
	}
	if at, err := f.client.HighWatermark(ctx, feed.TopicPartition); err == nil {
		e.Latest = at
	}
	feed.end(e)
}
