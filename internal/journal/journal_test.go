package journal

import (
	"errors"
	"math"
	"testing"

	"insolite/internal/event"
	"insolite/internal/golden"
)

var entries = []Entry{
	{Number: 1, Kind: First, At: event.Position{Offset: 300}, From: 100, Bundle: 7},
	{Number: 2, Kind: Bundle, At: event.Position{Offset: 400, Step: 3}, Bundle: 9},
	{Number: 1 << 40, Kind: Exclude, At: event.Position{Offset: 5}, Excluded: 6},
	{Number: 3, Kind: Engine, At: event.Position{Offset: 500, Step: 1}, Engine: 2},
}

// What this version wrote once is read, and written the same; but for the first entry, that is what the version before wrote.
func TestGoldenEntries(t *testing.T) {
	var now [][]byte
	for i := range entries {
		now = append(now, entries[i].Append(nil))
	}
	kept := golden.Same(t, "testdata/entries-1.hex", now...)
	second := entries[0]
	second.Of = 12
	kept = append(kept, golden.Same(t, "testdata/entries-2.hex", second.Append(nil))...)
	for i, b := range kept {
		want := append(entries[:len(entries):len(entries)], second)[i]
		if got, err := Parse(b); err != nil || got != want {
			t.Errorf("read %+v, %v, want %+v", got, err, want)
		}
		for n := range b {
			if _, err := Parse(b[:n]); err == nil {
				t.Errorf("%s: %d of %d bytes are read without an error", want.Kind, n, len(b))
			}
		}
	}
	for _, b := range [][]byte{{3, 1}, {1, 0}, {1, 6}} {
		if _, err := Parse(b); !errors.Is(err, ErrNewer) {
			t.Errorf("%v: error %v, want ErrNewer", b, err)
		}
	}
}

// Ticks came later than the other kinds, which a version that does not know ticks reads.
func TestGoldenTick(t *testing.T) {
	want := Entry{Number: 5, Kind: Tick, At: event.Position{Offset: 5, Step: 2}, Time: -6}
	kept := golden.Same(t, "testdata/tick-1.hex", want.Append(nil))[0]
	if got, err := Parse(kept); err != nil || got != want {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestKeysNameTheTask(t *testing.T) {
	key := Key("app/pays/1", 12)
	if string(key) != "app/pays/1/00000000000000000012" || !OfTask(key, "app/pays/1") {
		t.Errorf("key %s", key)
	}
	for _, other := range []string{"app/pays/11", "app/pays", "pays/1", "app/pays/1/0"} {
		if OfTask(key, other) {
			t.Errorf("%s is taken for a key of %s", key, other)
		}
	}
}

// What this version committed once is read, and written the same.
func TestGoldenCommit(t *testing.T) {
	settled := Commit{Step: 2, Bundle: 7, Journal: 3, Watermark: 1_700_000_000_000_000_000, Engine: 1, Swept: true}
	firing := settled
	firing.Firing, firing.Fired = true, 1_699_999_999_000_000_000
	for path, c := range map[string]struct {
		commit Commit
		text   string
	}{
		"testdata/commit-1.hex": {settled, "insolite 1 step=2 bundle=7 journal=3 watermark=1700000000000000000 engine=1 swept"},
		"testdata/commit-2.hex": {firing, "insolite 2 step=2 bundle=7 journal=3 watermark=1700000000000000000 engine=1 swept fired=1699999999000000000"},
	} {
		if kept := golden.Same(t, path, []byte(c.commit.Text()))[0]; string(kept) != c.text {
			t.Errorf("kept is %q", kept)
		}
		if got, err := ParseCommit(c.text); err != nil || got != c.commit {
			t.Errorf("read %+v, %v", got, err)
		}
	}
}

func TestCommitsReadBack(t *testing.T) {
	for _, c := range []Commit{{}, {Step: math.MaxUint32, Bundle: math.MaxInt64, Journal: math.MaxInt64, Watermark: event.NoTime, Engine: math.MaxUint32, Swept: true},
		{Step: math.MaxUint32, Bundle: math.MaxInt64, Journal: math.MaxInt64, Watermark: event.NoTime, Engine: math.MaxUint32, Firing: true, Fired: event.NoTime}} {
		text := c.Text()
		if got, err := ParseCommit(text); err != nil || got != c || len(text) > 256 {
			t.Errorf("%q (%d bytes) reads %+v, %v", text, len(text), got, err)
		}
	}
	for _, text := range []string{"", "x", "insolite", "insolite 1 step=1", "insolite 1 step=1 bundle=1 journal=1 watermark=x engine=1 young", "insolite 1 step=-1 bundle=1 journal=1 watermark=1 engine=1 young",
		"insolite 1 step=1 bundle=1 journal=1 watermark=1 engine=1 young fired=1", "insolite 2 step=1 bundle=1 journal=1 watermark=1 engine=1 young",
		"insolite 2 step=1 bundle=1 journal=1 watermark=1 engine=1 young fired=x"} {
		if _, err := ParseCommit(text); !errors.Is(err, errCommit) {
			t.Errorf("%q: error %v", text, err)
		}
	}
	if _, err := ParseCommit("insolite 3 anything"); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer format: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for i := range entries {
		f.Add(entries[i].Append(nil))
	}
	f.Add((&Entry{Number: 1, Kind: First, Of: 3}).Append(nil))
	f.Add([]byte("\x01\x0400000000000000000000\xad0000000")) // a number that no version has
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := Parse(b); err == nil && string(e.Append(nil)) != string(b) {
			t.Errorf("%x reads as %+v, which is written otherwise", b, e)
		}
	})
}

func FuzzParseCommit(f *testing.F) {
	f.Add((&Commit{Step: 1, Bundle: 2, Journal: 3, Watermark: event.NoTime}).Text())
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseCommit(text); err == nil && c.Text() != text {
			t.Errorf("%q reads as %+v, which is written otherwise", text, c)
		}
	})
}
