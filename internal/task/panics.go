package task

import "time"

// panicPause is between two lines about panics of rules: a rule that panics may do so for every record. The metrics have all of them.
const panicPause = 10 * time.Second

// panics is what is still to be told of panics.
type panics struct {
	until time.Time // nothing is told before
	more  int       // since the last line
}

// tellPanics logs the first panic, and how many there were since the last line.
func (t *Task) tellPanics() {
	all := t.out.Panics
	if len(all) == 0 {
		return
	}
	t.out.Panics = all[:0]
	p, now := &t.panics, t.o.Now()
	if p.more += len(all); now.Before(p.until) {
		return
	}
	first := &all[0]
	t.log.Error("a rule panicked and is off for the record", "rule", ruleName(first.Rule), "offset", first.Offset, "panics", p.more, "error", first.Message)
	*p = panics{until: now.Add(panicPause)}
}
