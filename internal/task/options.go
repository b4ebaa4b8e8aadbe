package task

import (
	"log/slog"
	"time"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

// Options configure a Task.
type Options struct {
	App       string
	Topic     string
	Partition event.Partition

	Log      Log
	Producer Producer
	Group    Group
	Bundles  Bundles
	Store    checkpoint.Store

	AlertsTopic      string
	ShadowTopic      string
	DeadLettersTopic string
	JournalTopic     string

	Memory             func() int64  // bytes that contexts may take in memory; those beyond are kept in the store only. nil: no limit
	CommitInterval     time.Duration // between commits while there is output
	CheckpointInterval time.Duration // between sweeps
	Rebuild            bool          // a lost store is rebuilt from the log, outside the promise of exactly-once; else it is refused
	AcceptEngine       bool          // replay with another engine version than the one that has run before; results may differ
	Start              Start         // where the first start ever begins. The first start of a stage is from the earliest record, whatever it says
	Breaker            int           // records that the breaker of dead letters looks at; 0: none
	Eager              bool          // rows for stages are sent after each batch, not with each commit: for delivery at least once
	Turn               chan struct{} // of capacity 1, of all tasks of the process: whoever steps what may end the process has it. nil: there are no other tasks
	Pace               Pace          // nil: the task is never too far ahead

	Now      func() time.Time
	Engine   uint32 // version of the engine; see engine.Version
	Logger   *slog.Logger
	Observer Observer // nil: nobody watches
}

// Pace says how long a task whose time has come to a watermark waits at most before it reads on, because it is too far ahead of others;
// 0: it goes on at once. It is asked before each read of a task that sends to stages, and returns at once. Results do not depend on it:
// it bounds what stages keep while they wait for the slowest. Commits, sweeps and stops go on in the meantime.
type Pace func(watermark event.Time) time.Duration

// Start says where a task begins that has never run.
type Start struct {
	From   From
	At     event.Time    // FromTime
	WarmUp time.Duration // contexts are built from so much before, without output
}

// From is a place in the log.
type From uint8

// The places.
const (
	FromLatest From = iota
	FromEarliest
	FromTime
)

// idleCommit is between commits while there is no output: nobody waits for them, but a restart replays what was not committed.
const idleCommit = time.Second

// Bounds of what a transaction gathers before it is committed early: memory, and how long a reader waits.
const (
	outputBytesMax  = 8 << 20
	outputAlertsMax = 20_000
)
