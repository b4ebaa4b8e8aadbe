package deadletter

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"insolite/ingest"
	"insolite/internal/event"
	"insolite/internal/golden"
)

func letter() *Letter {
	return &Letter{
		App: "shop", Topic: "payments", Partition: 3,
		Record: ingest.Record{Offset: 41, Timestamp: 1_760_551_200_500_000_000, Key: []byte("ann"), Value: []byte(`{"amount":"x"}`),
			Headers: []ingest.Header{{Key: "trace", Value: []byte("t1")}, {Key: "none"}}},
		Stage: "decode", Reason: "wrong_type", Source: "payment.authorized", Field: "amount", Byte: 10, Message: "a text; send a number",
	}
}

func show(m *Message) string {
	b := fmt.Appendf(nil, "%q = %q\n", m.Key, m.Value)
	for _, h := range m.Headers {
		b = fmt.Appendf(b, "%s: %s\n", h.Key, h.Value)
	}
	return string(b)
}

func TestMessage(t *testing.T) {
	l := letter()
	m := l.Encode()
	want := `"ann" = "{\"amount\":\"x\"}"
trace: t1
none: 
__insolite.errors.schema: 1
__insolite.errors.stage: decode
__insolite.errors.reason: wrong_type
__insolite.errors.source: payment.authorized
__insolite.errors.field: amount
__insolite.errors.byte: 10
__insolite.errors.message: a text; send a number
__insolite.errors.app: shop
__insolite.errors.topic: payments
__insolite.errors.partition: 3
__insolite.errors.offset: 41
__insolite.errors.timestamp: 2025-10-15T18:00:00.5Z
`
	if got := show(&m); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	golden.Same(t, "testdata/letter-1.hex", []byte(want))
	if m.Headers[1].Value != nil {
		t.Error("a header without a value has got one")
	}
	l.Record.Key[0], l.Record.Value[0], l.Record.Headers[0].Value[0] = 'X', 'X', 'X'
	if got := show(&m); got != want {
		t.Errorf("the message is no copy:\n%s", got)
	}
}

func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	l := Letter{App: "shop", Topic: "payments", Record: ingest.Record{Timestamp: event.NoTime, Value: []byte{}}, Stage: "decode", Reason: "not_an_object", Byte: -1, Message: "m"}
	m := l.Encode()
	for _, h := range m.Headers {
		switch h.Key {
		case HeaderSource, HeaderField, HeaderByte, HeaderTimestamp, HeaderKeyCut, HeaderValueCut, HeaderHeadersDropped:
			t.Errorf("there is %s: %s", h.Key, h.Value)
		}
	}
	if m.Key != nil || m.Value == nil {
		t.Errorf("nil and empty are confused: key %v, value %v", m.Key, m.Value)
	}
}

// A record that comes back after it was a dead letter does not gather headers.
func TestAnEarlierLetterIsReplaced(t *testing.T) {
	first := letter().Encode()
	again := letter()
	again.Record.Headers, again.Record.Offset = first.Headers, 99
	if got := again.Encode(); len(got.Headers) != len(first.Headers) || !strings.Contains(show(&got), "offset: 99") || strings.Contains(show(&got), "offset: 41") {
		t.Errorf("got\n%s", show(&got))
	}
}

func header(m *Message, name string) string {
	for _, h := range m.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// size is what Kafka's record format takes at most: five bytes before each field.
func size(m *Message) int {
	n := len(m.Key) + len(m.Value) + 2*5
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value) + 2*5
	}
	return n
}

func TestEveryLetterFits(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	own := []ingest.Header{{Key: "k", Value: make([]byte, headersBytesMax)}}
	fill := func(n int) []byte { return bytes.Repeat([]byte("0123456789"), n/10+1)[:n] }
	for _, keyLen := range []int{0, keyBytesMax, keyBytesMax + 1, 3 << 20} {
		for _, valueLen := range []int{0, 1000, BytesMax - 70000, BytesMax - 500, BytesMax, 3 << 20} {
			for _, text := range []string{"short", long} {
				for _, headers := range [][]ingest.Header{nil, own, append(own, own...)} {
					l := letter()
					l.Record.Key, l.Record.Value, l.Record.Headers, l.Message, l.Source = fill(keyLen), fill(valueLen), headers, text, text
					checkFits(t, l)
				}
			}
		}
	}
}

func checkFits(t *testing.T, l *Letter) {
	t.Helper()
	m := l.Encode()
	name := fmt.Sprintf("key %d, value %d, %d headers", len(l.Record.Key), len(l.Record.Value), len(l.Record.Headers))
	if n := size(&m); n > BytesMax {
		t.Errorf("%s: %d bytes", name, n)
	}
	for _, c := range []struct {
		header    string
		got, full []byte
	}{{HeaderKeyCut, m.Key, l.Record.Key}, {HeaderValueCut, m.Value, l.Record.Value}} {
		want := ""
		if cut := len(c.full) - len(c.got); cut > 0 {
			want = fmt.Sprint(cut)
		}
		if got := header(&m, c.header); got != want || !bytes.HasPrefix(c.full, c.got) {
			t.Errorf("%s: %s is %q, want %q", name, c.header, got, want)
		}
	}
	if len(m.Value) < len(l.Record.Value) && size(&m) < BytesMax-1000 {
		t.Errorf("%s: %d bytes of the value although there was room", name, len(m.Value))
	}
	if dropped := header(&m, HeaderHeadersDropped); len(l.Record.Headers) > 0 && dropped != fmt.Sprint(len(l.Record.Headers)) {
		t.Errorf("%s: headers dropped: %q", name, dropped)
	}
	if text := header(&m, HeaderMessage); !utf8.ValidString(text) || !strings.HasPrefix(l.Message, strings.TrimSuffix(text, "…")) || len(text) < min(len(l.Message), textBytesMax-8) {
		t.Errorf("%s: message of %d bytes", name, len(text))
	}
}

// Everything that operators may meet is in their page.
func TestDocsNameEverything(t *testing.T) {
	page, err := os.ReadFile("../../docs/dead-letters.md")
	if err != nil {
		t.Fatal(err)
	}
	reason := regexp.MustCompile(`(?m)^\s*(?:Reason|Header)\w+\s+= (?:Prefix \+ )?"(\w+)"`)
	for dir, least := range map[string]int{".": 14, "../../ingest/decode": 7, "../../internal/engine": 1} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range reason.FindAllSubmatch(src, -1) {
				found++
				if !bytes.Contains(page, fmt.Appendf(nil, "| `%s` |", m[1])) {
					t.Errorf("docs/dead-letters.md does not name %s, which %s has", m[1], f)
				}
			}
		}
		if found < least {
			t.Errorf("%s: found %d names, there are %d at least", dir, found, least)
		}
	}
}
