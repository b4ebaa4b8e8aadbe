// Package store keeps the contexts of a keyspace: for each key one block of bytes with everything that is remembered of it.
//
// A [Layout] says what a context consists of: cells of package window, ids of events seen, cool-downs, evidence, values shown, sequences
// begun, timers. A [Keyspace] holds the contexts. For each event a task finds the key's context or creates it, reads and changes it through
// the parts of the layout, and notes in it how far the log has been applied:
//
//	h, ok := keys.Find(hash, key)
//	if !ok {
//		h = keys.Create(hash, key)
//	}
//	ctx := keys.View(h)
//	layout.Cell(0).Add(&ctx, at, values, watermark)
//	layout.Cell(0).Read(&ctx, window.Query{Agg: window.AggSum}, at, row[slot:slot+1])
//	ctx.Advance(position, at)
//
// # The block
//
// A context is one run of bytes without pointers, little endian:
//
//	header      24 bytes: offset i64, newest event time i64, step u32, length of the key u32
//	directory   u32 a part and one more: where each part's tail starts, and where the last one ends
//	heads       of fixed size, one a part
//	key         padded to 8 bytes
//	tails       of variable size, one a part
//
// So a checkpoint, an eviction and a load copy the block, and ten million of them cost the garbage collector nothing. Blocks lie in slabs
// of blocks of one size class; a part whose tail is too short first forgets what no event that is not late can read, then its tail grows
// within the block, then the block moves to a larger class. A 32-bit [Handle] names a context; an open-addressing table of fingerprints
// finds it by key, and the full key is compared.
//
// # Layouts change
//
// A [Keyspace.Blob] names its layout. A blob of an older layout is converted part by part by the identity of the parts: what the new
// layout does not know is dropped, what is new starts empty. For that, each layout's [Layout.Describe] is to be kept beside the blobs and
// told to the keyspace ([Keyspace.RememberLayout]) before they are loaded.
//
// # Timers
//
// What waits for an instant is a part like any other; see [Timers]. [Keyspace.Deadline] is the least instant at which something in a context is
// due, whatever the part: it is to be stored beside the blob, so that a context that is not in memory is found. Those in memory are ordered by
// it: [Keyspace.Earliest] says when the next one is due, [Keyspace.NextDue] which it is. A layout without parts that wait costs nothing.
//
// # Expiry
//
// A context expires when the watermark has passed its newest event by the longest retention of its parts: an event that is not late would
// then read the same from it as from an empty one. Windows of events and forever, timers, and cool-downs that hold back alerts still to be told,
// keep a context.
//
// # Concurrency
//
// None: a keyspace and its layout belong to one task. Time is an argument.
package store
