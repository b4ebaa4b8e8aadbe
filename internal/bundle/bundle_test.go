package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"insolite/internal/golden"
)

func sample() *Bundle {
	return &Bundle{Engine: 3, Files: []File{
		{Rules, "rules/a.yaml", []byte("id: a")},
		{Rules, "rules/b.yaml", []byte("id: b")},
		{Lookup, "vpn", []byte("10.0.0.1\n")},
		{Source, "payments", []byte("topic: payments")},
		{Source, "empty", nil},
	}}
}

// roundTrip sends a bundle over the topic and puts it together.
func roundTrip(t *testing.T, b *Bundle) (*Encoded, *Bundle) {
	t.Helper()
	e, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	chunks := map[Hash][]byte{}
	for _, c := range e.Chunks {
		r, err := Parse(c.Value())
		if err != nil || r.Chunk == nil || r.Chunk.Hash != c.Hash || len(c.Value()) >= 1_000_000 {
			t.Fatalf("chunk of %d bytes: %v", len(c.Value()), err)
		}
		if _, twice := chunks[c.Hash]; twice {
			t.Errorf("chunk %s is sent twice", c.Hash)
		}
		chunks[c.Hash] = r.Chunk.Data
	}
	r, err := Parse(e.Manifest)
	if err != nil || r.Manifest == nil || r.Manifest.Hash != e.Hash {
		t.Fatalf("manifest: %+v, %v", r, err)
	}
	if missing := r.Manifest.Missing(func(h Hash) bool { return chunks[h] != nil }); missing != nil {
		t.Errorf("missing: %v", missing)
	}
	got, err := r.Manifest.Bundle(func(h Hash) []byte { return chunks[h] })
	if err != nil {
		t.Fatal(err)
	}
	return e, got
}

// What this version wrote once is read, and written the same, under the same hash: chunks first, then the manifest.
func TestGoldenRecords(t *testing.T) {
	e, _ := roundTrip(t, sample())
	var now [][]byte
	for i := range e.Chunks {
		now = append(now, e.Chunks[i].Value())
	}
	chunks, last := map[Hash][]byte{}, Record{}
	for i, b := range golden.Same(t, "testdata/records-1.hex", append(now, e.Manifest)...) {
		r, err := Parse(b)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if r.Chunk != nil {
			chunks[r.Chunk.Hash] = r.Chunk.Data
		}
		last = r
	}
	got, err := last.Manifest.Bundle(func(h Hash) []byte { return chunks[h] })
	if err != nil {
		t.Fatal(err)
	}
	if h, err := got.Hash(); err != nil || h != e.Hash {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	twice := random(ChunkBytesMax)
	for name, b := range map[string]*Bundle{
		"nothing":     {},
		"small":       sample(),
		"at the edge": {Files: []File{{Lookup, "a", random(ChunkBytesMax)}, {Lookup, "b", random(ChunkBytesMax + 1)}, {Lookup, "c", random(ChunkBytesMax - 1)}}},
		"repeats":     {Files: []File{{Lookup, "a", bytes.Repeat(twice, 3)}, {Lookup, "b", twice}}},
	} {
		_, got := roundTrip(t, b)
		want, err := b.sorted()
		if err != nil || got.Engine != b.Engine || len(got.Files) != len(want) {
			t.Errorf("%s: got %d files", name, len(got.Files))
			continue
		}
		for i, f := range got.Files {
			if f.Kind != want[i].Kind || f.Name != want[i].Name || !bytes.Equal(f.Data, want[i].Data) {
				t.Errorf("%s: file %d is %s %q", name, i, f.Kind, f.Name)
			}
		}
	}
}

// Topics hold these bytes, and journals name bundles by what they say: a change needs a new version.
func TestBytes(t *testing.T) {
	b := &Bundle{Engine: 3, Files: []File{{Source, "s", []byte("S")}, {Rules, "r", []byte("R")}}}
	e, _ := roundTrip(t, b)
	const wantHash = "f8a4b46eceb24cefab3eefa4d9f26b822f26e3c7c308f42dbfed99d20ef0765c"
	if e.Hash.String() != wantHash {
		t.Errorf("hash %s", e.Hash)
	}
	text := func(s string) string { return hex.EncodeToString([]byte(s)) }
	sum := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	want := text("M\x01") + wantHash + "00000003" + "00000002" +
		"01" + "00000001" + text("r") + "00000001" + sum("R") +
		"03" + "00000001" + text("s") + "00000001" + sum("S")
	if got := hex.EncodeToString(e.Manifest); got != want {
		t.Errorf("manifest\n got %s\nwant %s", got, want)
	}
	if got := string(e.Chunks[0].Value()); got != "C\x01R" {
		t.Errorf("chunk %q", got)
	}
	if e.Hash.String() != sum("insolite bundle 1\n\x00\x00\x00\x03"+"\x01\x00\x00\x00\x01r"+raw(sum("R"))+"\x03\x00\x00\x00\x01s"+raw(sum("S"))) {
		t.Error("the hash is not over what the doc says")
	}
}

func raw(h string) string { b, _ := hex.DecodeString(h); return string(b) }

func TestHashIsOfTheContent(t *testing.T) {
	base, err := sample().Hash()
	if err != nil {
		t.Fatal(err)
	}
	shuffled := sample()
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(shuffled.Files), func(i, j int) {
		shuffled.Files[i], shuffled.Files[j] = shuffled.Files[j], shuffled.Files[i]
	})
	if h, _ := shuffled.Hash(); h != base {
		t.Error("the order of the files changes the hash")
	}
	for name, change := range map[string]func(b *Bundle){
		"engine": func(b *Bundle) { b.Engine++ },
		"name":   func(b *Bundle) { b.Files[0].Name += "x" },
		"kind":   func(b *Bundle) { b.Files[2].Kind = Rules },
		"data":   func(b *Bundle) { b.Files[0].Data = []byte("id: A") },
		"fewer":  func(b *Bundle) { b.Files = b.Files[:4] },
		"moved":  func(b *Bundle) { b.Files[0].Data, b.Files[1].Data = b.Files[1].Data, b.Files[0].Data },
	} {
		b := sample()
		change(b)
		if h, err := b.Hash(); h == base || err != nil {
			t.Errorf("%s: the hash stays, %v", name, err)
		}
	}
}

