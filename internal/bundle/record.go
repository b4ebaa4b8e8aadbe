package bundle

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// A record's value begins with its type, 'M' for a manifest or 'C' for a chunk, and the version u8. Numbers are big endian.
//
//	chunk     the bytes
//	manifest  hash, engine u32, number of files u32; for each file: kind u8, length of the name u32, name, length of the data u32, and the
//	          hashes of its chunks, all of which but the last have ChunkBytesMax bytes
const (
	typeManifest  = 'M'
	typeChunk     = 'C'
	recordVersion = 1
	header        = 2
)

// Encoded is a bundle in the form of records.
type Encoded struct {
	Hash     Hash
	Chunks   []Chunk // each once, in the order of the files; to be sent before the manifest
	Manifest []byte  // value of the manifest's record
}

// ManifestKey returns the key of the manifest's record, for people to read.
func (e *Encoded) ManifestKey() []byte { return []byte("bundle/" + e.Hash.String()) }

// Chunk is a piece of a file.
type Chunk struct {
	Hash Hash
	Data []byte
}

// Key returns the key of the chunk's record, for people to read.
func (c *Chunk) Key() []byte { return []byte("chunk/" + c.Hash.String()) }

// Value returns the value of the chunk's record.
func (c *Chunk) Value() []byte { return append([]byte{typeChunk, recordVersion}, c.Data...) }

// Encode returns the bundle's records: the same for the same bundle. Chunks are views of the files.
func (b *Bundle) Encode() (*Encoded, error) {
	files, err := b.sorted()
	if err != nil {
		return nil, fmt.Errorf("encode bundle: %w", err)
	}
	e := &Encoded{Hash: hash(b.Engine, files)}
	m := append([]byte{typeManifest, recordVersion}, e.Hash[:]...)
	m = binary.BigEndian.AppendUint32(m, b.Engine)
	m = binary.BigEndian.AppendUint32(m, uint32(len(files)))
	seen := map[Hash]bool{}
	for _, f := range files {
		m = appendText(append(m, byte(f.Kind)), f.Name)
		m = binary.BigEndian.AppendUint32(m, uint32(len(f.Data)))
		for data := range slices.Chunk(f.Data, ChunkBytesMax) {
			c := Chunk{sha256.Sum256(data), data}
			m = append(m, c.Hash[:]...)
			if !seen[c.Hash] {
				seen[c.Hash] = true
				e.Chunks = append(e.Chunks, c)
			}
		}
	}
	if len(m) > ChunkBytesMax {
		return nil, fmt.Errorf("encode bundle: the list of its %d files takes %d bytes, at most %d fit in a record; put more rules into one file", len(files), len(m), ChunkBytesMax)
	}
	e.Manifest = m
	return e, nil
}

// Record is what a record of the topic holds: one of the two.
type Record struct {
	Manifest *Manifest
	Chunk    *Chunk // its Data is a view
}

// Manifest lists a bundle's files.
type Manifest struct {
	Hash   Hash
	Engine uint32
	Files  []Entry // by kind, then name
}

// Entry is a file of a manifest.
type Entry struct {
	Kind   Kind
	Name   string
	Size   int
	Chunks []Hash
}

// Parse reads the value of a record of the bundles topic.
func Parse(value []byte) (Record, error) {
	if len(value) < header || value[0] != typeManifest && value[0] != typeChunk {
		return Record{}, fmt.Errorf("read record of the bundles topic: %w: it is neither a manifest nor a chunk", ErrDamaged)
	}
	if value[1] != recordVersion {
		return Record{}, fmt.Errorf("read record of the bundles topic: %w: format %d, this one reads %d", ErrNewer, value[1], recordVersion)
	}
	body := value[header:]
	if value[0] == typeChunk {
		return Record{Chunk: &Chunk{sha256.Sum256(body), body}}, nil
	}
	m, err := parseManifest(body)
	if err != nil {
		return Record{}, fmt.Errorf("read manifest of a bundle: %w", err)
	}
	return Record{Manifest: m}, nil
}

func parseManifest(b []byte) (*Manifest, error) {
	r := reader{b: b}
	m, total := &Manifest{Hash: r.hash(), Engine: r.uint32()}, 0
	for n := r.uint32(); n > 0 && !r.short; n-- {
		f := Entry{Kind: Kind(r.byte()), Name: string(r.take(int(r.uint32()))), Size: int(r.uint32())}
		for left := f.Size; left > 0 && !r.short; left -= ChunkBytesMax {
			f.Chunks = append(f.Chunks, r.hash())
		}
		m.Files = append(m.Files, f)
		total += f.Size
	}
	if r.short || len(r.b) > 0 {
		return nil, fmt.Errorf("%w: its length is wrong", ErrDamaged)
	}
	if total > BytesMax {
		return nil, fmt.Errorf("%w: it is larger than %d MiB", ErrDamaged, BytesMax>>20)
	}
	return m, nil
}

// Missing returns the chunks that are not there, each once.
func (m *Manifest) Missing(have func(Hash) bool) []Hash {
	var missing []Hash
	seen := map[Hash]bool{}
	for i := range m.Files {
		for _, h := range m.Files[i].Chunks {
			if !seen[h] && !have(h) {
				missing = append(missing, h)
			}
			seen[h] = true
		}
	}
	return missing
}

// Bundle puts the bundle together; chunk returns a chunk's bytes, or nil. The files' data is copied.
func (m *Manifest) Bundle(chunk func(Hash) []byte) (*Bundle, error) {
	b := &Bundle{Engine: m.Engine}
	for i := range m.Files {
		f := &m.Files[i]
		data, err := f.data(chunk)
		if err != nil {
			return nil, fmt.Errorf("bundle %s: %s file %q: %w", m.Hash, f.Kind, f.Name, err)
		}
		b.Files = append(b.Files, File{f.Kind, f.Name, data})
	}
	if err := check(b.Files); err != nil {
		return nil, fmt.Errorf("bundle %s: %w: %w", m.Hash, ErrDamaged, err)
	}
	if h := hash(b.Engine, b.Files); h != m.Hash {
		return nil, fmt.Errorf("bundle %s: %w: its content has the hash %s", m.Hash, ErrDamaged, h)
	}
	return b, nil
}

func (f *Entry) data(chunk func(Hash) []byte) ([]byte, error) {
	var data []byte
	for _, h := range f.Chunks {
		c := chunk(h)
		if c == nil {
			return nil, fmt.Errorf("%w: %s", ErrMissing, h)
		}
		if sha256.Sum256(c) != h {
			return nil, fmt.Errorf("%w: chunk %s is another one", ErrDamaged, h)
		}
		data = append(data, c...)
		if len(data) > f.Size {
			break
		}
	}
	if len(data) != f.Size {
		return nil, fmt.Errorf("%w: its chunks have not %d bytes", ErrDamaged, f.Size)
	}
	return data, nil
}

// reader takes fields off the front of bytes. Once they do not suffice it gives zeros.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if v := r.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (r *reader) hash() (h Hash) {
	copy(h[:], r.take(len(h)))
	return h
}
