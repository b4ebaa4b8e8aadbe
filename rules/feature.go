package rules

import (
	"encoding/hex"
	"time"

	"insolite/context/baseline"
	"insolite/context/window"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// FeatureID is the hash of a feature's definition: features that mean the same have the same id, whatever rules name them.
type FeatureID [16]byte

// String returns the id in hex.
func (id FeatureID) String() string { return hex.EncodeToString(id[:]) }

// Feature is a name in a rule's context.
type Feature struct {
	Name     string
	Position diag.Position
	Read     *Read // what it stands for; Read.Results are its slots
}

// Carry is where a row that travels has what is to be told of a feature besides its values.
type Carry struct{ Samples, From, To event.Slot }

// Read is one distinct thing that is computed for each event of a source. Features that mean the same share it.
type Read struct {
	ID             FeatureID
	Source         *event.Source // whose events are its samples: that of the rule, or another one
	By             []string      // the fields of another key than the rule's, sorted; nil: the rule's own
	Agg            window.Agg
	P              window.Percent // of percentile
	Fields         []event.Slot   // the value fields; none: count without field, time_since
	FieldNames     []string       // of Fields
	Several        bool           // written as `fields`: a value each, named by field; else there is one value
	Window         window.Window
	Exact          bool         // distinct_count, percentile: exact, over rows
	ExcludeCurrent bool         // read before the event is absorbed
	MinSamples     int          // below so many samples in the window the feature is unknown; 0: none
	Wheres         []int        // in the Wheres of the source's stream, all must be true for an event to be a sample; empty: every event of the stream
	Results        []event.Slot // slots in the row: one per field of `fields`, in the same order, else one
	Kinds          []event.Kind // of Results
	Carry          Carry        // of a feature with By
	Stream         *Stream      // of the rule's source: for whose events it is read
	Baseline       *Baseline    // nil: an aggregate over a window
	Cell           int          // in Keyspace.Cells: where its state lives
	Index          int          // in Keyspace.Reads

	hop    int          // of the stage that it is read in; 0: in the tasks of the source's topic
	wheres []*expr.Expr // of Wheres, by canonical form
	kinds  []event.Kind // of Fields
}

// Baseline is what a feature says of a value by what is usual of its key. Its members are Results, in the order of Read.FieldNames.
type Baseline struct {
	Spec  baseline.Spec
	Query baseline.Query
}

// baselineMembers are the names of what a baseline says.
var baselineMembers = []string{"value", "expected", "lower", "upper", "score", "p"}

// What names what is computed, as alerts show it.
func (r *Read) What() string {
	if r.Baseline != nil {
		return "baseline"
	}
	return r.Agg.String()
}

// Span is how far back it looks, as alerts show it.
func (r *Read) Span() string {
	if r.Baseline != nil {
		return r.Baseline.text()
	}
	return r.Window.String()
}

// Retention returns how long after its time a sample may still be read; false: for ever.
func (r *Read) Retention() (time.Duration, bool) {
	if r.Baseline != nil {
		return r.Baseline.Spec.History, true
	}
	return r.Window.Retention()
}

// Query is what the read asks of its cell.
func (r *Read) Query() window.Query { return window.Query{Agg: r.Agg, P: r.P} }

// aggText tells what is computed apart.
func (r *Read) aggText() string {
	if r.Agg == window.AggPercentile {
		return r.Agg.String() + " " + r.P.String()
	}
	return r.Agg.String()
}
