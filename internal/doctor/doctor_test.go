package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"insolite/context/checkpoint/pebble"
	"insolite/ingest/kafka"
	"insolite/internal/config"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/lookup"
)

const (
	configText = `version: 1
app: shop
kafka: {brokers: ["127.0.0.1:1"]}
sources:
  pay:
    topic: pays
    match: {field: type, equals: pay}
    key: who
    time: {field: at}
    max_ahead: 1h
    fields: {at: time, type: string, who: string, amount: number}
rules: [rules.yaml]
state: {pebble: {path: data}}
`
	rulesText = `version: 1
rules:
- {id: often, source: pay, group_by: [who], context: {n: {agg: count, window: 10d}}, condition: n >= 2}
`
)

// now is the deployment's time.
var now = time.Date(2026, 10, 15, 12, 0, 0, 0, time.UTC)

type fixture struct {
	*testing.T
	ctx context.Context
	o   Options
	c   *kafka.Client
}

// newFixture is a deployment with a topic pays of 3 partitions, whose settings may be changed.
func newFixture(t *testing.T, rulesText string, topic map[string]string, opts ...kfake.Opt) *fixture {
	t.Helper()
	t.Parallel()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	path := filepath.Join(t.TempDir(), "insolite.yaml")
	if err := os.WriteFile(path, []byte(configText), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, list := config.Load(path, config.Options{})
	if conf == nil {
		t.Fatal(list.Err())
	}
	set, more := rules.Load([]rules.File{{Path: "rules.yaml", Data: []byte(rulesText)}}, conf.Sources, &lookup.Set{}, rules.Options{})
	if set == nil {
		t.Fatal(more.Err())
	}
	dial := func(ctx context.Context) (*kafka.Client, error) {
		return kafka.Dial(ctx, kafka.Options{Brokers: cluster.ListenAddrs(), App: "shop"})
	}
	c, err := dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	f := &fixture{t, ctx, Options{Config: conf, Set: set, Problems: &diag.List{}, Dial: dial, Now: func() time.Time { return now }}, c}
	f.create("pays", 3, topic)
	return f
}

func (f *fixture) create(name string, partitions int, config map[string]string) {
	f.Helper()
	if _, err := f.c.EnsureTopic(f.ctx, kafka.TopicSpec{Name: name, Partitions: partitions, Config: config}); err != nil {
		f.Fatal(err)
	}
}

// find returns what a check tells of a subject, as "status message → cure" in lines.
func (f *fixture) find(check, subject string) string {
	var lines []string
	Run(f.ctx, f.o, func(x Finding) {
		if x.Check == check && (subject == "" || x.Subject == subject) {
			lines = append(lines, fmt.Sprintf("%s %s → %s", x.Status, x.Message, x.Cure))
		}
	})
	return strings.Join(lines, "\n")
}

func (f *fixture) want(check, subject, begin string) {
	f.Helper()
	if got := f.find(check, subject); !strings.HasPrefix(got, begin) || strings.Contains(got, "\n") != strings.Contains(begin, "\n") {
		f.Errorf("%s %s\n got %s\nwant %s…", check, subject, got, begin)
	}
}

// pay is a payment of somebody, on the partition that Java's producers choose.
func pay(who string) kafka.Message {
	at, _ := event.TimeOf(now.Add(-time.Minute))
	return kafka.Message{Topic: "pays", Key: []byte(who), Value: fmt.Appendf(nil, `{"at":"2026-10-15T11:59:00Z","type":"pay","who":%q,"amount":1}`, who), Timestamp: at}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		want   string
		change func(m *kafka.Message, n int)
	}{
		"all fit":     {"ok 20 of the newest records fit → ", func(*kafka.Message, int) {}},
		"others":      {"ok 20 of the newest records fit; 10 are of no source and passed over → ", func(m *kafka.Message, n int) { replace(m, n%2 == 0, `"pay"`, `"refund"`) }},
		"no match":    {"fail none of the newest 20 records is of any source → correct the sources' match", func(m *kafka.Message, _ int) { replace(m, true, `"pay"`, `"refund"`) }},
		"some refuse": {"warn 5 of the newest 20 records are no events and would be put aside (5 wrong_type), such as pays/", func(m *kafka.Message, n int) { replace(m, n%4 == 0, `:1}`, `:"1"}`) }},
		"all refuse":  {"fail 20 of the newest 20 records are no events and would be put aside (20 missing_field), such as pays/", func(m *kafka.Message, _ int) { replace(m, true, `"amount"`, `"sum"`) }},
		"far ahead":   {"warn 5 of the newest 20 records are no events and would be put aside (5 max_ahead), such as pays/", func(m *kafka.Message, n int) { replace(m, n%4 == 0, `T11:59`, `T13:01`) }},
		"no key": {"warn 20 of 20 sampled records have no key, so that the events", func(m *kafka.Message, n int) {
			m.Key, m.Pinned, m.Partition = nil, true, kafka.PartitionOf(m.Key, 3)
		}},
		"other key": {"warn 20 of 20 sampled records have another key than the source's key field, such as pays/", func(m *kafka.Message, _ int) { m.Key = append([]byte("customer-"), m.Key...) }},
		"other partitioner": {"warn 20 of 20 sampled records do not lie on the partition that Java's producers choose for their key, such as pays/", func(m *kafka.Message, _ int) {
			m.Pinned, m.Partition = true, (kafka.PartitionOf(m.Key, 3)+1)%3
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, rulesText, nil)
			f.want("records", "pays", "ok no records yet")
			p := f.c.NewProducer()
			defer p.Close()
			for n := range 20 {
				m := pay(fmt.Sprint("customer ", n))
				x.change(&m, n)
				if _, err := p.Produce(f.ctx, m); err != nil {
					t.Fatal(err)
				}
			}
			f.want("records", "pays", x.want)
			f.want("clock", "pays", "ok the newest record is 1m0s old → ")
		})
	}
}

