package dashboard

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// frame is one server-sent event, or a comment.
type frame struct{ id, event, data, comment string }

// reader reads frames as a browser does.
type reader struct {
	t    testing.TB
	body io.ReadCloser
	in   *bufio.Scanner
}

func listen(t testing.TB, base, after, lastEventID string) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/stream?after="+after, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = got.Body.Close() })
	if kind := got.Header.Get("Content-Type"); got.StatusCode != http.StatusOK || kind != "text/event-stream; charset=utf-8" {
		t.Fatalf("%d %s", got.StatusCode, kind)
	}
	in := bufio.NewScanner(got.Body)
	in.Buffer(nil, 1<<20)
	out := &reader{t, got.Body, in}
	if f := out.next(); f.comment != "hello" {
		t.Fatalf("begins with %+v", f)
	}
	return out
}

// next returns the next frame; the zero one when the stream has ended.
func (r *reader) next() frame {
	var f frame
	for r.in.Scan() {
		name, value, _ := strings.Cut(r.in.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case r.in.Text() == "":
			return f
		case name == "":
			f.comment = value
		case name == "id":
			f.id = value
		case name == "event":
			f.event = value
		case name == "data":
			f.data += value
		case name != "retry":
			r.t.Errorf("a line of no field: %q", r.in.Text())
		}
	}
	return frame{}
}

func (r *reader) wantAlert(id, part string) {
	r.t.Helper()
	if f := r.next(); f.event != "alert" || f.id != id || !strings.Contains(f.data, part) {
		r.t.Errorf("got %+v, want alert %s with %s", f, id, part)
	}
}

func TestStreamGoesOnWhereTheClientWas(t *testing.T) {
	s := newServer(t)
	base := started(t, s)
	publish(t, s, pizza(t, 1), pizza(t, 2), pizza(t, 3))
	id := s.ring.streamID

	live := listen(t, base, "", "")
	listed := listen(t, base, id(1), "")
	back := listen(t, base, id(1), id(2)) // a browser repeats the URL and adds what it saw last
	publish(t, s, pizza(t, 4))

	live.wantAlert(id(4), `"key_text":"guest-4"`)
	for n := 2; n <= 4; n++ {
		listed.wantAlert(id(uint64(n)), fmt.Sprintf(`{"seq":%d,`, n))
	}
	back.wantAlert(id(3), "guest-3")
	back.wantAlert(id(4), "guest-4")
}

func TestStreamSaysWhenItCannotGoOn(t *testing.T) {
	s := newServer(t)
	s.ring = newRing("now", 3, 1<<20)
	base := started(t, s)
	for n := range 10 {
		publish(t, s, pizza(t, n))
	}
	for last, data := range map[string]string{
		"before-9": `{"reason":"epoch","missed":0}`, "now-11": `{"reason":"epoch","missed":0}`, "now-6": `{"reason":"behind","missed":4}`,
	} {
		r := listen(t, base, "", last)
		if f := r.next(); f.event != "reset" || f.id != "now-10" || f.data != data {
			t.Errorf("%s: %+v", last, f)
		}
	}
	r := listen(t, base, "", "now-7") // the oldest kept is 8
	r.wantAlert("now-8", "guest-7")
	if got := s.Counters(); got.Resets != 3 || got.Missed != 4 || got.Kept != 3 || got.Evicted != 7 {
		t.Errorf("counted %+v", got)
	}
}

func TestHeartbeat(t *testing.T) {
	s := newServer(t)
	beat := make(chan time.Time)
	var asked time.Duration
	s.tick = func(d time.Duration) (<-chan time.Time, func()) { asked = d; return beat, func() {} }
	r := listen(t, started(t, s), "", "")
	for range 2 {
		beat <- noon
		if f := r.next(); f.comment != "heartbeat" {
			t.Errorf("got %+v", f)
		}
	}
	if asked != 15*time.Second {
		t.Errorf("beats every %v", asked)
	}
}

// What the server allows for reading a request does not end a stream.
func TestAStreamOutlivesTheTimeToReadARequest(t *testing.T) {
	s := newServer(t)
	s.http.ReadTimeout = 20 * time.Millisecond
	beat := make(chan time.Time)
	s.tick = func(time.Duration) (<-chan time.Time, func()) { return beat, func() {} }
	r := listen(t, started(t, s), "", "")
	<-time.After(100 * time.Millisecond)
	select {
	case beat <- noon:
	case <-time.After(5 * time.Second):
		t.Fatal("the stream has ended")
	}
	if f := r.next(); f.comment != "heartbeat" {
		t.Errorf("got %+v", f)
	}
}

