package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/kafkatest"
	"insolite/internal/redistest"
)

// What a task remembers is told as it is, from memory, and after a restart from the store or from memory.
func TestContextIsTold(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.start()
	s.untilStatus("/readyz", http.StatusOK)
	for i := range 3 {
		s.pay("ann", fmt.Sprint(i), 400)
	}
	ask := func(query string) (a ContextAnswer) {
		t.Helper()
		status, body := s.admin("/context?" + query)
		if err := json.Unmarshal([]byte(body), &a); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d, %v: %s", query, status, err, body)
		}
		return a
	}
	const ann = "keyspace=who&key=ann"
	untilSeen := func() (a ContextAnswer) {
		s.until("three payments", func() (string, bool) {
			a = ask(ann)
			c := a.Places[0].Context
			return fmt.Sprintf("%+v", a), c != nil && len(c.Rules) == 1 && c.Rules[0].Context[0].Samples == 3
		})
		return a
	}
	a := untilSeen()
	p := a.Places[0]
	r := p.Context.Rules[0]
	if len(a.Places) != 1 || p.Topic != servedTopic || p.Partition != kafka.PartitionOf([]byte("ann"), 2) || !p.Expected || p.From != "memory" || p.Context.Bytes < 100 {
		t.Errorf("ann: %+v", a)
	}
	if f := r.Context[0]; r.Rule != "often" || f.Name != "n" || f.Value != 3.0 || f.Agg != "count" || f.Window != "1s" || f.From == "" || f.To != p.Context.Newest {
		t.Errorf("often: %+v", r)
	}
	if len(r.CoolDowns) != 1 || r.CoolDowns[0].Held != 1 || r.CoolDowns[0].Until == "" || len(r.Evidence) != 3 {
		t.Errorf("often is quiet: %+v", r)
	}
	if a := ask("keyspace=who,shop&key=who%3Dann&key=shop%3Ds"); a.Keyspace != "shop,who" || len(a.Places) != 1 || a.Places[0].Partition != p.Partition || a.Places[0].Context.Rules[0].Context[0].Value != 1200.0 {
		t.Errorf("ann in the shop: %+v", a)
	}
	if a := ask("keyspace=who&key=nobody&all=1"); len(a.Places) != 2 || a.Places[0].From != "none" || a.Places[1].From != "none" {
		t.Errorf("nobody: %+v", a)
	}
	s.service.Stop()
	s.start()
	s.untilStatus("/readyz", http.StatusOK)
	s.until("all contexts to be in memory", func() (string, bool) { // ann's two, without an event that asks for them
		_, body := s.admin("/metrics")
		m := scrape(t, body)
		return body, m["insolite_context_warm"] == 2 && m["insolite_context_warmed_total"] == 2 && m["insolite_context_loaded_total"] == 0
	})
	if again := untilSeen().Places[0]; again.Context.Position != p.Context.Position || again.Context.Bytes != p.Context.Bytes {
		t.Errorf("after a restart %+v, before %+v", again.Context, p.Context)
	}

	outside, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.service.admin.URL()+"/context?"+ann, nil)
	if err != nil {
		t.Fatal(err)
	}
	outside.Host = "rebound.example:9090"
	if r, err := http.DefaultClient.Do(outside); err != nil || r.StatusCode != http.StatusForbidden {
		t.Errorf("by another name: %v, %v", r, err)
	} else {
		_ = r.Body.Close()
	}
	for query, want := range map[string]string{
		"keyspace=whom&key=ann":             `there is no keyspace "whom"; did you mean "who"?; the rules in force group by: shop,who; who`,
		"key=ann":                           "which keyspace? Name one of: shop,who; who",
		"keyspace=who&key=ann&topic=pay":    `no task of topic "pay" has the keyspace who; did you mean "pays"?; it is of: pays`,
		"keyspace=who":                      "a key of keyspace who is 1 values, not 0: who=…",
		"keyspace=who&key=ann&partition=2":  `topic pays has no partition "2"; it has 2, from 0`,
		"keyspace=shop,who&key=who%3Da&key": "give every value with its field, as in shop=… who=…, or none",
	} {
		status, body := s.admin("/context?" + query)
		var e struct{ Error string }
		if err := json.Unmarshal([]byte(body), &e); err != nil || status != http.StatusBadRequest || e.Error != want {
			t.Errorf("%s: %d %q, want %q", query, status, e.Error, want)
		}
	}
}

