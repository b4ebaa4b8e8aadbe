package kafka

import (
	"context"
	"sync"
	"time"

	"insolite/internal/event"
)

// Fetcher reads partitions: one connection and one goroutine per broker, which fetches for all of its partitions at once and hands each
// its batches. A router finds the leaders, again whenever they move or a broker is away. It is for any goroutine.
type Fetcher struct {
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup
	routed chan struct{}

	freeMu sync.Mutex
	free   []*Batch // to be used again: a sync.Pool is emptied by every garbage collection, and these are large

	mu       sync.Mutex
	feeds    map[TopicPartition]*Feed
	loops    map[string]*loop // by address
	homeless []homeless
	stopped  bool
}

// homeless is a feed to be given to the loop of its leader, not before a time.
type homeless struct {
	*Feed
	notBefore time.Time
}

// NewFetcher starts a fetcher without partitions.
func (c *Client) NewFetcher() *Fetcher {
	f := &Fetcher{client: c, routed: make(chan struct{}, 1), feeds: map[TopicPartition]*Feed{}, loops: map[string]*loop{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.group.Go(f.route)
	return f
}

// Add begins to fetch a partition at an offset. An earlier feed of the same partition is closed.
func (f *Fetcher) Add(topic string, partition event.Partition, from event.Offset) *Feed {
	feed := &Feed{
		TopicPartition: TopicPartition{topic, partition}, fetcher: f, out: make(chan *Batch, queuedBatchesMax),
		next: from, maxBytes: int32(f.client.opts.FetchBytes),
	}
	feed.credit.Store(int64(f.client.opts.CreditBytes))
	feed.high.Store(-1)
	feed.stable.Store(-1)
	feed.earliest.Store(-1)
	f.mu.Lock()
	if old := f.feeds[feed.TopicPartition]; old != nil {
		defer old.Close()
	}
	f.feeds[feed.TopicPartition] = feed
	f.mu.Unlock()
	f.rehome(feed, 0)
	return feed
}

// Close ends every feed and waits for the goroutines, at most as long as a request may take.
func (f *Fetcher) Close() {
	f.cancel()
	f.group.Wait()
}

// freeBatchesMax bounds the batches that are kept to be used again: some 400 kB each where fetches are full.
const freeBatchesMax = 32

// batch returns an empty batch.
func (f *Fetcher) batch() *Batch {
	f.freeMu.Lock()
	defer f.freeMu.Unlock()
	n := len(f.free)
	if n == 0 {
		return &Batch{}
	}
	b := f.free[n-1]
	f.free = f.free[:n-1]
	return b
}

// reuse takes a batch back.
func (f *Fetcher) reuse(b *Batch) {
	f.freeMu.Lock()
	defer f.freeMu.Unlock()
	if len(f.free) < freeBatchesMax {
		f.free = append(f.free, b)
	}
}

func (f *Fetcher) forget(feed *Feed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.feeds[feed.TopicPartition] == feed {
		delete(f.feeds, feed.TopicPartition)
	}
}

func (f *Fetcher) wakeRouter() {
	select {
	case f.routed <- struct{}{}:
	default: // it is woken already
	}
}

// rehome gives a feed to the router.
func (f *Fetcher) rehome(feed *Feed, wait time.Duration) {
	feed.holder.Store(nil)
	f.mu.Lock()
	stopped := f.stopped
	if !stopped {
		f.homeless = append(f.homeless, homeless{feed, time.Now().Add(wait)})
	}
	f.mu.Unlock()
	if stopped {
		feed.end(nil)
		return
	}
	f.wakeRouter()
}

// route places homeless feeds until the fetcher is closed.
func (f *Fetcher) route() {
	for {
		wait := f.place()
		timer := time.NewTimer(wait)
		select {
		case <-f.routed:
		case <-timer.C:
		case <-f.ctx.Done():
			timer.Stop()
			f.mu.Lock()
			f.stopped = true
			left := f.homeless
			f.homeless = nil
			f.mu.Unlock()
			for _, h := range left {
				h.end(nil)
			}
			return
		}
		timer.Stop()
	}
}

// place gives each feed whose time has come to its leader's loop, and returns when the next one's comes.
func (f *Fetcher) place() time.Duration {
	f.mu.Lock()
	feeds := f.homeless
	f.homeless = nil
	f.mu.Unlock()
	wait := time.Hour
	refreshed := map[string]bool{}
	var again []homeless
	for _, h := range feeds {
		if h.closed.Load() {
			h.end(nil)
			continue
		}
		if rest := time.Until(h.notBefore); rest > 0 {
			wait = min(wait, rest)
			again = append(again, h)
			continue
		}
		if h.failures > 0 && !refreshed[h.Topic] {
			refreshed[h.Topic] = true
			_ = f.client.meta.RefreshMetadata(h.Topic) // a failure shows in the next line
		}
		addr, epoch, err := f.client.leader(h.TopicPartition)
		if err != nil {
			h.inTrouble(meaning(err))
			delay := backoff(h.failures)
			wait = min(wait, delay)
			again = append(again, homeless{h.Feed, time.Now().Add(delay)})
			continue
		}
		h.epoch = epoch
		f.loopOf(addr).add(h.Feed)
	}
	f.mu.Lock()
	f.homeless = append(f.homeless, again...)
	f.mu.Unlock()
	return wait
}

// loopOf returns the loop of the broker at addr. Loops stay until the fetcher is closed: there are no more than brokers.
func (f *Fetcher) loopOf(addr string) *loop {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.loops[addr]
	if l == nil {
		conf := *f.client.conf
		conf.Net.ReadTimeout += f.client.opts.FetchWait
		l = &loop{fetcher: f, addr: addr, conns: conns{conf: &conf}, woken: make(chan struct{}, 1)}
		f.loops[addr] = l
		f.group.Go(l.run)
	}
	return l
}
