package golden

import (
	"fmt"
	"path/filepath"
	"testing"
)

// watch is a test that only counts its failures.
type watch struct {
	testing.TB
	failed int
}

func (w *watch) Errorf(string, ...any) { w.failed++ }
func (w *watch) Fatalf(string, ...any) { w.failed++; panic(w) }
func (w *watch) Fatal(...any)          { w.failed++; panic(w) }
func (w *watch) Helper()               {}

func failures(t *testing.T, f func(t testing.TB)) int {
	w := &watch{TB: t}
	func() {
		defer func() { _ = recover() }()
		f(w)
	}()
	return w.failed
}

func TestSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "testdata", "a-1.hex")
	lines := [][]byte{{1, 2}, {0xff}, {}}
	if failures(t, func(t testing.TB) { Same(t, path, lines...) }) == 0 {
		t.Error("without a file nothing fails")
	}
	t.Setenv("WRITE_GOLDEN", "1")
	if got := Same(t, path, lines...); fmt.Sprint(got) != fmt.Sprint(lines) {
		t.Errorf("kept are %v", got)
	}
	for _, other := range [][][]byte{{{1, 2}, {0xff}}, {{1, 2}, {0xfe}, {}}} {
		if failures(t, func(t testing.TB) { Same(t, path, other...) }) == 0 {
			t.Errorf("%v is taken for what was kept", other)
		}
	}
	if got := Kept(t, path); fmt.Sprint(got) != fmt.Sprint(lines) {
		t.Errorf("the file is written over: %v", got)
	}
}