func TestKeysAreRead(t *testing.T) {
	for _, c := range []struct {
		text string
		kind event.Kind
		want string // of the value, or of the error
	}{
		{"ann", event.KindString, "ann"}, {"", event.KindString, ""}, {"42", event.KindInt, "42"}, {"4.2", event.KindInt, `"4.2" is no int; write it as in 42`},
		{"true", event.KindBool, "true"}, {"yes", event.KindBool, `"yes" is no bool; write true or false`}, {"1.5", event.KindNumber, "1.5"},
		{"192.0.2.1", event.KindIP, "192.0.2.1"}, {"192.0.2", event.KindIP, `"192.0.2" is no IP address; write it as in 192.0.2.1`},
		{"now", event.KindTime, "keys with a time can't be asked for"},
	} {
		v, err := parseValue(c.text, c.kind)
		got := v.Text()
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q as %s: %q, want %q", c.text, c.kind, got, c.want)
		}
	}
}

func TestAskersHaveTurns(t *testing.T) {
	var p turns
	now := time.Unix(0, 0)
	n := 0
	for ; ; n++ {
		wait, ok := p.turn(now)
		if !ok {
			break
		}
		if wait != time.Duration(n)*contextPace {
			t.Fatalf("the %d. waits %s", n, wait)
		}
	}
	if n != int(contextQueue/contextPace)+1 {
		t.Errorf("%d have a turn", n)
	}
	if wait, ok := p.turn(now.Add(time.Hour)); wait != 0 || !ok {
		t.Errorf("later one waits %s", wait)
	}
}

func TestAdminURL(t *testing.T) {
	for id, want := range map[string]string{"insolite@10.0.0.1:9090": "10.0.0.1:9090", "insolite@:9090": "10.0.0.7:9090", "insolite@[::]:9090": "10.0.0.7:9090", "insolite@0.0.0.0:1": "10.0.0.7:1", "insolite@localhost:1": "localhost:1", "sarama": "", "insolite@": ""} {
		if got := AdminURL(kafka.Member{ClientID: id, Host: "/10.0.0.7"}); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

// Two instances share the partitions: whichever is asked, the command finds the one that has the key.
func TestContextOfAnotherInstance(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker and Redis take seconds; run without -short")
	}
	server := redistest.Start(t)
	cluster := kafkatest.Start(t, 1)
	one := newRig(t, cluster.Bootstrap(), build(t), "told", fmt.Sprintf("state: {store: redis, redis: {addresses: [%q]}, checkpoint_interval: 300ms}\n", server.Addr()))
	two := one.twin(func(text string) string { return strings.Replace(text, "static_id: one", "static_id: two", 1) })
	one.start("run")
	two.start("run")
	if err := one.produce(t.Context(), 2000, 5000, 0); err != nil {
		t.Fatal(err)
	}
	one.logged("msg=live", 1, patience)
	two.logged("msg=live", 1, patience)
	keys := map[event.Partition]string{}
	for p, records := range one.read(one.topic()) {
		for _, r := range records {
			keys[event.Partition(p)] = string(r.Key)
		}
	}
	for _, r := range []*rig{one, two} {
		admin := r.adminAddress()
		instances := map[string]bool{}
		for p := range event.Partition(rigPartitions) {
			var a ContextAnswer
			out := ""
			for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) { // both have to be live, and to have read the key
				b, err := exec.Command(r.program, "context", "get", "--config", r.config, "--admin", admin, "--keyspace", "customer_id", keys[p], "-o", "json").CombinedOutput()
				out, a = string(b), ContextAnswer{}
				if err == nil && json.Unmarshal(b, &a) == nil && len(a.Places) == 1 && a.Places[0].Context != nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s asked for %s: %v\n%s", admin, keys[p], err, out)
				}
			}
			if a.Places[0].Partition != p || a.Places[0].From == "none" || len(a.Places[0].Context.Rules) == 0 {
				t.Errorf("%s asked for %s of partition %d: %s", admin, keys[p], p, out)
			}
			instances[a.Places[0].Instance] = true
		}
		if len(instances) != 2 || !instances[admin] {
			t.Errorf("%s asked: the answers are of %v", admin, instances)
		}
	}
	if out, err := exec.Command(one.program, "context", "get", "--config", one.config, "--keyspace", "customer_id", "nobody-has-this-name").CombinedOutput(); err != nil || !strings.Contains(string(out), "nothing in 4 partitions") {
		t.Errorf("a key that nobody has, asked by way of the group: %v\n%s", err, out)
	}
	for _, r := range []*rig{one, two} {
		r.interrupt()
	}
}

// adminAddress returns where the program's admin listener is, as its log says.
func (r *rig) adminAddress() string {
	r.t.Helper()
	b, err := os.ReadFile(r.log.Name())
	if err != nil {
		r.t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), " admin=http://")
	if !ok {
		r.t.Fatal("the log does not say where the admin listener is")
	}
	return strings.Fields(rest)[0]
}
