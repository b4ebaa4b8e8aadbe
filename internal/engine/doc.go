// Package engine is the one step function: it takes the records of one partition and gives the alerts that its rules raise.
//
// Running, testing, explaining and backtesting all go through it, so they cannot disagree. An [Engine] owns the state of one task: decoder,
// contexts of each keyspace, watermark, counts.
//
//	e, err := engine.New(set.Plan(topic), engine.Options{Partition: 3})
//	var out engine.Output
//	for batch := range batches {
//		out.Reset()
//		if err := e.Step(batch, &out); err != nil { … } // doubt: recover from the checkpoint
//		… // write out.Alerts, out.DeadLetters and e.Position() in one transaction
//	}
//
// # What a step does
//
// For each record in the order of the log: decode; too far ahead of its own timestamp (a dead letter); late (below the watermark); then, in
// each keyspace that its source feeds, duplicate, reads that exclude the current event, absorb, reads that include it; then the rules in the
// order of the set: condition, exceptions, suppression, alert; then the watermark rises. The result depends on the log, the contexts and the
// rules only, never on how records are cut into batches.
//
// That is what it means; the work is put off. A feature is read when the first condition asks for it, and of a condition that is an and, the sides
// that cost least are evaluated first, so that of most events most features are never read. A cell whose features all exclude the event absorbs it
// behind the rules.
//
// Records are worked on in sub-batches of 64: all are decoded and their keys hashed before the first is absorbed, so that the cache misses of
// their contexts overlap. Nothing is allocated for an event without an alert.
//
// Once a source has 16 rules, they are filed by a limit that each condition demands, of a feature if possible (`n >= 40`): an event asks only
// those whose limit it reaches, so that a thousand rules over the same features cost little more than ten.
//
// # Recovery
//
// A checkpoint is the contexts (see [Engine.Keyspaces]), the position and the watermark, all at one commit. After
// [Engine.Restore], [Engine.Replay] steps what was committed since; it gives no output, and skips in each context the events that the
// context already holds. [Options.Load] brings in contexts that are not in memory.
//
// # Timers
//
// What waits fires behind the event with which the watermark has passed its deadline, before the next event, in the order of deadline, rule and
// key. [Options.Due] finds stored contexts that are not in memory by the deadline that was stored beside them ([store.Keyspace.Deadline]). A task without
// such rules pays nothing.
//
// Thousands may be due at once. With [Options.Pause], Step returns among them: [Engine.Firing] is true then, [Engine.Position] that of the event
// behind which they are due, and [Engine.Fired] how far they have fired, by deadline. What came so far may be committed, contexts written and
// evicted; then [Engine.Resume] goes on, and steps the rest of the batch.
//
//	err := e.Step(batch, &out)
//	for err == nil && e.Firing() {
//		… // commit e.Position() and e.Fired(); no checkpoint (Y) here, for it would not know what is left
//		err = e.Resume(&out)
//	}
//
// A replay to such a commit is told [Engine.Limit] before: it ends among the timers, Firing, and Resume goes on live. They are not counted,
// because contexts that were stored later than the checkpoint have fired already. [Engine.Tick] fires what has a deadline before an instant
// on an idle input; it is an entry of the journal, a step of its own at its position.
//
// # Stages
//
// Events whose key lies on other partitions are sent on, to the task of a stage. [Engine.Step] puts a row of each into the frame for its key's
// partition, once the event is known to be in time; [Engine.Cut] ends the frames before a commit, [Engine.Mark] tells those that got none how far
// this task has come, and [Engine.Leave] that other rules follow. They come to [Output.Frames].
//
// The engine of a stage steps batches whose records are such frames. It takes no part in what was decided before: what is late, or no event. It
// drops the rows that it has seen from the same partition before, and after each frame its watermark is the least of those of the partitions that
// send to it, except the idle ones; so an event is late there only if its partition was idle before. [Engine.Upstreams] is what it knows of them,
// and part of a checkpoint. The alerts of a stage name the record of the source.
//
// # A rule that panics
//
// It is off for that record, which is counted and told in [Output.Panics]; the record's effect on features stands. A panic anywhere else is a
// bug of the engine and goes through.
//
// # Concurrency
//
// None: an Engine belongs to one goroutine. Many engines may share one plan.
package engine
