// Package window holds what is remembered of one feature of one key: windows over event time and the aggregates that fill them.
//
// A [Cell] is the code of one feature's state; the state itself is bytes that the caller keeps: a head of fixed size and a tail that
// grows. The zero head with an empty tail is the empty state. [Cell.Add] either absorbs a sample or, when the tail has no room for it,
// first forgets what no event that is not late can read any more (the watermark is the horizon) and then says how many bytes it needs;
// the caller makes room and calls again. Nothing here holds a pointer into the state, so that copying the bytes copies the state: that
// is all there is to checkpoints, eviction and loading.
//
// # Forms
//
// The window of a spec picks the form of its tail:
//
//   - panes ([Sliding], [Calendar], [Forever]): the panes that have a sample, sorted, each with its aggregate
//   - groups (percentile without rows): for each pane or session the bins in use, and for a sliding window those of the whole window, to which a
//     sample is added and from which a pane that leaves is taken, so that a read looks at one list
//   - rows ([Exact], [Events], distinct_count and percentile with exact): single samples, by (time, log order) or by log order
//   - sessions ([Session]): the sessions that may still grow, with start, end and aggregate
//   - recent (first, last, delta, time_since in any window): the last 16 samples with their values
//
// Only panes that have a sample take memory. A dense ring of 61 panes would cost every key the same, and a log of single events beside
// it, promoted when it overflows, would be a second representation whose results have to agree with the first. A sorted run of the
// panes in use is the log for a sparse key (one pane an event) and the ring for a dense one, and there is nothing to promote.
//
// The place of a sliding window's pane shares a word with its number of samples, so that a pane costs what its aggregate costs.
//
// A sliding window of distinct_count is kept by value while a key has few: each value with the panes it came in, so that a read counts values.
// It is the one state with two representations, because merging sets of 61 panes costs more than all else of an event; a test holds one against
// the other.
//
// The head of a sliding window keeps the fold of all panes but the newest. A window's value is that fold merged with the newest pane,
// which is bit for bit the fold from old to new, because that is a left fold. It is folded anew when the first pane leaves the window
// or an earlier pane changes.
//
// # Aggregates
//
// Each [Family] is one file and serves one or several [Agg]s: count; sum and avg; stddev; min and max; distinct_count; percentile; and first, last,
// delta, time_since. Products of floats are converted explicitly, which keeps compilers from fusing them into sums, so the same log
// gives the same bits on every machine.
//
// # Concurrency
//
// A Cell remembers the last bucket it looked up and has scratch space: it belongs to one goroutine. Windows, specs and aggs are values.
package window