func TestEncodeRefusals(t *testing.T) {
	big := make([]byte, BytesMax/2+1)
	var many []File
	for i := range 5000 {
		many = append(many, File{Rules, strings.Repeat("n", 150) + string(rune('a'+i%26)) + string(rune('a'+i/26)), []byte{1}})
	}
	for want, files := range map[string][]File{
		"stands twice":     {{Rules, "a", nil}, {Lookup, "a", nil}, {Rules, "a", nil}},
		"unknown kind 9":   {{9, "a", nil}},
		"a name has":       {{Rules, "", nil}},
		"bytes of UTF-8":   {{Rules, "\xff", nil}},
		"larger than 256":  {{Lookup, "a", big}, {Lookup, "b", big}},
		"put more rules i": many,
	} {
		if _, err := (&Bundle{Files: files}).Encode(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestDecodeRefusals(t *testing.T) {
	e, _ := roundTrip(t, sample())
	chunks := map[Hash][]byte{}
	for _, c := range e.Chunks {
		chunks[c.Hash] = c.Data
	}
	get := func(h Hash) []byte { return chunks[h] }
	newer := bytes.Clone(e.Manifest)
	newer[1]++
	if _, err := Parse(newer); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer version: %v", err)
	}
	for n := range len(e.Manifest) {
		if _, err := Parse(e.Manifest[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for i := header * 8; i < 8*len(e.Manifest); i++ {
		b := bytes.Clone(e.Manifest)
		b[i/8] ^= 1 << (i % 8)
		r, err := Parse(b)
		if err == nil {
			_, err = r.Manifest.Bundle(get)
		}
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrMissing) {
			t.Fatalf("bit %d turned: %v", i, err)
		}
	}
	r, err := Parse(e.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	first := e.Chunks[0].Hash
	if got := r.Manifest.Missing(func(h Hash) bool { return h != first }); !reflect.DeepEqual(got, []Hash{first}) {
		t.Errorf("missing: %v", got)
	}
	chunks[first] = []byte("id: x")
	if _, err := r.Manifest.Bundle(get); !errors.Is(err, ErrDamaged) {
		t.Errorf("another chunk: %v", err)
	}
	delete(chunks, first)
	if _, err := r.Manifest.Bundle(get); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "rules/a.yaml") {
		t.Errorf("missing chunk: %v", err)
	}
}

// What Parse accepts as a manifest is what Encode writes: the same fields give the same bytes.
func FuzzParse(f *testing.F) {
	e, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e.Manifest)
	f.Add(e.Chunks[0].Value())
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := Parse(value)
		if err != nil || r.Manifest == nil {
			return
		}
		chunks := map[Hash][]byte{}
		for _, c := range e.Chunks {
			chunks[c.Hash] = c.Data
		}
		b, err := r.Manifest.Bundle(func(h Hash) []byte { return chunks[h] })
		if err != nil {
			return
		}
		again, err := b.Encode()
		if err != nil || !bytes.Equal(again.Manifest, value) {
			t.Errorf("written again: %x, %v", again.Manifest, err)
		}
	})
}
