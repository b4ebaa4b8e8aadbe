package bench

import (
	"math"
	"slices"
	"strings"
	"time"
)

// The windows of the workers that the service is compared with. They mean the same as the service's (docs/rules/semantics.md): 61 panes,
// counted whole. The fold of all panes but the event's own is kept until another pane is asked for, so that most events cost no fold.

const (
	windowPanes = 61
	keptPanes   = windowPanes + 1 // an event that is not late lies in the newest pane or the one before
	seenMax     = 16              // samples that `last` remembers
)

type pane[T any] struct {
	id    int64
	value T
}

// panes are the panes of one window and key that are not empty, old to new, and the one that was asked for last.
type panes[T any] struct {
	list []pane[T]
	at   int64
	from int // the first pane of the window that ends with current
	last int // the current pane
}

// seek makes the pane with that number current and reports whether it was another one before.
func (p *panes[T]) seek(id int64) bool {
	if p.at == id {
		return false
	}
	i := len(p.list)
	for i > 0 && p.list[i-1].id > id {
		i--
	}
	if i == 0 || p.list[i-1].id != id {
		p.list = slices.Insert(p.list, i, pane[T]{id: id})
		i++
	}
	gone := 0
	for p.list[gone].id <= p.list[len(p.list)-1].id-keptPanes {
		gone++
	}
	p.list = slices.Delete(p.list, 0, gone)
	p.at, p.last, p.from = id, i-1-gone, 0
	for p.list[p.from].id <= id-windowPanes {
		p.from++
	}
	return true
}

func (p *panes[T]) current() *T       { return &p.list[p.last].value }
func (p *panes[T]) before() []pane[T] { return p.list[p.from:p.last] }

// figures are a count, a sum, and a spread by Welford's method.
type figures struct {
	n             int64
	sum, mean, m2 float64
}

func (f *figures) add(x float64) {
	f.n++
	f.sum += x
	d := x - f.mean
	f.mean += d / float64(f.n)
	f.m2 += float64(d * (x - f.mean))
}

func (f *figures) merge(b *figures) {
	if b.n == 0 {
		return
	}
	if f.n == 0 {
		*f = *b
		return
	}
	na, nb := float64(f.n), float64(b.n)
	n, d := na+nb, b.mean-f.mean
	f.n += b.n
	f.sum += b.sum
	f.mean += float64(d * (nb / n))
	f.m2 = f.m2 + b.m2 + float64(float64(d*d)*float64(na*nb/n))
}

func (f *figures) stddev() float64 { return math.Sqrt(f.m2 / float64(f.n-1)) }

// numbers is a window of figures.
type numbers struct {
	panes[figures]
	older figures // of the panes before the current one
}

func (w *numbers) seek(id int64) {
	if !w.panes.seek(id) {
		return
	}
	w.older = figures{}
	for i := range w.before() {
		w.older.merge(&w.before()[i].value)
	}
}

func (w *numbers) total() figures {
	f := w.older
	f.merge(w.current())
	return f
}

// set is a set of texts: a list while it is small.
type set struct {
	few  []string
	many map[string]struct{}
}

func (s *set) has(text string) bool {
	if s.many != nil {
		_, ok := s.many[text]
		return ok
	}
	return slices.Contains(s.few, text)
}

func (s *set) add(text string) {
	if s.many == nil && len(s.few) < 32 {
		s.few = append(s.few, text)
		return
	}
	if s.many == nil {
		s.many = make(map[string]struct{}, 64)
		for _, t := range s.few {
			s.many[t] = struct{}{}
		}
	}
	s.many[text] = struct{}{}
}

func (s *set) len() int { return max(len(s.few), len(s.many)) }

// texts is a window of different texts.
type texts struct {
	panes[[]string]
	older set // of the panes before the current one
	fresh int // texts of the current pane that are not in older
}

func (w *texts) seek(id int64) {
	if !w.panes.seek(id) {
		return
	}
	w.older.few, w.older.many, w.fresh = w.older.few[:0], nil, 0
	for i := range w.before() {
		for _, t := range w.before()[i].value {
			if !w.older.has(t) {
				w.older.add(t)
			}
		}
	}
	for _, t := range *w.current() {
		if !w.older.has(t) {
			w.fresh++
		}
	}
}

func (w *texts) add(text string) {
	if slices.Contains(*w.current(), text) {
		return
	}
	*w.current() = append(*w.current(), strings.Clone(text))
	if !w.older.has(text) {
		w.fresh++
	}
}

func (w *texts) count() int { return w.older.len() + w.fresh }

// seen is a sample of `last`.
type seen struct {
	at      int64
	country string
}

// customer is what is remembered of one.
type customer struct {
	hour, day, month numbers
	terminals        texts
	seen             []seen // by time
	emitted          [10]int64
}

// features are what the rules read.
type features struct {
	n             int64
	total         float64
	usual, spread float64 // +Inf: not known
	terminals     int
	previous      string // empty: not known
}

// Steps of the panes, in ms.
var (
	hourStep  = (time.Hour / 60).Milliseconds()
	dayStep   = (24 * time.Hour / 60).Milliseconds()
	monthStep = (30 * 24 * time.Hour / 60).Milliseconds()
)

// absorb takes a payment into the context and returns the features as the rules see them. at is in ms.
func (c *customer) absorb(at int64, amount float64, terminal, country string) features {
	c.hour.seek(at / hourStep)
	c.day.seek(at / dayStep)
	c.month.seek(at / monthStep)
	c.terminals.seek(at / dayStep)
	f := features{usual: math.Inf(1), spread: math.Inf(1), previous: c.last(at)}
	if before := c.month.total(); before.n >= 10 {
		f.usual, f.spread = before.sum/float64(before.n), before.stddev()
	}
	c.hour.current().add(amount)
	c.day.current().add(amount)
	c.month.current().add(amount)
	c.terminals.add(terminal)
	c.remember(at, country)
	f.n, f.total, f.terminals = c.hour.total().n, c.day.total().sum, c.terminals.count()
	return f
}

// last returns the country of the latest sample of the day's window that is not after at.
func (c *customer) last(at int64) string {
	for i := len(c.seen) - 1; i >= 0; i-- {
		if s := &c.seen[i]; s.at <= at {
			if s.at/dayStep <= at/dayStep-windowPanes {
				return ""
			}
			return s.country
		}
	}
	return ""
}

func (c *customer) remember(at int64, country string) {
	i := len(c.seen)
	for i > 0 && c.seen[i-1].at > at {
		i--
	}
	if len(c.seen) < seenMax {
		c.seen = slices.Insert(c.seen, i, seen{at, strings.Clone(country)})
		return
	}
	if i == 0 {
		return // older than all that are kept
	}
	copy(c.seen, c.seen[1:i])
	c.seen[i-1] = seen{at, strings.Clone(country)}
}

// quiet reports whether a rule is held back, and if not notes that it alerts.
func (c *customer) quiet(rule int, at int64, cool time.Duration) bool {
	if cool == 0 {
		return false
	}
	if last := c.emitted[rule]; last != 0 && at < last+cool.Milliseconds() {
		return true
	}
	c.emitted[rule] = max(c.emitted[rule], at)
	return false
}

// partition is the state of one partition.
type partition struct {
	customers map[string]*customer
	watermark int64 // ms
}

func (p *partition) customer(id string) *customer {
	c := p.customers[id]
	if c == nil {
		c = &customer{}
		p.customers[strings.Clone(id)] = c
	}
	return c
}
