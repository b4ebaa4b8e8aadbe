package redis

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"insolite/context/checkpoint"
)

const (
	groupMax = 1000 // contexts of one bucket that a script hands to one command: Lua's stack holds some thousand values

	// scanBuckets is how many buckets a scan asks for at once: few turns when they are empty. It ends early at replyBytesMax.
	scanBuckets   = 256
	replyBytesMax = checkpoint.ChunkBytesMax
)

// place says where in its chunk, or among the keys asked for, a context stands, and in which bucket of the store.
type place struct {
	i      int32
	bucket uint16
}

// Write writes a chunk by one script.
func (t *task) Write(ctx context.Context, chunk []checkpoint.Item) error {
	if len(chunk) == 0 {
		return nil
	}
	return t.wrap("write checkpoint of", t.writeChunk(ctx, chunk))
}

func (t *task) writeChunk(ctx context.Context, chunk []checkpoint.Item) error {
	if err := checkpoint.CheckChunk(chunk); err != nil {
		return err
	}
	t.sort(len(chunk), func(i int) []byte { return chunk[i].Key }, func(a, b place) int { return chunk[a.i].Compare(&chunk[b.i]) },
		func(a, b place) int { return cmp.Compare(chunk[a.i].Keyspace, chunk[b.i].Keyspace) })
	for n := 1; n < len(t.order); n++ {
		if chunk[t.order[n-1].i].Compare(&chunk[t.order[n].i]) == 0 {
			return errors.New("a key stands twice in the chunk")
		}
	}
	keys, args := t.chunkArgs(chunk)
	_, err := t.change(ctx, writeScript, keys, args...)
	return err
}

// chunkArgs lays a chunk out for the script, in t.order.
func (t *task) chunkArgs(chunk []checkpoint.Item) (keys []string, args []any) {
	size := 0
	for i := range chunk {
		size += checkpoint.ValueLen(&chunk[i])
	}
	t.bytes = slices.Grow(t.bytes[:0], size)
	var keyspaces, expired, groups []any
	var before checkpoint.KeyspaceID
	buckets := 0 // of the present keyspace
	for rest := t.order; len(rest) > 0; {
		keyspace, n := chunk[rest[0].i].Keyspace, 1
		for n < min(len(rest), groupMax) && rest[n].bucket == rest[0].bucket && chunk[rest[n].i].Keyspace == keyspace {
			n++
		}
		if len(keys) == 0 || keyspace != before {
			keyspaces = append(keyspaces, fieldOf(keyspaceField, uint64(keyspace)), 0)
			keys, before, buckets = append(keys, t.indexKey(keyspace)), keyspace, 0
		}
		buckets++
		keyspaces[len(keyspaces)-1] = buckets
		keys = append(keys, t.bucketKey(keyspace, rest[0].bucket))
		groups = append(groups, n)
		for _, p := range rest[:n] {
			groups = append(groups, chunk[p.i].Key)
			if len(chunk[p.i].Blob) == 0 {
				expired = append(expired, expiredEntry(&chunk[p.i]))
			}
		}
		for _, p := range rest[:n] {
			from := len(t.bytes)
			t.bytes = checkpoint.AppendValue(t.bytes, &chunk[p.i])
			groups = append(groups, t.bytes[from:])
		}
		rest = rest[n:]
	}
	args = append(append(args, len(keyspaces)/2), keyspaces...)
	args = append(append(args, len(expired)), expired...)
	return append([]string{t.expiredKey()}, keys...), append(args, groups...)
}

// sort puts n contexts into t.order: by keyspace, bucket, key.
func (t *task) sort(n int, key func(i int) []byte, whole, keyspace func(a, b place) int) {
	t.order = t.order[:0]
	for i := range n {
		t.order = append(t.order, place{int32(i), bucketOf(key(i))})
	}
	slices.SortFunc(t.order, func(a, b place) int {
		return cmp.Or(keyspace(a, b), cmp.Compare(a.bucket, b.bucket), whole(a, b))
	})
}