func TestAClientThatTakesNothingIsDropped(t *testing.T) {
	s := newServer(t)
	s.writeWithin = 50 * time.Millisecond
	base := started(t, s)
	listen(t, base, "", "") // reads no further
	long := samples[6]
	for n := 0; s.Counters().Dropped == 0; n++ {
		if n == 100_000 {
			t.Fatal("never dropped")
		}
		long.key, long.sentence = fmt.Sprint("guest-", n), strings.Repeat("x", 20_000)
		publish(t, s, long.record(t, int64(n)))
	}
	for s.Counters().Clients != 0 {
		<-time.After(time.Millisecond)
	}
}

func TestStopEndsStreamsAndMayBeRepeated(t *testing.T) {
	s := newServer(t)
	base := started(t, s)
	streams := []*reader{listen(t, base, "", ""), listen(t, base, "", "")}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for range 2 {
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range streams {
		if f := r.next(); f != (frame{}) {
			t.Errorf("after Stop: %+v", f)
		}
	}
	if got := s.Counters().Clients; got != 0 {
		t.Errorf("%d clients left", got)
	}
}

func TestOnlySoManyMayListen(t *testing.T) {
	s := newServer(t)
	s.clientMax = 2
	base := started(t, s)
	first := listen(t, base, "", "")
	listen(t, base, "", "")
	third := fetch(t, http.MethodGet, base+"/api/v1/stream")
	if third.status != http.StatusServiceUnavailable || third.header.Get("Retry-After") == "" || !strings.Contains(third.body, "too_many_streams") {
		t.Errorf("the third: %d", third.status)
	}
	_ = first.body.Close()
	for s.Counters().Clients > 1 {
		<-time.After(time.Millisecond)
	}
	listen(t, base, "", "")
}

// What a stranger wrote stays inside its event.
func TestHostileTextDoesNotBreakTheStream(t *testing.T) {
	s := newServer(t)
	r := listen(t, started(t, s), "", "")
	publish(t, s, hostile.record(t, 1), pizza(t, 1))
	r.wantAlert(s.ring.streamID(1), `\u003cscript\u003e`)
	r.wantAlert(s.ring.streamID(2), "guest-1")
}

// Whoever lists and then streams sees every alert once, whatever is published in between.
func TestNoGapBetweenListAndStream(t *testing.T) {
	s := newServer(t)
	base := started(t, s)
	const total = 400
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range total {
			publish(t, s, pizza(t, n))
		}
	})
	for range 4 {
		wg.Go(func() {
			l := getList(t, s, "?limit=500")
			r := listen(t, base, l.Stream, "")
			for want := uint64(len(l.Alerts)) + 1; want <= total; want++ {
				r.wantAlert(s.ring.streamID(want), "")
			}
		})
	}
	wg.Wait()
}

// The ring against a plain list.
func TestRingKeepsTheNewest(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := newRing("e", 1+random.IntN(20), 1000+random.IntN(20_000))
		var model []*entry
		size := 0
		for n := range 100 {
			e := &entry{id: fmt.Sprint(n), row: []byte(`{"seq":0}`), text: strings.Repeat("x", random.IntN(2000))}
			r.add(e)
			model, size = append(model, e), size+e.bytes()
			for len(model) > r.max || len(model) > 1 && size > r.bytesMax {
				size -= model[0].bytes()
				model = model[1:]
			}
			got, last := r.newestFirst()
			slices.Reverse(got)
			if last != uint64(n+1) || !slices.Equal(got, model) {
				t.Fatalf("seed %d, %d added: %d kept, want %d", seed, n+1, len(got), len(model))
			}
			from := last - uint64(random.IntN(len(model)+1))
			found, _, ok := r.after(from, make([]*entry, 0, 5))
			if want := model[len(model)-int(last-from):]; !ok || !slices.Equal(found, want[:min(5, len(want))]) {
				t.Fatalf("seed %d: after %d of %d: %d", seed, from, last, len(found))
			}
			if _, _, ok := r.after(last-uint64(len(model))-1, nil); ok && int(last) > len(model) {
				t.Fatalf("seed %d: what is gone was not missed", seed)
			}
			if r.bytes != size || len(r.byID) != len(model) {
				t.Fatalf("seed %d: %d bytes and %d ids, want %d and %d", seed, r.bytes, len(r.byID), size, len(model))
			}
		}
	}
}
