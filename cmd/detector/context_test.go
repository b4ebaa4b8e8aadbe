package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"insolite/internal/app"
	"insolite/internal/event"
)

// instance is an admin listener that has some partitions of topic pays, of which it knows who has the others.
type instance struct {
	*httptest.Server
	address string
	asked   []string
	has     map[event.Partition]*app.Remembered // nil: nothing of the key
	owners  map[event.Partition]*instance
}

func newInstance(t *testing.T) *instance {
	i := &instance{has: map[event.Partition]*app.Remembered{}, owners: map[event.Partition]*instance{}}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	i.address = strings.TrimPrefix(i.URL, "http://")
	t.Cleanup(i.Close)
	return i
}

func (i *instance) serve(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	i.asked = append(i.asked, q.Get("partition")+q.Get("all"))
	if k := q.Get("keyspace"); k != "who" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": fmt.Sprintf("there is no keyspace %q", k)})
		return
	}
	a := app.ContextAnswer{Keyspace: "who", Key: map[string]any{"who": q.Get("key")}}
	for p := range event.Partition(2) {
		if q.Get("all") == "" && fmt.Sprint(p) != q.Get("partition") && (p != 1 || q.Get("partition") != "") {
			continue
		}
		place := app.ContextPlace{Topic: "pays", Partition: p, Expected: p == 1, Instance: i.address}
		if c, ok := i.has[p]; ok {
			place.Context, place.From = c, "memory"
			if c == nil {
				place.From = "none"
			}
		} else if o := i.owners[p]; o != nil {
			place.Instance, place.Host = o.address, "127.0.0.1"
		}
		a.Places = append(a.Places, place)
	}
	_ = json.NewEncoder(w).Encode(a)
}

var someContext = &app.Remembered{Position: "7", At: "2026-10-15T20:00:00Z", Newest: "2026-10-15T19:00:00Z", Bytes: 1234, Rules: []app.RememberedRule{{
	Rule: "often", Mode: "shadow", Context: []app.ToldFeature{
		{Name: "n", Value: 3, Agg: "count", Window: "1h", Samples: 3, From: "2026-10-15T19:00:00Z", To: "2026-10-15T20:00:00Z"},
		{Name: "usual", Agg: "avg", Window: "30d", Samples: 3, MinSamples: 10, Since: "4"},
		{Name: "last", Fields: map[string]any{"shop": "s", "amount": 1.5}, Agg: "last", Window: "forever", Samples: 1}},
	CoolDowns: []app.RememberedQuiet{{Until: "2026-10-15T20:30:00Z", Held: 2}},
	Evidence:  []app.RememberedEvent{{Topic: "pays", Partition: 1, Offset: 6, At: "2026-10-15T19:00:00Z"}},
}}}

const someContextTold = `who = "ann"

pays/1: in memory of ADDRESS
  as of 2026-10-15T20:00:00Z; newest event 2026-10-15T19:00:00Z; log up to 7; 1,234 bytes

  often (shadow)
  CONTEXT  VALUE                     SAMPLES  WHAT                      FROM                  TO
  n        3                               3  count, 1h                 2026-10-15T19:00:00Z  2026-10-15T20:00:00Z
  usual    unknown                   3 of 10  avg, 30d, since offset 4
  last     amount = 1.5, shop = "s"        1  last, forever
  quiet until 2026-10-15T20:30:00Z; 2 findings held back since the last alert
  EVIDENCE  AT
  pays/1@6  2026-10-15T19:00:00Z
`

// anyConfig is a configuration whose instance listens at an address.
func anyConfig(t *testing.T, admin string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "insolite.yaml")
	text := "version: 1\napp: told\nkafka: {brokers: [127.0.0.1:1]}\nsources: {pay: {topic: pays, key: who, fields: {who: string}}}\nrules: [rules.yaml]\nadmin: {listen: \"" + admin + "\"}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The instance that has the key's partition is asked, whichever is asked first; and all are when it is not where it should be.
