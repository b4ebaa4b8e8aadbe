// Package task is the life of one partition: recover, step, commit, sweep. It is where exactly-once is kept.
//
// A [Task] is the single-threaded owner of one partition of one input topic. Its alerts, its dead letters and how far it has come go into
// Kafka in one transaction; its contexts go into the checkpoint store later, off the hot path. Two positions say where it stands:
//
//	X  committed in Kafka, with the output
//	Y  of the checkpoint; never beyond X
//
// Whatever happens (a start, a rebalance, a broker that fails, an answer that got lost), there is one way back, [Task.Run]'s recovery:
// check that the partition is still ours, take the checkpoint store and then the transactional id over (which fences whoever had them
// before), read X and Y, replay what lies between without output, and go on from X. Nothing repairs memory in place. Where going on could
// give a wrong alert the task refuses with a [Refusal], which says what is wrong and what to do.
//
// # The log of a task
//
// What a task does is a function of its partition and of its journal: entries that steer it and are not in its input, such as the activation
// of a new bundle of rules. An entry has its place in the log as a position (offset, step): it is applied before the record at that offset,
// and is a step of its own. It is written in the same transaction as the X at which it stands, and applied only when that is committed, so
// a replay finds it exactly where it was applied the first time.
//
// # What waits
//
// Rules may wait for an instant. What is due behind a record fires at the position behind it, and takes no step: how many timers a replay still
// finds depends on which contexts were stored behind them. The engine pauses when many are due at once, so that a commit may lie between them;
// it says how far they have fired, and a replay that ends there ends at the same deadline. Journal entries are written, and sweeps begun, only
// when all that is due has fired.
//
// What waits in contexts that are not in memory is found by the store's index of deadlines. Each context that a sweep or an eviction writes has
// the least deadline in it.
//
// When the input has ended and is silent, a tick is written to the journal if something is due by the clock: by the watermark and the time
// since the timestamp of the last record. It fires that, and leaves no other trace.
//
// # Where a task begins
//
// The first start decides where the output begins, and how far before that contexts are built (Options.Start); both are in the first journal
// entry. What lies between is history: it is stepped and committed like the rest, and gives neither alerts nor dead letters.
//
// # Stages
//
// A task whose plan has routes sends rows of its events on, as frames, to the tasks of stages, which see them by another key. Frames go into
// the transaction of X, those of rules that are replaced into that of the journal entry which replaces them: so each row is in a stage's log
// once, or with delivery at least once ([Options].Eager) at least once. Those of a replay are dropped. Each second the task marks how far it
// has come, and whether it is idle: its log has come to its end, as the broker says, and nothing has come for two seconds. When frames are cut
// and marked may depend on the clock, since the stage's log records it; nothing else may. [Pace] holds back a task that is far ahead.
//
// A task of a stage steps frames. It activates rules at the first frame that names higher ones, before that frame and without a journal
// entry: the log says where. What it has seen of each task that sends to it belongs to its position, like the watermark, and is captured
// with it at the start of a sweep. It begins at the earliest record, and deletes what no replay reads again ([Log].Trim), one deletion
// behind its checkpoints.
//
// # Commits and sweeps
//
// Contexts are written only between commits, as they stand at a committed X. A sweep notes what is dirty and where the task stands when it
// begins, writes a chunk after each commit, and flips the checkpoint's meta to the noted position when all is written. A context that was
// written later than noted holds more than the meta says; it carries its own position, and a replay skips what it holds.
//
// # Simulation
//
// The tests run this code through random schedules of one task (sim_test.go) and of sources with stages (flow_test.go) in a world whose
// Kafka, store and clock are made up, with every fault that those can have, and hold what can be read in the end against one uninterrupted
// evaluation. Each part of the protocol has a mutation that takes it away, and which must show.
//
// # Concurrency
//
// A Task runs in the goroutine that calls Run. Status may be called from any.
package task
