// Package bundle is the form in which rules, lookups and source schemas travel over the bundles topic.
//
// A [Bundle] is a set of files and the engine's version. Its [Hash] is a function of what is in it, whatever the order in which it was
// gathered and however it is cut, so two instances with the same files name the same bundle.
//
// On the topic it is several records: one for each chunk of a file, then the manifest that lists them. The offset of the manifest is the
// bundle's number. A chunk is named by the hash of its bytes; one that the topic has already need not be sent again, so a change of one
// rule sends that file and a manifest:
//
//	e, err := b.Encode()
//	for _, c := range e.Chunks {
//		if !seen[c.Hash] { produce(c.Key(), c.Value()) }
//	}
//	number := produce(e.ManifestKey(), e.Manifest)
//
// A reader keeps the chunks by hash and puts a bundle together when it needs it:
//
//	r, err := bundle.Parse(value)
//	if r.Manifest != nil {
//		b, err := r.Manifest.Bundle(func(h bundle.Hash) []byte { return chunks[h] })
//	}
//
// Everything is verified against its hash. The package does no I/O; all of it may be used concurrently.
package bundle

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Kind says what a file is.
type Kind uint8

// The kinds.
const (
	Rules  Kind = iota + 1 // a file of rules
	Lookup                 // a list or table; its name is the lookup's
	Source                 // the schema of a source, YAML; its name is the source's
)

// String returns the kind's name.
func (k Kind) String() string {
	if k < Rules || k > Source {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return [...]string{"rules", "lookup", "source"}[k-1]
}

// File is one file of a bundle. Kind and name together are unique.
type File struct {
	Kind Kind
	Name string
	Data []byte
}

// Bundle is what decides how events are evaluated.
type Bundle struct {
	Engine uint32 // version of the engine: raised when results change
	Files  []File
}

// Hash is a SHA-256 hash.
type Hash [sha256.Size]byte

// String returns 64 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Limits.
const (
	// ChunkBytesMax keeps every record below the 1 MB that brokers accept by default, with room for its headers.
	ChunkBytesMax = 900 << 10
	// BytesMax bounds what an instance holds of one bundle.
	BytesMax = 256 << 20
	// NameBytesMax bounds a file's name.
	NameBytesMax = 1 << 10
)

var (
	// ErrNewer is returned for a record that a newer version of the program has written.
	ErrNewer = errors.New("written by a newer version of the program; run that version")

	// ErrDamaged is returned for a record that is not what was written.
	ErrDamaged = errors.New("damaged bundle")

	// ErrMissing is returned when a chunk is not there.
	ErrMissing = errors.New("missing chunk of a bundle")
)

// Hash returns the bundle's hash, over the engine's version and each file's kind, name and hash in their order. It is an error when a file
// cannot be in a bundle.
func (b *Bundle) Hash() (Hash, error) {
	files, err := b.sorted()
	if err != nil {
		return Hash{}, err
	}
	return hash(b.Engine, files), nil
}

func hash(engine uint32, files []File) Hash {
	text := append([]byte("insolite bundle 1\n"), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(text[len(text)-4:], engine)
	for i := range files {
		sum := sha256.Sum256(files[i].Data)
		text = append(appendText(append(text, byte(files[i].Kind)), files[i].Name), sum[:]...)
	}
	return sha256.Sum256(text)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}

// sorted returns the files by kind and name, checked.
func (b *Bundle) sorted() ([]File, error) {
	files := slices.Clone(b.Files)
	slices.SortFunc(files, compare)
	return files, check(files)
}

func compare(a, b File) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}

// check returns an error for files, in their order, that cannot be a bundle.
func check(files []File) error {
	total := 0
	for i := range files {
		f := &files[i]
		switch {
		case f.Kind < Rules || f.Kind > Source:
			return fmt.Errorf("file %q: unknown %s", f.Name, f.Kind)
		case f.Name == "" || len(f.Name) > NameBytesMax || !utf8.ValidString(f.Name):
			return fmt.Errorf("%s file %q: a name has 1 to %d bytes of UTF-8", f.Kind, f.Name, NameBytesMax)
		case i > 0 && compare(files[i-1], *f) >= 0:
			return fmt.Errorf("%s file %q stands twice in the bundle; give each its own name", f.Kind, f.Name)
		}
		total += len(f.Data)
		if total > BytesMax {
			return fmt.Errorf("the bundle is larger than %d MiB with %s file %q; shorten the lookups", BytesMax>>20, f.Kind, f.Name)
		}
	}
	return nil
}
