package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"insolite/context/checkpoint"
	"insolite/context/store"
	"insolite/ingest/frame"
	"insolite/internal/bundle"
	"insolite/internal/crash"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/journal"
)

// Task is the owner of one partition. Use New.
type Task struct {
	o      Options
	id     checkpoint.TaskID
	name   string
	source []byte // as its alerts name it: the application
	log    *slog.Logger

	pauseAfter int                // timers that are due at once after which a commit may come
	shareMin   int                // contexts that a sweep writes after one commit, at least
	writer     uint64             // of notes
	frameBytes int                // see engine.Options; in tests only: else 0
	killer     func(value []byte) // in tests: stands for a record that ends the process; else nil

	// Of the present life, from a recovery to whatever ends it.
	store      checkpoint.Task
	feed       Feed
	engine     *engine.Engine
	facts      Facts
	pending    []journal.Entry // not applied yet, by number
	excluded   map[event.Offset]bool
	bundle     event.Offset // in force
	applied    uint64       // number of the last entry applied
	written    uint64       // number of the last entry written
	swept      bool         // a checkpoint has been completed
	unusable   unusable
	committed  event.Position
	firing     bool         // committed lies amid timers that are due
	target     committed    // what the replay leads to
	live       bool         // the replay is over
	begins     event.Offset // where the output does: what lies before is history
	last       last
	lag        lag
	began      time.Time // of this life
	out        engine.Output
	panics     panics
	sent       int // of out.Alerts
	sentDead   int // of out.DeadLetters
	sentFrames int // of out.Frames
	routes     routes
	trimmed    trimmed
	ticked     time.Time // when a tick was decided on last
	cycle      cycle
	sweep      sweep
	layouts    map[uint64]bool // that the store has
	warm       warm
	looks      chan look
	loaded     []byte // of contexts, for the engine
	note       note
	breaker    breaker         // outlives lives
	asked      context.Context // its end asks to stop
	lifetime   context.Context // ends stopGrace after the one that asks to stop, which must not break off a step or a commit

	mu     sync.Mutex
	status Status
	wake   context.CancelFunc // ends a wait for records; nil: there was none yet
}

// cycle is what belongs to the time between two commits.
type cycle struct {
	last   time.Time // of the commit before
	output bool      // something was sent, or is to be
}

// last is the last record stepped, for the check that the log is still the same.
type last struct {
	offset      event.Offset // -1: none
	fingerprint uint64
	timestamp   event.Time // NoTime: not known
}

// New returns a task. Run makes it live.
func New(o Options) *Task {
	t := &Task{o: o, id: checkpoint.TaskID{App: o.App, Topic: o.Topic, Partition: o.Partition}, shareMin: sweepContextsMin, pauseAfter: pauseAfter, looks: make(chan look, 1),
		writer: rand.Uint64() | 1, killer: crash.Killer(), breaker: breaker{window: o.Breaker}}
	t.name, t.source = t.id.String(), []byte("/"+o.App)
	t.log = o.Logger.With("topic", o.Topic, "partition", int(o.Partition))
	t.status = Status{Topic: o.Topic, Partition: o.Partition, Phase: Recovering, End: -1, Oldest: event.NoTime, Watermark: event.NoTime}
	return t
}

// Backoff between recoveries: doubled after each that did not get to work, with jitter so that tasks do not come in step.
const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 10 * time.Second
)

// Run recovers and works until the context ends, and then stops in order: it commits what it has done and sweeps for a moment. It returns
// nil then, within seven seconds whatever does not answer; ErrLost when the partition is no longer ours; or a [*Refusal]. Whatever else goes
// wrong, it recovers.
func (t *Task) Run(ctx context.Context) error {
	wait := backoffMin
	var err error // of the life before
	for {
		t.began = t.o.Now()
		t.update(func(s *Status) { s.Phase, s.Err, s.Progress, s.Warmth = Recovering, err, t.began, Cold })
		t.did(Work{Kind: Began, Err: err})
		err = t.refusal(t.life(ctx))
		var refusal *Refusal
		switch {
		case errors.As(err, &refusal):
			t.update(func(s *Status) { s.Phase, s.Err = Refused, err })
			return err
		case ctx.Err() != nil:
			if err != nil && t.Status().Phase == Live {
				t.log.Warn("not stopped in order: what was not committed is stepped again by whoever comes next", "error", err)
			}
			t.update(func(s *Status) { s.Phase = Stopped })
			return nil
		case errors.Is(err, ErrLost):
			return err
		}
		if t.o.Now().Sub(t.began) > backoffMax {
			wait = backoffMin
		}
		pause := wait/2 + rand.N(wait/2)
		t.log.Warn("recover", "error", err, "after", pause.Round(time.Millisecond).String())
		t.update(func(s *Status) { s.Phase, s.Err, s.Recoveries, s.Progress = Recovering, err, s.Recoveries+1, t.o.Now() })
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		wait = min(2*wait, backoffMax)
	}
}

