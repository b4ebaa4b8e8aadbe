// Package checkpoint is the contract of the stores that keep the contexts of tasks beyond a crash, and the bytes that all of them write.
//
// A store is a copy that can be rebuilt from the log. It holds, for each task: its contexts, each with the position up to which the log
// has been applied to it; and one [Meta], the positions from which a replay starts. A task works with it like this:
//
//	task, err := store.Open(ctx, id)            // raises the epoch: every older handle of the task is fenced from now on
//	meta, err := task.Meta(ctx)                 // nil: none; else replay from meta.Y
//	layouts, err := task.Layouts(ctx)           // tell them to the keyspaces before the first load
//
//	task.Load(ctx, keyspace, keys, into)        // cold contexts, one read a batch
//	task.Due(ctx, keyspace, from, before, n, each) // cold contexts whose time has come
//	task.ScanFrom(ctx, keyspace, cursor, each)  // all contexts, a chunk at a time: the cheap way to most of them
//
//	task.AddLayout(ctx, id, layout.Describe())  // before the first context of that layout
//	for len(dirty) > 0 {                        // a sweep, or an eviction
//		n := checkpoint.ChunkLen(dirty)
//		task.Write(ctx, dirty[:n])
//		dirty = dirty[n:]
//	}
//	task.Flip(ctx, meta)                        // when all contexts that were dirty at the sweep's start are written
//
// # What holds
//
//   - Contexts are written between commits only, as they stand at a committed position; a write never lowers a context's position. So
//     chunks need no atomicity among them: a replay skips, per context, what it already holds.
//   - What was written before a Flip is durable when the Flip is: a store may lose the newest writes in a crash, never an older one
//     and keep a newer. Nothing else needs to be durable.
//   - Every write and every load compares the epoch and a number that each write raises. A handle that is not the newest gets [ErrFenced],
//     and one whose store went back (a failover that lost its tail, a restored copy) gets [ErrDoubt]. After an outcome that is not known,
//     every call gets ErrDoubt. Both mean: drop the memory, recover.
//   - A note is durable when SetNote returns. It is a few bytes in which an owner tells the next one what it is about.
//   - A Flip is a compare-and-set on the Y that the handle knows.
//   - Each context carries a checksum; one that fails is a [TornError], never a context.
//
// # Expired contexts
//
// An [Item] without a blob says that the context is expired, which equals empty. The store keeps the fact with its position, because a
// replay from an older Y must not apply anew what the context had seen; the first Flip whose Y has reached the position forgets it.
//
// # Deadlines
//
// What waits in a context, such as an absence, is due at a deadline, though no event asks for the context then. So a store keeps for each
// task and keyspace an index of the contexts by their least deadline, [Item].Deadline, in which Due finds those whose time has come. The
// entry is written in the same step as the context: a missing entry would be a lost alert. An entry too many is harmless: Due compares it
// with what the context says, and removes it.
//
// A context without a deadline is stored as it was before there were any, so the index of a store of that time is complete: it is empty. A
// context with a deadline is refused by versions that do not know of deadlines.
//
// # Sizes
//
// A chunk holds at most [ChunkItemsMax] items and [ChunkBytesMax] bytes, or one item of any size. What a store must keep in memory is
// bounded by that.
//
// # Concurrency
//
// A store may be used concurrently, and so may the handles of different tasks. One handle belongs to one goroutine at a time.
//
// Package checkpointtest has the tests that every store must pass.
package checkpoint