func TestContextGetFollows(t *testing.T) {
	t.Parallel()
	one, two := newInstance(t), newInstance(t)
	one.has[0], one.owners[1] = nil, two
	two.has[1], two.owners[0] = someContext, one
	config := anyConfig(t, one.address)
	if got, want := call(t, "context", "get", "--config", config, "--keyspace", "who", "ann"), strings.Replace(someContextTold, "ADDRESS", two.address, 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if fmt.Sprintf("%q %q", one.asked, two.asked) != `[""] ["1"]` {
		t.Errorf("asked: %q %q", one.asked, two.asked)
	}
	var a app.ContextAnswer
	if err := json.Unmarshal([]byte(call(t, "context", "get", "--config", config, "--keyspace", "who", "ann", "-o", "json")), &a); err != nil || len(a.Places) != 1 || a.Places[0].Context.Bytes != 1234 {
		t.Errorf("%v: %+v", err, a)
	}

	one.has[0], two.has[1] = someContext, nil
	out := call(t, "context", "get", "--config", config, "--admin", two.address, "--keyspace", "who", "ann")
	if !strings.Contains(out, "pays/0: in memory of "+one.address) || !strings.Contains(out, "looked for in all partitions") || !strings.Contains(out, "pays: nothing in 1 partition\n") {
		t.Errorf("not where it should be:\n%s", out)
	}
	one.has[0] = nil
	if out := call(t, "context", "get", "--config", config, "--keyspace", "who", "ann"); out != "who = \"ann\"\n\npays: nothing in 2 partitions\n" {
		t.Errorf("nowhere:\n%s", out)
	}
}

func TestContextGetFails(t *testing.T) {
	t.Parallel()
	one, two, gone := newInstance(t), newInstance(t), newInstance(t)
	gone.Close()
	config := anyConfig(t, one.address)
	told := func(code int, args ...string) string {
		t.Helper()
		var out, problems strings.Builder
		if is := run(t.Context(), append([]string{"context", "get", "--config", config, "--keyspace", "who"}, args...), stdio{out: &out, err: &problems}); is != code {
			t.Errorf("%q: exit code %d, want %d", args, is, code)
		}
		return out.String() + problems.String()
	}
	one.owners[1], two.owners[1] = two, one // each says that the other one has it
	if got := told(exitFailed, "ann"); !strings.Contains(got, "pays/1: not known: the partition moves from instance to instance") {
		t.Error(got)
	}
	one.owners[1] = gone
	if got := told(exitFailed, "ann"); !strings.Contains(got, "pays/1: not known: ") || !strings.Contains(got, "connection refused") {
		t.Error(got)
	}
	if got := told(exitUsage, "ann", "--keyspace", "whom"); got != "detector: there is no keyspace \"whom\"\n" {
		t.Error(got)
	}
	if got := told(exitUsage); !strings.Contains(got, "whose context?") {
		t.Error(got)
	}
	if got := told(exitFailed, "ann", "--admin", gone.address); !strings.HasPrefix(got, "detector: no instance of told can be asked:\n  Get \"http://"+gone.address) || !strings.Contains(got, "start one with `detector run`") {
		t.Error(got)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if got := told(exitFailed, "ann", "--admin", strings.TrimPrefix(other.URL, "http://")); !strings.Contains(got, "answers with 404 Not Found; is it the admin listener") {
		t.Error(got)
	}
}

func TestElsewhere(t *testing.T) {
	for _, c := range []struct {
		instance, host string
		want           bool
	}{
		{"127.0.0.1:9090", "203.0.113.9", true}, {"localhost:9090", "203.0.113.9", true}, {"[::1]:9090", "203.0.113.9", true},
		{"127.0.0.1:9090", "127.0.0.1", false}, {"127.0.0.1:9090", "", false}, {"203.0.113.9:9090", "203.0.113.9", false}, {"node-7:9090", "203.0.113.9", false},
	} {
		if got := elsewhere(&app.ContextPlace{Instance: c.instance, Host: c.host}); got != c.want {
			t.Errorf("%s on %s: %v", c.instance, c.host, got)
		}
	}
}
