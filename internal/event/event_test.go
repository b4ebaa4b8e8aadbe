package event

import (
	"bytes"
	"encoding/json"
	"math"
	"net/netip"
	"testing"
	"time"
)

func keyParts() []Value {
	return []Value{
		StringValue(""), StringValue("ann"), StringValue("an\x00n"), IntValue(0), IntValue(-7), BoolValue(false), BoolValue(true),
		IPValue(netip.MustParseAddr("10.0.0.1")), IPValue(netip.MustParseAddr("2001:db8::1")), IntValue(math.MinInt64),
	}
}

// A key of two fields is read back as it was written, and no two keys share their bytes.
func TestKeysAreInjectiveAndReadBack(t *testing.T) {
	seen := map[string]string{}
	for _, a := range keyParts() {
		for _, b := range keyParts() {
			key := AppendKeyPart(AppendKeyPart(nil, &a), &b)
			name := a.Kind.String() + a.Text() + "/" + b.Kind.String() + b.Text()
			if other, ok := seen[string(key)]; ok {
				t.Errorf("%s and %s have the same key %x", name, other, key)
			}
			seen[string(key)] = name
			got, err := ParseKey(key)
			if err != nil || len(got) != 2 || !got[0].Equal(&a) || !got[1].Equal(&b) {
				t.Errorf("%s read back as %v, %v", name, got, err)
			}
		}
	}
}

// Every proper prefix of a key's last part is refused instead of read as something else.
func TestTruncatedKeysAreRefused(t *testing.T) {
	for _, v := range keyParts() {
		key := AppendKeyPart(nil, &v)
		for n := 1; n < len(key); n++ {
			if got, err := ParseKey(key[:n]); err == nil {
				t.Errorf("%d bytes of %x read as %v", n, key, got)
			}
		}
	}
	if _, err := ParseKey([]byte{byte(KindNumber), 0, 0, 0, 0, 0, 0, 0, 0}); err == nil {
		t.Error("a number was accepted as part of a key")
	}
}

// The standard library is the judge of how a number is written.
func TestNumbersAreWrittenAsJSONWritesThem(t *testing.T) {
	for _, f := range []float64{0, 1, -1, 0.1, 1.0 / 3, 1e20, 1e21, 1e22, 123456789.125, 1e-6, 1e-7, -2.5e-9, 1e-10, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		want, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendNumber(nil, f); !bytes.Equal(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTimesKeepTheirOffset(t *testing.T) {
	const text = "2026-10-15T20:00:00.25+02:00"
	std, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	at, ok := TimeOf(std)
	if !ok {
		t.Fatal("out of range")
	}
	v := TimeValue(at, 7200)
	if v.Text() != text {
		t.Errorf("got %s", v.Text())
	}
	west := TimeValue(at, -3600)
	if !v.Equal(&west) || west.Text() != "2026-10-15T17:00:00.25-01:00" {
		t.Errorf("the same instant in the west is %s", west.Text())
	}
}

func TestTimesAreHeldAtTheEndsOfTheirRange(t *testing.T) {
	if got := Time(math.MaxInt64 - 1).Add(time.Hour); got != math.MaxInt64 {
		t.Errorf("got %d", got)
	}
	if got := (NoTime + 1).Add(-time.Hour); got != NoTime {
		t.Errorf("got %d", got)
	}
	if got := Time(5).Add(2); got != 7 {
		t.Errorf("got %d", got)
	}
	for _, year := range []int{1, 1677, 2263, 9999} {
		if _, ok := TimeOf(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)); ok {
			t.Errorf("the year %d is in range", year)
		}
	}
}

func TestMappedAddressesAreTheirIPv4Address(t *testing.T) {
	a, b := IPValue(netip.MustParseAddr("10.0.0.1")), IPValue(netip.MustParseAddr("::ffff:10.0.0.1"))
	if !a.Equal(&b) || b.Text() != "10.0.0.1" {
		t.Errorf("%s and %s differ", a.Text(), b.Text())
	}
}

func TestNaNIsMissing(t *testing.T) {
	if v := NumberValue(math.NaN()); v.Known() || v.Text() != "n/a" {
		t.Errorf("got %s %s", v.Kind, v.Text())
	}
}

func TestKindsAreParsedByTheirNames(t *testing.T) {
	for _, name := range []string{"string", "number", "int", "bool", "time", "ip"} {
		if k, ok := ParseKind(name); !ok || k.String() != name {
			t.Errorf("%s parsed as %s, %v", name, k, ok)
		}
	}
	for _, name := range []string{"missing", "duration", "float", ""} {
		if _, ok := ParseKind(name); ok {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestPositionsAreOrderedByOffsetThenStep(t *testing.T) {
	order := []Position{{3, 0}, {3, 1}, {4, 0}}
	for i, p := range order {
		for j, q := range order {
			if p.Before(q) != (i < j) {
				t.Errorf("%s before %s: %v", p, q, p.Before(q))
			}
		}
	}
	if got := order[1].String(); got != "3+1" {
		t.Errorf("got %s", got)
	}
}
