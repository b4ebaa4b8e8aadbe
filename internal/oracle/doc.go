// Package oracle is the judge of the engine: a brute-force evaluator that is slow, plain and written from the definitions only.
//
// It shares no code with the engine. It keeps every absorbed event of every key in a slice and, for each new event, computes each
// feature anew from that slice. Whatever the engine does to be fast (pane rings, caches, promotion, eviction, snapshots) must give what
// this package gives, to the last bit of a number.
//
// A test takes a [Job] and a log from [Random], hands [Job.ConfigYAML], [Job.RulesYAML] and the log to the engine, and compares its
// alerts with the findings of [Evaluate]. [Minimize] shrinks a pair on which the two differ. [Cells] tells which combinations of
// aggregate, window, exclude_current and order of arrival the findings have exercised, and where features of other keys and sources were read.
//
// A job has a source or two. Rules are by any key, with features of other keys and of the other source; an event comes to the tasks of [Job.Tasks]
// one after the other, each of them before the next event.
//
// [Options] holds mutations of the definitions. They exist to prove that a comparison notices when engine and oracle differ.
//
// Where the rule language leaves room, the oracle reads it so:
//   - min, max and other ties keep the first in the order in which the window is folded.
//   - A calendar hour or minute that the clocks repeat is two buckets, one for each offset from UTC.
//   - time_since reads what was absorbed before the event, whatever exclude_current says.
//   - first, last and delta see what the sixteen kept samples hold after the event was absorbed; an event that is older than all of
//     sixteen kept ones has given way and is not among them.
//   - An id is remembered in each keyspace whose key the event has, whether or not a rule's where lets it pass.
//   - Behind a stage an id is remembered in a keyspace only if some rule of that keyspace wants the event: no other is sent there.
//   - The average of ints divides the exact sum, rounded once to a double when it fits int64.
package oracle
