// Package golden keeps bytes that released versions have written in files, for tests.
//
// What lies in a store or a topic is read by later versions, and in a rolling upgrade by earlier ones. A format's test writes a sample with the
// code as it is, and compares it with the file of its version, testdata/NAME-VERSION.hex:
//
//	kept := golden.Same(t, "testdata/frame-1.hex", w.End(…))
//
// and reads what was kept. A change of the bytes fails it: that needs a new version and a file of its own. The old file stays, and [Kept] gives
// its bytes to a test that they are still read. A run with WRITE_GOLDEN=1 writes a file that is not there yet.
package golden

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Same compares what is written now with the lines of a file, and returns these.
func Same(t testing.TB, path string, now ...[]byte) [][]byte {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && os.Getenv("WRITE_GOLDEN") == "1" {
		write(t, path, now)
	}
	kept := Kept(t, path)
	if len(kept) != len(now) {
		t.Fatalf("%s has %d lines, now there are %d", path, len(kept), len(now))
	}
	for i := range kept {
		if !bytes.Equal(kept[i], now[i]) {
			t.Errorf("line %d of %s is written otherwise; a change needs a new version:\n got %x\nwant %x", i+1, path, now[i], kept[i])
		}
	}
	return kept
}

// Kept returns the lines of a file.
func Kept(t testing.TB, path string) (lines [][]byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		b, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		lines = append(lines, b)
	}
	return lines
}

func write(t testing.TB, path string, lines [][]byte) {
	t.Helper()
	var text []byte
	for _, b := range lines {
		text = append(hex.AppendEncode(text, b), '\n')
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, text, 0o600)); err != nil {
		t.Fatal(err)
	}
}