// Load reads contexts by key: one turn for as many as a chunk may hold, unless they are large.
func (t *task) Load(ctx context.Context, keyspace checkpoint.KeyspaceID, keys [][]byte, into func(i int, c checkpoint.Context) error) error {
	t.sort(len(keys), func(i int) []byte { return keys[i] }, func(a, b place) int { return cmp.Compare(a.i, b.i) }, func(place, place) int { return 0 })
	rest := t.order
	for first := true; first || len(rest) > 0; first = false { // without keys too, a handle that is fenced is told so
		n, err := t.loadSome(ctx, keyspace, keys, rest[:min(len(rest), checkpoint.ChunkItemsMax)], into)
		if err != nil {
			return t.wrap("load contexts of", err)
		}
		rest = rest[n:]
	}
	return nil
}

// loadSome reads the first of the contexts asked for, and returns how many.
func (t *task) loadSome(ctx context.Context, keyspace checkpoint.KeyspaceID, keys [][]byte, asked []place, into func(i int, c checkpoint.Context) error) (n int, err error) {
	var buckets []string
	args := append(make([]any, 0, 1+2*len(asked)), replyBytesMax)
	for rest := asked; len(rest) > 0; {
		n := 1
		for n < min(len(rest), groupMax) && rest[n].bucket == rest[0].bucket {
			n++
		}
		buckets, args = append(buckets, t.bucketKey(keyspace, rest[0].bucket)), append(args, n)
		for _, p := range rest[:n] {
			args = append(args, keys[p.i])
		}
		rest = rest[n:]
	}
	reply, err := t.read(ctx, loadScript, buckets, args...)
	if err != nil {
		return 0, err
	}
	for g := 1; g < len(reply); g++ {
		for _, value := range list(reply, g) {
			i := int(asked[n].i)
			n++
			v, ok := value.(string)
			if !ok {
				continue
			}
			c, err := t.parse(keyspace, keys[i], v)
			if err == nil {
				err = into(i, c)
			}
			if err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// parse reads a stored context; it is valid until the next call.
func (t *task) parse(keyspace checkpoint.KeyspaceID, key []byte, value string) (checkpoint.Context, error) {
	t.bytes = append(t.bytes[:0], value...)
	c, err := checkpoint.ParseValue(keyspace, key, t.bytes)
	if err != nil && !errors.Is(err, checkpoint.ErrNewer) {
		err = &checkpoint.TornError{Task: t.id, What: "context", Keyspace: keyspace, Key: bytes.Clone(key), Err: err}
	}
	return c, err
}

// Scan reads a keyspace bucket by bucket. Only the owner writes, and it does not while it scans: so all stand as they stood when it began, or
// another owner has come, which ends the scan with ErrFenced.
func (t *task) Scan(ctx context.Context, keyspace checkpoint.KeyspaceID, each func(c checkpoint.Context) error) error {
	for rest := t.allBuckets(keyspace); len(rest) > 0; {
		reply, err := t.read(ctx, scanScript, rest[:min(len(rest), scanBuckets)], replyBytesMax)
		for g := 1; err == nil && g < len(reply); g++ {
			err = t.scanBucket(ctx, keyspace, list(reply, g), each)
		}
		if err != nil {
			return t.wrap("scan contexts of", err)
		}
		rest = rest[len(reply)-1:]
	}
	return nil
}

// ScanFrom reads some buckets; the cursor is the number of the next one.
func (t *task) ScanFrom(ctx context.Context, keyspace checkpoint.KeyspaceID, from checkpoint.Cursor, each func(c checkpoint.Context) error) (checkpoint.Cursor, error) {
	first := 0
	if len(from) == 2 {
		first = int(be.Uint16(from))
	}
	var buckets []string
	for i := first; i < min(first+scanBuckets, bucketCount); i++ {
		buckets = append(buckets, t.bucketKey(keyspace, uint16(i)))
	}
	reply, err := t.read(ctx, scanScript, buckets, replyBytesMax)
	for g := 1; err == nil && g < len(reply); g++ {
		err = t.scanBucket(ctx, keyspace, list(reply, g), each)
	}
	if err != nil {
		return nil, t.wrap("scan contexts of", err)
	}
	if first += len(reply) - 1; first >= bucketCount {
		return nil, nil
	}
	return be.AppendUint16(nil, uint16(first)), nil
}

func (t *task) scanBucket(ctx context.Context, keyspace checkpoint.KeyspaceID, all []any, each func(c checkpoint.Context) error) error {
	for i := 0; i+1 < len(all); i += 2 {
		c, err := t.parse(keyspace, []byte(text(all, i)), text(all, i+1))
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		if err := each(c); err != nil {
			return err
		}
	}
	return nil
}
