package oracle

import "slices"

const (
	byMax      = 64 // values of suppress.by that are remembered for a rule and key
	bucketsMax = 8  // calendar buckets in which an alert is remembered
)

// memory is what suppression remembers for one value of by.
type memory struct {
	by      string
	last    int64 // the highest event time of an emitted finding
	any     bool
	buckets []string // in which one was emitted, the latest emitted last
	held    int      // held back since
}

// emit decides whether a finding goes out, and tells how many were held back before it.
func (e *evaluation) emit(rule *Rule, key string, r *row) (held int, ok bool) {
	s := rule.Suppress
	if s == nil {
		return 0, true
	}
	m := e.remember(rule.ID+"\x00"+key, s.By, r)
	here := ""
	if s.Unit != "" {
		here = e.options.zones.bucket(r.at, s.Unit, s.Zone)
	}
	if s.holdsBack(m, r.at, here) {
		m.held++
		return 0, false
	}
	held, m.held = m.held, 0
	if !m.any || r.at > m.last {
		m.last = r.at
	}
	m.any = true
	if s.Unit != "" {
		m.buckets = append(m.buckets, here)
		m.buckets = m.buckets[max(0, len(m.buckets)-bucketsMax):]
	}
	return held, true
}

func (s *Suppress) holdsBack(m *memory, t int64, bucket string) bool {
	if s.Unit != "" {
		return slices.Contains(m.buckets, bucket)
	}
	return m.any && t < m.last+int64(s.For)
}

// remember returns the memory of the event's by values, as the one used last. A missing value is a value of its own.
func (e *evaluation) remember(ruleAndKey string, by []string, r *row) *memory {
	value := ""
	for _, name := range by {
		value += r.value(name).JSON() + "\x00"
	}
	all := e.emitted[ruleAndKey]
	m := &memory{by: value}
	if i := slices.IndexFunc(all, func(m *memory) bool { return m.by == value }); i >= 0 {
		m = all[i]
		all = slices.Delete(all, i, i+1)
	}
	all = append(all, m)
	e.emitted[ruleAndKey] = all[max(0, len(all)-byMax):]
	return m
}
