// Package redis keeps checkpoints in Redis: one server, a master that Sentinels look after, or a Cluster. It fulfils the contract of package
// checkpoint. Instances share the store, so a partition moves to another instance without a replay of its past.
//
//	s, err := redis.Open(ctx, redis.Options{Addresses: []string{"localhost:6379"}})
//
// [Open] refuses servers older than 7, servers that evict, replicas, and Cluster nodes that are not told to be such; it warns of a server
// that keeps nothing on disk and has no replica. A task's Open looks at its server again, since a failover may have brought another one.
//
// # What makes it safe
//
// All that is stored is changed and read by scripts, each one step of the server. Every script first compares epoch and write number, so
// that an older owner gets checkpoint.ErrFenced, and an owner whose store went back gets checkpoint.ErrDoubt. A write carries a number that
// its handle never uses twice: the client sends a command again when its connection breaks, and what arrives a second time, or late, finds
// its own number or a later one and does nothing. When the answer to a write stays away, the handle is in doubt.
//
// A Flip is as durable as the servers make it. An append-only file that is synced each second, and replication, may lose the newest second;
// what they keep is always a beginning of what was written, since each task lies on one server. So a task goes back to an older checkpoint,
// and replays from there. An old master that does not yet know of its successor accepts writes which are lost: its owner is kept from
// committing by Kafka.
//
// One thing is not a beginning: a Cluster node that is lost, without its replica, while slots are moved from or to it may take some of a
// task's buckets along. Delete such a task's keys, and start with state.on_missing: rebuild.
//
// # What is stored
//
// Every key of a task begins with insolite:{app/topic/partition}: and names are escaped as in URLs. The braces put a task into one Cluster
// slot: tasks are spread over the nodes, a task is not.
//
//	…head             a hash: format, epoch counter, token, write number, meta, note, layouts, the keyspaces that there are
//	…c:KEYSPACE:N     a hash, bucket N of 1024 of a keyspace: key → context
//	…t:KEYSPACE       a sorted set of deadline and key: which contexts are due when
//	…expired          a sorted set of position, keyspace and key of expired contexts, to be forgotten when Y has reached the position
//
// # Why buckets
//
// A key of its own for every context takes 50 bytes more each, and neither a scan nor a removal could find a task's contexts without a look
// at all keys of the server. One hash a keyspace would be a single key of some gigabytes at ten million contexts: it grows by tables of a
// hundred megabytes at a time, and a Cluster moves it to another node in one step that stands still for a minute. 1024 buckets have ten
// thousand contexts each then, three megabytes, and take no memory where there are few contexts. Buckets so small that the server packs
// them as lists would save 15 % of the memory, for settings that every server would have to have and slower writes.
//
// A context of 240 bytes with a key of 18 takes 395 bytes of the server's memory. The server works 4 µs to write one, 2.5 µs to load one,
// 1.3 µs to find that there is none; a chunk or a batch of loads is one round trip, and holds the server for some milliseconds.
package redis
