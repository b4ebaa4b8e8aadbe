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

// What this version wrote once is read, and written the same; a context in which nothing waits in the version before, which knows no deadlines.
func TestGoldenValue(t *testing.T) {
	for path, deadlines := range map[string][]event.Time{"testdata/value-1.hex": {event.Never}, "testdata/value-2.hex": {4, -1}} {
		var now [][]byte
		for _, d := range deadlines {
			it := Item{Keyspace: 1, Key: []byte("key"), Position: event.Position{Offset: 2, Step: 3}, Deadline: d, Blob: []byte("blob")}
			now = append(now, AppendValue([]byte("before"), &it)[6:])
		}
		for i, kept := range golden.Same(t, path, now...) {
			want := Context{[]byte("key"), event.Position{Offset: 2, Step: 3}, deadlines[i], []byte("blob")}
			if got, err := ParseValue(1, []byte("key"), kept); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %+v, %v, want %+v", path, got, err, want)
			}
		}
	}
}

func TestValue(t *testing.T) {
	for _, deadline := range []event.Time{event.Never, event.NoTime, -1, 0, 1 << 40} {
		for _, blob := range []string{"", "b", "some bytes"} {
			it := Item{Keyspace: 1, Key: []byte("key"), Position: event.Position{Offset: 2, Step: 3}, Deadline: deadline, Blob: []byte(blob)}
			v := AppendValue(nil, &it)
			if len(v) != ValueLen(&it) {
				t.Errorf("%d bytes, want %d", len(v), ValueLen(&it))
			}
			if blob == "" {
				it.Deadline = event.Never // nothing waits
			}
			got, err := ParseValue(1, []byte("key"), v)
			if want := (Context{it.Key, it.Position, it.Deadline, it.Blob}); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
			if p, d := ValuePosition(v), ValueDeadline(v); p != it.Position || d != it.Deadline {
				t.Errorf("unchecked: %v, %d", p, d)
			}
			refuseValue(t, v)
		}
	}
}

// refuseValue tries what a value's bytes may become.
func refuseValue(t *testing.T, v []byte) {
	for i := range 8 * len(v) {
		torn := bytes.Clone(v)
		torn[i/8] ^= 1 << (i % 8)
		if _, err := ParseValue(1, []byte("key"), torn); !errors.Is(err, errTorn) {
			t.Fatalf("bit %d turned: %v", i, err)
		}
	}
	for n := range len(v) {
		if _, err := ParseValue(1, []byte("key"), v[:n]); err == nil {
			t.Errorf("cut to %d bytes: accepted", n)
		}
		ValuePosition(v[:n])
		ValueDeadline(v[:n])
	}
	if _, err := ParseValue(1, []byte("yek"), v); !errors.Is(err, errTorn) {
		t.Errorf("under another key: %v", err)
	}
	if _, err := ParseValue(2, []byte("key"), v); !errors.Is(err, errTorn) {
		t.Errorf("in another keyspace: %v", err)
	}
	sealed := func(body []byte) []byte { return le.AppendUint64(body, checksum(1, []byte("key"), body)) }
	if _, err := ParseValue(1, []byte("key"), sealed(append([]byte{valueVersion + 1}, v[1:len(v)-8]...))); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer version: %v", err)
	}
	for n := valueHeader; n <= valueHeader+DeadlineLen; n++ {
		short := make([]byte, n)
		short[0] = valueVersion
		if _, err := ParseValue(1, []byte("key"), sealed(short)); !errors.Is(err, errShort) {
			t.Errorf("a deadline and no blob in %d bytes: %v", n, err)
		}
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
