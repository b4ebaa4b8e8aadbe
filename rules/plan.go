package rules

import (
	"time"

	"insolite/context/baseline"
	"insolite/context/window"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// Plan is what a task of one topic computes.
type Plan struct {
	Topic     string
	Stage     *Stage        // nil: the topic has records of sources
	Sources   []*SourcePlan // every declared source of the topic, in the order of Set.Sources; those without rules only move the watermark. Of a stage: those that it is sent
	Keyspaces []*Keyspace   // by name
	Routes    []*Route      // what is sent on, by topic
	Lateness  time.Duration // the largest of the topic's sources; of a stage 0: what is late has been left out before
}

// Column is one value of rows that travel: a declared field, or what is carried of a feature under a name that no field has.
type Column struct {
	Name string
	Kind event.Kind
	Slot event.Slot
}

// Stage is what a repartition topic is for: its tasks see events by a key that is not that of their records. Its records are frames of rows.
type Stage struct {
	Hop       int      // 1 and up: how many topics its events came through. A stage is sent what comes from lower hops only
	Fields    []string // by which its rows are partitioned, sorted
	Upstreams []string // the topics whose tasks send to it, sorted
}

// Route is what a task sends to one stage.
type Route struct {
	Topic   string // of the stage
	Sources []*RouteSource
}

// RouteSource is what a task sends of the events of one source: a row of an event that is in time and for which one of Wheres holds, or cannot
// be told.
type RouteSource struct {
	Source  *event.Source
	Key     []event.Slot // the slots of Stage.Fields; an event without one of them is not sent, unless the stage is Passed
	Slots   []event.Slot // what the row has: the declared fields that are needed, ascending, then what is carried
	Columns []Column     // the names and kinds of Slots
	Reads   []*Read      // of those that are carried: features that are read here
	Wheres  []*expr.Expr // distinct, of what the stage has; empty: every event
	Raised  bool         // the events are the alerts that the task's own live rules raise
	Passed  bool         // some rule only passes through the stage, and goes on without its features
}

// SourcePlan is what becomes of the events of one source.
type SourcePlan struct {
	Source  *event.Source
	Width   int       // slots of a row: the declared fields, then the results of features
	Needed  []bool    // by declared field: read by an enabled rule, or part of a key, the time or the id. Required fields must be decoded all the same
	Streams []*Stream // one for each keyspace that the source feeds, in the order of Plan.Keyspaces
	Rules   []*Rule   // the enabled rules of the source over all keyspaces, and those of other sources with a sequence that its events are part of, in the order of Set.Rules: the order of alerts
	Carried []Column  // of a stage: what comes with its rows of features of other keys

	carried []*Read // of Carried
}

// Keyspace is a set of keys of one kind, each with a context: the events of one or several sources, grouped by fields of the same names.
type Keyspace struct {
	Index     int           // in Plan.Keyspaces
	Name      string        // the names of Fields, joined by commas
	Fields    []string      // sorted: the order of the key's parts
	Streams   []*Stream     // its sources, in the order of Set.Sources
	Cells     []*Cell       // over all streams; indexes of cells are places in it
	Reads     []*Read       // over all streams
	Rules     []*Rule       // enabled, in the order of Set.Rules
	Retention time.Duration // after an event's time, how long its key's context may still be read, by cells, suppressions, ids; -1: forever
}

// Stream is one source in one keyspace.
type Stream struct {
	Source         *event.Source
	Keyspace       *Keyspace
	Key            []event.Slot // the slots of Keyspace.Fields in this source
	Wheres         []*expr.Expr // distinct conditions over the declared fields, of rules and features: to be evaluated once an event
	Cells          []int        // in Keyspace.Cells: what this source's events are absorbed by
	Before         []*Read      // read before the event is absorbed: exclude_current and time_since
	After          []*Read      // read after it is absorbed; features of other sources are among them
	Lent           []int        // of Cells: those that features of rules of other sources read
	Passing        []int        // in Wheres: those of rules that read features here, and are evaluated elsewhere, and of what ends their waits; -1: every event
	Cancels        []Cancel     // of rules of any source: what this source's events end
	Rules          []*Rule      // enabled, in the order of Set.Rules
	Evidence       []Evidence   // rings of contributing events
	DedupeIdentity uint64       // stable identity of the memory of ids; Source.Dedupe says whether there is one
}

// Cell is one piece of state of a key. All Reads that can be answered from it share it.
type Cell struct {
	ID       FeatureID
	Spec     window.Spec    // Spec.Identity is the beginning of ID
	Baseline *baseline.Spec // nil: Spec says what is kept; else Spec has the identity only
	Fields   []event.Slot   // the value fields, one for each of Spec.Kinds; an event without any of them is no sample
	Wheres   []int          // in Stream.Wheres, all must be true for an event to be absorbed
	Stream   *Stream
}

// Evidence is a ring of the positions of the last events that rules saw.
type Evidence struct {
	Identity uint64        // stable
	Where    int           // in Stream.Wheres; -1: every event
	Max      int           // 1 to EvidenceMax
	Within   time.Duration // how long before an alert some rule still wants them; 0: any time
}
