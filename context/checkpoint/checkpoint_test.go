package checkpoint

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"

	"insolite/internal/event"
	"insolite/internal/golden"
)

var sample = Meta{
	Y: event.Position{Offset: 10, Step: 1}, Previous: NoPosition, Epoch: Epoch{2, 3}, Watermark: event.NoTime, Journal: 4, Bundle: 5,
	Since:   map[uint64]event.Position{7: {Offset: 8, Step: 9}, 6: {Offset: 1}},
	TopicID: [16]byte{0: 0xaa, 15: 0xbb}, Partitions: 12, Last: 15, Fingerprint: 13, Engine: 14,
}

// stage is the meta of a stage.
var stage = func() Meta {
	m := sample
	m.Upstreams = []event.Upstream{{Topic: "pays", Partition: 3, Next: event.Position{Offset: 17, Step: 3}, Watermark: 18, Idle: true}, {Topic: "x", Partition: -1, Watermark: event.NoTime}}
	return m
}()

// What this version wrote once is read, and written the same; a meta without upstreams in the version before, which knows none.
func TestGoldenMeta(t *testing.T) {
	for path, m := range map[string]*Meta{"testdata/meta-1.hex": &sample, "testdata/meta-2.hex": &stage} {
		kept := golden.Same(t, path, m.Append([]byte("before"))[6:])[0]
		if got, err := ParseMeta(kept); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%s: got %+v, %v, want %+v", path, got, err, m)
		}
	}
	if got, err := ParseMeta((&Meta{}).Append(nil)); err != nil || !reflect.DeepEqual(got, &Meta{}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// seal gives changed bytes the checksum that a writer would have given them.
func seal(body []byte) []byte { return le.AppendUint64(bytes.Clone(body), xxh3.Hash(body)) }

func TestMetaIsRefused(t *testing.T) {
	for _, m := range []*Meta{&sample, &stage} {
		refuseMeta(t, m.Append(nil))
	}
}

// refuseMeta tries what a meta's bytes may become.
func refuseMeta(t *testing.T, b []byte) {
	for i := range 8 * len(b) {
		torn := bytes.Clone(b)
		torn[i/8] ^= 1 << (i % 8)
		if _, err := ParseMeta(torn); !errors.Is(err, errTorn) {
			t.Fatalf("bit %d turned: %v", i, err)
		}
	}
	body := b[:len(b)-8]
	for n := range len(body) {
		if _, err := ParseMeta(seal(body[:n])); err == nil {
			t.Fatalf("cut to %d bytes: accepted", n)
		}
	}
	if _, err := ParseMeta(seal(append([]byte{metaVersion + 1}, body[1:]...))); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer version: %v", err)
	}
}

func FuzzMeta(f *testing.F) {
	f.Add(sample.Append(nil)[:100])
	for _, m := range []*Meta{&sample, &stage} {
		b := m.Append(nil)
		f.Add(b[:len(b)-8])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := ParseMeta(seal(body))
		if err != nil {
			return
		}
		again, err := ParseMeta(m.Append(nil))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%+v is read back as %+v, %v", m, again, err)
		}
	})
}

func TestValue(t *testing.T) {
	it := Item{Keyspace: 1, Key: []byte("key"), Position: event.Position{Offset: 2, Step: 3}, Blob: []byte("blob")}
	v := golden.Same(t, "testdata/value-1.hex", AppendValue([]byte("before"), &it)[6:])[0]
	if len(v) != ValueLen(&it) {
		t.Errorf("%d bytes, want %d", ValueLen(&it), len(v))
	}
	p, blob, err := ParseValue(1, []byte("key"), v)
	if err != nil || p != it.Position || string(blob) != "blob" {
		t.Errorf("got %s, %q, %v", p, blob, err)
	}
	for i := range 8 * len(v) {
		torn := bytes.Clone(v)
		torn[i/8] ^= 1 << (i % 8)
		if _, _, err := ParseValue(1, []byte("key"), torn); !errors.Is(err, errTorn) {
			t.Fatalf("bit %d turned: %v", i, err)
		}
	}
	for n := range len(v) {
		if _, _, err := ParseValue(1, []byte("key"), v[:n]); err == nil {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
	if _, _, err := ParseValue(1, []byte("yek"), v); !errors.Is(err, errTorn) {
		t.Errorf("under another key: %v", err)
	}
	if _, _, err := ParseValue(2, []byte("key"), v); !errors.Is(err, errTorn) {
		t.Errorf("in another keyspace: %v", err)
	}
	newer := append([]byte{valueVersion + 1}, v[1:len(v)-8]...)
	newer = le.AppendUint64(newer, checksum(1, []byte("key"), newer))
	if _, _, err := ParseValue(1, []byte("key"), newer); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer version: %v", err)
	}
}

func TestChunkLen(t *testing.T) {
	blob := func(n int) Item { return Item{Blob: make([]byte, n)} }
	for _, c := range []struct {
		items []Item
		want  int
	}{
		{nil, 0},
		{[]Item{blob(ChunkBytesMax + 1), blob(1)}, 1},
		{[]Item{blob(ChunkBytesMax - 1), blob(1), blob(1)}, 2},
		{make([]Item, ChunkItemsMax), ChunkItemsMax},
		{make([]Item, ChunkItemsMax+1), ChunkItemsMax},
	} {
		if got := ChunkLen(c.items); got != c.want {
			t.Errorf("%d items: a chunk of %d, want %d", len(c.items), got, c.want)
		}
	}
}

func TestTornErrorNamesKeyAndCure(t *testing.T) {
	ann := event.StringValue("ann")
	for _, c := range []struct {
		key  []byte
		want string
	}{
		{event.AppendKeyPart(nil, &ann), `"ann"`},
		{[]byte("\xff?"), `"\xff?"`},
	} {
		err := error(&TornError{Task: TaskID{"shop", "payments", 3}, What: "context", Keyspace: 1, Key: c.key, Err: errTorn})
		for _, want := range []string{c.want, "shop/payments/3", "checksum", "restore", "rebuild"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not tell %s", err, want)
			}
		}
	}
}

func TestKeyspaceIDOf(t *testing.T) {
	if got := KeyspaceIDOf("customer_id"); got != 0x696c915cd70d165c {
		t.Errorf("the id has changed to %#x: stored contexts would not be found", uint64(got))
	}
}
