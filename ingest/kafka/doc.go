// Package kafka is the Kafka side of the service, on IBM/sarama: reading partitions, membership in the consumer group, transactions,
// committed offsets and topics. It decides nothing: what to recover, where to begin and what to do about an error is its caller's.
//
// [Dial] connects and returns a [Client]. From it come a [Fetcher], a [Membership], one [Transaction] for each task and a [Producer]; each
// has connections of its own, because a sarama connection carries one request at a time and nobody is to wait for another's long poll.
// Calls take a context; they outlast what passes (a broker that restarts, a leader or coordinator that moves) with backoff and jitter until
// it ends, and return what does not pass at once. An error says what was tried and why it failed; [ErrZombie], [ErrRebalancing],
// [ErrFenced], [ErrNotFound], [DoubtError], [OutOfRangeError], [UnsupportedError] and [TooLargeError] are there to be branched on.
//
// # Reading
//
// [Fetcher.Add] begins to fetch a partition at an offset and returns its [Feed]. One goroutine and one connection per broker serve all its
// partitions. What comes out of a feed is exactly what a read_committed consumer would see from that offset on, each record once, in order:
//
//   - Batches follow each other without a gap: one begins where [ingest.Batch].Next of the one before points. Next passes control records,
//     aborted transactions and what compaction took away, if need be with a batch without records; so the end of the log is reached.
//   - A feed whose [Options].CreditBytes are handed over and not released, or which has eight such batches, is left out of the requests until
//     [Batch.Release]. A slow task stops nobody else, and memory is bounded by credit and one response for each partition.
//   - A record above [Options].FetchBytes still comes. All codecs do.
//   - An offset outside of the log ends the feed with [*OutOfRangeError]. No offset is ever reset or skipped.
//   - Whatever else is wrong is tried again without end and shown by [Feed.Trouble]. A partition that cannot be decoded does not stop others.
//   - Records are views into the fetched buffer until Release.
//
// At low load a fetch that finds little is followed by the next one not before [Options].FetchPace, so that records gather. A record of 250
// bytes costs 0.55 to 0.6 of what it costs through an empty claim loop of sarama's (BenchmarkFetch); most of that is the kernel, and
// sarama's decoding, which allocates one array of records for each record batch. Ours allocates nothing per record.
//
// [Client.ReadAll] reads a range to its end, and [Client.RecordAt] one record.
//
// # Membership
//
// [Client.Join] joins the group, cooperative-sticky, and runs each assigned partition in a goroutine of its own, by a [RunClaim]. Its context
// ends with the cause [ErrRevoked], when the partition is given up and still held until the function returns, or [ErrLost], when it may be
// another's already. Partitions that stay are not interrupted by a rebalance. [Claim.Hold] captures the generation that a commit must name
// and keeps the rebalance away until the commit is through; without it rebalances would refuse commits of partitions that do not move.
//
// [Membership.Subscribe] changes the topics that are read, and partitions that are added to one are noticed; claims that stay are not
// interrupted by either. A topic that does not exist keeps the whole group from its assignment.
//
// The membership serves assignment alone. It commits nothing, reads uncommitted, and does not care whether a committed offset is still in
// the log: recovery does. With a static id a member leaves without telling and has its partitions again when it is back within
// [Options].SessionTimeout. A partition without a leader for half a minute makes the member join anew.
//
// # Transactions
//
// A [Transaction] speaks the protocol itself (Transactions V1). It sends the request to commit once; when the reply is lost, or says that
// the coordinator may have lost the request, the error is a [*DoubtError] with Unknown set. After any error the transaction is out of use
// until [Transaction.Init], which fences every predecessor with the same id, ends what it left open, and drops its own connections.
//
// The way of a task, after its start, a rebalance, or doubt:
//
//	err = claim.Confirm(ctx) // still the owner? ErrZombie: Membership.Rejoin, and wait for ctx to end
//	err = tx.Init(ctx)       // ends the predecessor's transaction
//	next, meta, found, err := client.CommittedOffset(ctx, topic, partition)
//	feed := fetcher.Add(topic, partition, next)
//	for b := range feed.Batches() {
//		gen, release, err := claim.Hold(ctx)
//		err = tx.Send(ctx, outputs...)
//		err = tx.SendOffsets(gen, b.Next, metadata)
//		err = tx.Commit(ctx)
//		release()
//		b.Release()
//	}
//
// Then every output stands once, or not at all, with the offset that it came from: a successor's Init fences the transactional id, and the
// generation fences a member that the group has given up. The tests copy topics in this way through rebalances, faults and kills.
//
// A client sees a commit when the coordinator has decided it; readers see the records a moment later, when the markers are written.
//
// For delivery at least once there are [Producer] and [Client.CommitOffset].
//
// # Limits
//
// [Client.CommittedOffset] waits for open transactions without end of its own: give it a deadline, and show the error. Kafka 4.3 with a single
// broker, killed between a commit and the commit's markers, drops the markers when it starts, and that transaction stays open for ever: its
// records cannot be read as committed, its offset stays unstable. No client can undo that; clusters of several brokers are not known to.
//
// Records in the formats before Kafka 0.11 are refused. A response is at most 100 MiB, so a record batch cannot be larger. Names and passwords
// for SCRAM are printable ASCII. Kerberos is not supported.
package kafka