// life is one recovery and the work after it. Everything in memory is of this life only.
func (t *Task) life(ctx context.Context) (err error) {
	lifetime, die := context.WithCancel(context.WithoutCancel(ctx))
	defer die()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, die) })()
	t.asked, t.lifetime, t.last = ctx, lifetime, last{offset: -1, timestamp: event.NoTime}
	defer func() {
		if t.feed != nil {
			t.feed.Close()
		}
		t.left()
		t.forget()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
		defer cancel()
		if e := t.o.Producer.Close(closing); e != nil && err != nil {
			t.log.Debug("close the producer", "error", e)
		}
	}()
	if err := t.recover(ctx); err != nil && !errors.Is(err, errAsked) { // then it is live already, and stops in order
		return err
	}
	return t.work(ctx)
}

// forget ends what belongs to a life.
func (t *Task) forget() {
	t.store, t.feed, t.engine, t.pending, t.excluded, t.layouts = nil, nil, nil, nil, nil, nil
	t.out.Reset()
	t.sent, t.sentDead, t.sentFrames, t.live, t.cycle, t.sweep, t.routes, t.trimmed = 0, 0, 0, false, cycle{}, sweep{}, routes{}, trimmed{}
	t.tellCare(note{})
}

// closeGrace bounds how long the end of a life may take to abort its transaction; the next life's Init does it otherwise.
const closeGrace = 2 * time.Second

// Phase is what a task is at.
type Phase uint8

// The phases.
const (
	Recovering Phase = iota
	Replaying
	Live
	Stopped
	Refused
)

var phaseNames = [...]string{"recovering", "replaying", "live", "stopped", "refused"}

// String returns the phase's name.
func (p Phase) String() string { return phaseNames[p] }

// Status is how a task stands.
type Status struct {
	Topic      string
	Partition  event.Partition
	Phase      Phase
	Err        error // the last one; nil: none in this life
	Recoveries int
	Position   event.Position // stepped
	Committed  event.Position
	End        event.Offset   // of the log
	Swept      event.Position // of the checkpoint: where a recovery would begin
	Oldest     event.Time     // timestamp of the oldest record that is not committed, or an earlier time; NoTime: none
	Watermark  event.Time
	Bundle     event.Offset
	Journal    uint64 // number of the last entry applied
	Contexts   int
	Bytes      int64 // of contexts in memory
	Broken     error // why the task waits before it reads on: most of what it read last can't be decoded; nil: it does not
	Warmth     Warmth
	Careful    event.Offset // up to where records are stepped a few at a time, because the process has died there; 0: none are
	Checkpoint time.Time    // when the last sweep was completed; zero: none in this life
	Progress   time.Time    // when the task last moved, found that it is at the end, or began to recover
}

// Status returns how the task stands. It may be called from any goroutine.
func (t *Task) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

func (t *Task) update(change func(s *Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.status)
}

// Refusal is why a task does not go on: it could give a wrong alert. A person has to decide.
type Refusal struct {
	Task   string
	Reason string // what is wrong
	Cure   string // how to go on
}

// Error returns place, cause and cure.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s refuses to go on: %s; %s", r.Task, r.Reason, r.Cure)
}

// refusal turns what no recovery heals into a refusal.
func (t *Task) refusal(err error) error {
	var torn *checkpoint.TornError
	switch {
	case errors.As(err, &torn):
		return t.refuse("check the disk, then restore the store from a copy; "+rebuild, "the checkpoint is damaged: %v in %s", torn.Err, torn.What)
	case errors.Is(err, engine.ErrAhead):
		return t.refuse("restore the store that belongs to this consumer group; "+rebuild, "the checkpoint is not of this log: %v", err)
	case errors.Is(err, frame.ErrMalformed):
		return t.refuse("keep other programs away from the topic, and "+anew, "a record of this stage was not written by its tasks: %v", err)
	case errors.Is(err, checkpoint.ErrNewer), errors.Is(err, store.ErrNewer), errors.Is(err, journal.ErrNewer), errors.Is(err, frame.ErrNewer), errors.Is(err, bundle.ErrNewer):
		return t.refuse("run the newer version", "%v", err)
	}
	return err
}

func (t *Task) refuse(cure, format string, args ...any) error {
	return &Refusal{Task: t.name, Reason: fmt.Sprintf(format, args...), Cure: cure}
}