func replace(m *kafka.Message, really bool, old, young string) {
	if really {
		m.Value = []byte(strings.Replace(string(m.Value), old, young, 1))
	}
}

// The same customer on two partitions has two contexts.
func TestSplitKeys(t *testing.T) {
	f := newFixture(t, rulesText, nil)
	p := f.c.NewProducer()
	defer p.Close()
	for n := range event.Partition(2) {
		m := pay("ann")
		m.Key, m.Pinned, m.Partition = nil, true, n
		if _, err := p.Produce(f.ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.find("records", "pays"); !strings.Contains(got, "1 of 2 sampled records lie on another partition than earlier events of the same key") {
		t.Error(got)
	}
}

func TestClocks(t *testing.T) {
	f := newFixture(t, rulesText, nil)
	f.want("clock", "pays", "ok no record, no clock")
	p := f.c.NewProducer()
	defer p.Close()
	if _, err := p.Produce(f.ctx, pay("ann")); err != nil {
		t.Fatal(err)
	}
	f.o.Now = func() time.Time { return now.Add(-3 * time.Minute) }
	f.want("clock", "pays", "warn the newest record's timestamp is 2m0s ahead of this machine's clock; it is a producer's")
}

func TestRetention(t *testing.T) {
	t.Parallel()
	forever := strings.Replace(rulesText, "window: 10d", "window: forever", 1)
	for name, x := range map[string]struct {
		rules, want string
		topic       map[string]string
	}{
		"enough":  {rulesText, "ok keeps 10d; rule often looks back 10d for n → ", map[string]string{"retention.ms": "864000000"}},
		"less":    {rulesText, "warn keeps 7d, but rule often looks back 10d for n: contexts of a lost store", map[string]string{"retention.ms": "604800000"}},
		"all":     {forever, "ok keeps everything; rule often looks back without end for n → ", map[string]string{"retention.ms": "-1"}},
		"forever": {forever, "warn keeps 7d, but rule often looks back without end for n: ", map[string]string{"retention.ms": "604800000"}},
		"bytes":   {rulesText, "warn keeps 5000 bytes of each partition, so how far back it reaches depends on the traffic", map[string]string{"retention.ms": "-1", "retention.bytes": "5000"}},
		"compact": {rulesText, "warn it is compacted, so events vanish", map[string]string{"cleanup.policy": "compact"}},
	} {
		t.Run(name, func(t *testing.T) {
			newFixture(t, x.rules, x.topic).want("retention", "pays", x.want)
		})
	}
}

func TestOwnTopics(t *testing.T) {
	f := newFixture(t, rulesText, nil)
	for name, x := range map[string]struct {
		want   string
		config map[string]string
	}{
		"shop.journal":      {"fail it loses entries with time", nil},
		"shop.bundles":      {"fail it loses rules that a recovery may need", map[string]string{"retention.ms": "1000"}},
		"shop.dead-letters": {"warn it is compacted", map[string]string{"cleanup.policy": "compact"}},
		f.o.Config.Alerts:   {"fail it takes batches of up to 1000 bytes, ours may have 984064", map[string]string{"max.message.bytes": "1000"}},
	} {
		f.want("topics", name, "ok not there yet; the service creates it")
		f.create(name, 1, x.config)
		f.want("topics", name, x.want)
	}
}

func TestStore(t *testing.T) {
	f := newFixture(t, rulesText, nil)
	dir := f.o.Config.State.Path
	f.want("store", dir, "ok not there yet; it is created; ")
	store, err := pebble.Open(pebble.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	f.want("store", dir, "ok a process has it open, as an instance that runs does; ")
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	f.want("store", dir, "ok it can be written, and nobody has it open; ")
	if left, _ := filepath.Glob(filepath.Join(dir, ".doctor*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if store, err = pebble.Open(pebble.Options{Dir: dir}); err != nil {
		t.Fatalf("after it was examined: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	f.o.Config.State.Path = filepath.Join(f.o.Config.Path, "data")
	f.want("store", f.o.Config.State.Path, "fail ")
}

type closer struct{}

func (closer) Close() error { return nil }

func TestRedis(t *testing.T) {
	f := newFixture(t, rulesText, nil)
	f.o.Config.State.Redis = &config.Redis{Addresses: []string{"r:6379"}}
	for want, open := range map[string]func(warn func(string, ...any)) error{
		"ok the servers answer":  func(func(string, ...any)) error { return nil },
		"warn it may lose → aof": func(warn func(string, ...any)) error { warn("%s; %s", "it may lose", "aof"); return nil },
		"fail refused → check state.redis: addresses, login and TLS": func(func(string, ...any)) error { return errors.New("refused") },
		"fail it evicts → set maxmemory-policy":                      func(func(string, ...any)) error { return errors.New("it evicts; set maxmemory-policy") },
	} {
		f.o.Redis = func(_ context.Context, warn func(string, ...any)) (io.Closer, error) { return closer{}, open(warn) }
		f.want("store", "r:6379", want)
	}
}

// Findings come in the same order whenever nothing has changed.
func TestOrder(t *testing.T) {
	f := newFixture(t, rulesText, nil)
	var first string
	for range 2 {
		var all []string
		Run(f.ctx, f.o, func(x Finding) { all = append(all, x.Check+" "+x.Subject) })
		text := strings.Join(all, "\n")
		if first == "" {
			first = text
		}
		if text != first || len(all) < 12 {
			t.Errorf("got\n%s\nwant\n%s", text, first)
		}
	}
}

// What Grants lists is what the brokers want: with it all is well, and without any part of it a check that needs it fails.
func TestGrants(t *testing.T) {
	t.Parallel()
	whole := func(Grant, string) bool { return true }
	for name, x := range map[string]struct {
		keep  func(g Grant, op string) bool
		fails string // the check
	}{
		"all":             {whole, ""},
		"no group":        {func(g Grant, _ string) bool { return g.Resource != "group" }, "group"},
		"no transactions": {func(g Grant, _ string) bool { return g.Resource != "transactional-id" }, "transactions"},
		"no reading":      {func(g Grant, op string) bool { return g.Name != "pays" || op != "Read" }, "topics"},
		"no configs":      {func(g Grant, op string) bool { return g.Name != "pays" || op != "DescribeConfigs" }, "topics"},
		"no writing":      {func(g Grant, op string) bool { return g.Name != "shop.alerts" || op != "Write" }, "acls"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := &config.Config{App: "shop", Alerts: "shop.alerts", DeadLetters: "shop.dead-letters", Sources: []*event.Source{{Topic: "pays"}}}
			var acls []kfake.ACL
			for _, g := range Grants(conf) {
				for _, op := range g.Operations {
					if !g.Redrive && x.keep(g, op) {
						acls = append(acls, acl(t, g, op))
					}
				}
			}
			f := newFixtureAs(t, acls)
			failed := map[string]bool{}
			text := ""
			Run(f.ctx, f.o, func(x Finding) {
				if x.Status == Fail {
					failed[x.Check] = true
					text += fmt.Sprintf("%+v\n", x)
				}
				if strings.Contains(x.Message+x.Cure, "pa55word") {
					t.Errorf("the password is shown: %+v", x)
				}
			})
			if x.fails == "" && len(failed) > 0 || x.fails != "" && !failed[x.fails] {
				t.Errorf("want %q to fail:\n%s", x.fails, text)
			}
		})
	}
}

func acl(t *testing.T, g Grant, op string) kfake.ACL {
	t.Helper()
	a := kfake.ACL{Name: g.Name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Allow: true}
	switch g.Resource {
	case "topic":
		a.Resource = kmsg.ACLResourceTypeTopic
	case "group":
		a.Resource = kmsg.ACLResourceTypeGroup
	case "transactional-id":
		a.Resource = kmsg.ACLResourceTypeTransactionalId
	case "cluster":
		a.Resource, a.Name = kmsg.ACLResourceTypeCluster, "kafka-cluster"
	}
	if g.Prefixed {
		a.Pattern = kmsg.ACLResourcePatternTypePrefixed
	}
	var err error
	if a.Operation, err = kmsg.ParseACLOperation(op); err != nil {
		t.Fatal(err)
	}
	return a
}

// newFixtureAs is a fixture whose login may do no more than these.
func newFixtureAs(t *testing.T, acls []kfake.ACL) *fixture {
	t.Helper()
	f := newFixture(t, rulesText, nil, kfake.SeedTopics(1, "unused"))
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "pays"), kfake.SeedTopics(1, "shop.alerts"), kfake.EnableSASL(), kfake.EnableACLs(), kfake.User("PLAIN", "shop", "pa55word", acls...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	f.o.Patience = time.Second
	f.o.Dial = func(ctx context.Context) (*kafka.Client, error) {
		return kafka.Dial(ctx, kafka.Options{Brokers: cluster.ListenAddrs(), App: "shop", SASL: &kafka.SASL{Mechanism: "PLAIN", Username: "shop", Password: "pa55word"}})
	}
	return f
}
