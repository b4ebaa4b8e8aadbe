// Package crash lets a test end the process at a chosen place of the code, as a power cut would.
//
// The code names a place with one line:
//
//	crash.At(crash.AlertsSent)
//
// In an ordinary build At is an empty function: nothing of this package is in the program. Built with the tag `crash`, the program reads
// INSOLITE_CRASH, and kills itself with SIGKILL when the place named there is passed for the n-th time, over all goroutines:
//
//	INSOLITE_CRASH=alerts-sent:3 detector run
//
// With INSOLITE_CRASH_RECORD it dies, as often as it is started, of a record whose value has the text that stands there.
//
// The places are data: [Points] lists them in their order, each with its kind, which says what has to happen for it to be passed. A test of
// internal/app walks all of them. A new place is a constant, a row in the list, and the line in the code.
package crash

// Variable is the environment variable that arms a point, as NAME:N.
const Variable = "INSOLITE_CRASH"

// RecordVariable is the environment variable that names a text: the program dies of a record that has it.
const RecordVariable = "INSOLITE_CRASH_RECORD"

// Point is a place in the code, by name.
type Point string

// The points.
const (
	FirstDecided   Point = "first-decided"
	FirstSent      Point = "first-sent"
	FirstCommitted Point = "first-committed"

	OwnerConfirmed Point = "owner-confirmed"
	EpochRaised    Point = "epoch-raised"
	ProducerTaken  Point = "producer-taken"
	OffsetRead     Point = "offset-read"
	CheckpointRead Point = "checkpoint-read"
	JournalRead    Point = "journal-read"
	Restored       Point = "restored"
	Replaying      Point = "replaying"
	Live           Point = "live"

	AlertsSent      Point = "alerts-sent"
	BeforeCommit    Point = "before-commit"
	PartitionsAdded Point = "partitions-added"
	RecordsWritten  Point = "records-written"
	OffsetsSent     Point = "offsets-sent"
	Committed       Point = "committed"
	SweepBegun      Point = "sweep-begun"
	ChunkWritten    Point = "chunk-written"
	BeforeFlip      Point = "before-flip"
	MetaWritten     Point = "meta-written"
	Flipped         Point = "flipped"
	BeforeEviction  Point = "before-eviction"
	Evicted         Point = "evicted"

	BeforeJournal  Point = "before-journal"
	JournalSent    Point = "journal-sent"
	EntryCommitted Point = "entry-committed"
	Activated      Point = "activated"

	StopBegun     Point = "stop-begun"
	StopCommitted Point = "stop-committed"
	StopSwept     Point = "stop-swept"
)

// Kind is what has to happen for a point to be passed.
type Kind string

// The kinds.
const (
	FirstStart Kind = "first start" // a task that has never run: once a task
	Recovery   Kind = "recovery"    // a start, or any doubt: once a task and life, but Replaying, which is once a batch
	Cycle      Kind = "cycle"       // events come: again and again
	Rules      Kind = "rules"       // new rules are published: once a task
	Stop       Kind = "stop"        // the program is asked to end: once a task
)

// Place is a row of the list of points.
type Place struct {
	Point Point
	Kind  Kind
	Where string
}

// Points returns every point, in the order of a task's life.
func Points() []Place {
	return []Place{
		{FirstDecided, FirstStart, "where to begin is decided, nothing is written"},
		{FirstSent, FirstStart, "the first journal entry is handed to the producer, not committed"},
		{FirstCommitted, FirstStart, "the first offset and entry are committed"},

		{OwnerConfirmed, Recovery, "step 0 is done: the partition is still ours"},
		{EpochRaised, Recovery, "step 1 is done: the store has a new owner"},
		{ProducerTaken, Recovery, "step 2 is done: the predecessor's transaction has ended"},
		{OffsetRead, Recovery, "step 3 is done: X is known"},
		{CheckpointRead, Recovery, "the first half of step 4 is done: Y is known"},
		{JournalRead, Recovery, "the journal is read"},
		{Restored, Recovery, "step 4 is done: the engine stands at Y"},
		{Replaying, Recovery, "in step 5, after a batch"},
		{Live, Recovery, "step 6: the task stands at X"},

		{AlertsSent, Cycle, "alerts are handed to the producer, not committed"},
		{BeforeCommit, Cycle, "a commit begins"},
		{PartitionsAdded, Cycle, "the coordinator knows the partitions of the transaction, nothing is written to them"},
		{RecordsWritten, Cycle, "the alerts are in the log, in an open transaction"},
		{OffsetsSent, Cycle, "the offset is in the transaction, which is not ended"},
		{Committed, Cycle, "the commit has succeeded, nothing is swept"},
		{SweepBegun, Cycle, "what a checkpoint is to hold is noted"},
		{ChunkWritten, Cycle, "a chunk of contexts is in the store, others may follow"},
		{BeforeFlip, Cycle, "all contexts of the checkpoint are written"},
		{MetaWritten, Cycle, "in the store: the meta is written, expired contexts are not forgotten"},
		{Flipped, Cycle, "the checkpoint is complete, the task does not know"},
		{BeforeEviction, Cycle, "contexts to be evicted are written, and still in memory"},
		{Evicted, Cycle, "contexts are out of memory"},

		{BeforeJournal, Rules, "new rules are loaded, nothing is written"},
		{JournalSent, Rules, "the journal entry is handed to the producer, not committed"},
		{EntryCommitted, Rules, "the entry is committed, and not applied"},
		{Activated, Rules, "the new rules are in force, nothing is stepped with them"},

		{StopBegun, Stop, "the task is asked to stop"},
		{StopCommitted, Stop, "the last commit has succeeded"},
		{StopSwept, Stop, "the last checkpoint is written, the member has not left its group"},
	}
}
