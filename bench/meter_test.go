package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// result is what a contender prints when it has come to the end.
type result struct {
	Events         int64   `json:"events"` // that were measured
	CPUPerEvent    float64 `json:"cpu_ns_per_event"`
	SystemShare    float64 `json:"system_share"` // of the CPU time: in the kernel
	AllocsPerEvent float64 `json:"allocs_per_event"`
	TimePerEvent   float64 `json:"time_ns_per_event"`
	MemoryBytes    int64   `json:"memory_bytes"` // the most that was resident
}

// warmShare is the part of the events before which nothing is measured.
const warmShare = 0.2

// meter measures what the process costs between the warm-up mark and the last event.
type meter struct {
	events int64
	mark   int64
	done   atomic.Int64
	warm   sync.Once
	from   sample
	last   chan struct{} // closed at the last event
}

// sample is what the process had cost when so many events were done.
type sample struct {
	events  int64
	at      time.Time
	cpu     time.Duration
	system  time.Duration // of cpu
	mallocs uint64
}

func newMeter(events int64) *meter {
	return &meter{events: events, mark: int64(warmShare * float64(events)), last: make(chan struct{})}
}

// add tells that n more events are done.
func (m *meter) add(n int64) {
	done := m.done.Add(n)
	if done >= m.mark && done-n < m.mark {
		m.warm.Do(func() { m.from = take(done) })
	}
	if done >= m.events && done-n < m.events {
		close(m.last)
	}
}

// result is called once, when all is done.
func (m *meter) result() result { return m.from.until(take(m.events)) }

// until returns what was between two samples.
func (s sample) until(end sample) result {
	n := max(1, end.events-s.events) // of few events all may have been done before anybody looked
	return result{
		Events: n, MemoryBytes: resident(),
		SystemShare:    float64(end.system-s.system) / float64(max(1, end.cpu-s.cpu)),
		TimePerEvent:   float64(end.at.Sub(s.at).Nanoseconds()) / float64(n),
		CPUPerEvent:    float64((end.cpu - s.cpu).Nanoseconds()) / float64(n),
		AllocsPerEvent: float64(end.mallocs-s.mallocs) / float64(n),
	}
}

func take(events int64) sample {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	cpu, system := cpuTime(syscall.RUSAGE_SELF)
	return sample{events, time.Now(), cpu, system, m.Mallocs}
}

// resident returns the most memory that was resident; 0: the system does not tell. getrusage would tell that of the parent.
func resident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	kB, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	n, _ := strconv.ParseInt(kB, 10, 64) // 0 when it is something else
	return n << 10
}

// cpuTime returns what the process or thread has had of processors, and how much of that in the kernel.
func cpuTime(who int) (cpu, system time.Duration) {
	var r syscall.Rusage
	if err := syscall.Getrusage(who, &r); err != nil {
		panic(fmt.Sprintf("getrusage: %v", err)) // it takes these arguments
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), time.Duration(r.Stime.Nano())
}
