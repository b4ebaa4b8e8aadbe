package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"insolite/internal/event"
)

func TestTopics(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	ctx := testContext(t)
	if _, err := c.DescribeTopic(ctx, "app.journal"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a topic that is not there: %v", err)
	}
	spec := TopicSpec{Name: "app.journal", Partitions: 3, Replication: 1, Config: map[string]string{"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime", "max.message.bytes": "2000000"}}
	for _, want := range []bool{true, false} {
		if created := must(c.EnsureTopic(ctx, spec))(t); created != want {
			t.Errorf("created: %v, want %v", created, want)
		}
	}
	got := must(c.DescribeTopic(ctx, "app.journal"))(t)
	if got.Partitions != 3 || !got.Compacted || !got.LogAppendTime || got.MaxMessageBytes != 2_000_000 || len(got.ID) != 32 || got.ID == strings.Repeat("0", 32) {
		t.Errorf("described %+v", got)
	}
	ok(t, cluster.DeleteTopic("app.journal"))
	must(c.EnsureTopic(ctx, spec))(t)
	if again := must(c.DescribeTopic(ctx, "app.journal"))(t); again.ID == got.ID {
		t.Error("a topic that was created anew has its old id")
	}
	if plain := must(c.DescribeTopic(ctx, "in"))(t); plain.Partitions != 4 || plain.Compacted || plain.LogAppendTime {
		t.Errorf("described %+v", plain)
	}
}

func TestOffsets(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	ctx := testContext(t)
	p := c.NewProducer()
	defer p.Close()
	tp := TopicPartition{"in", 2}
	for i := range 10 {
		at := event.Time(1_700_000_000_000+int64(i)*1000) * 1_000_000
		must(p.Produce(ctx, Message{Topic: "in", Pinned: true, Partition: 2, Value: fmt.Append(nil, i), Timestamp: at}))(t)
	}
	ok(t, cluster.DeleteRecords("in", 2, 3))
	if got := must(c.Earliest(ctx, tp))(t); got != 3 {
		t.Errorf("earliest %d", got)
	}
	for _, check := range []struct {
		at   event.Time
		want event.Offset
	}{
		{event.NoTime, 3}, {1_700_000_005_000_000_000, 5}, {1_700_000_005_000_000_001, 6}, {1_700_000_009_000_000_000, 9}, {1_700_000_009_000_000_001, 10},
	} {
		if got := must(c.OffsetForTime(ctx, tp, check.at))(t); got != check.want {
			t.Errorf("at %d: offset %d, want %d", check.at, got, check.want)
		}
	}
	if r := must(c.RecordAt(ctx, tp, 7))(t); string(r.Value) != "7" || r.Offset != 7 {
		t.Errorf("record %+v", r)
	}
	var out *OutOfRangeError
	for _, at := range []event.Offset{2, 10} {
		if _, err := c.RecordAt(ctx, tp, at); !errors.As(err, &out) || out.Earliest != 3 || out.Latest != 10 {
			t.Errorf("record %d: %v", at, err)
		}
	}
}

// ReadAll waits until a transaction that was open when it began has ended, and passes what is not committed.
func TestReadAllWaitsForOpenTransactions(t *testing.T) {
	t.Parallel()
	c := dial(t, fake(t).ListenAddrs(), func(o *Options) { o.FetchWait = 10 * time.Millisecond })
	ctx := testContext(t)
	produce(t, c, "out", 0, 5)
	tx := initiated(t, c)
	ok(t, tx.Send(ctx, values("out", 100, 105)...))
	ok(t, tx.flush(ctx))
	produce(t, c, "out", 5, 10)
	tp := TopicPartition{"out", 0}
	end := must(c.HighWatermark(ctx, tp))(t)
	if stable := must(c.LastStable(ctx, tp))(t); end != 15 || stable != 5 {
		t.Fatalf("high watermark %d, last stable %d", end, stable)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	var got []string
	var last error
	for r, err := range c.ReadAll(short, tp, 0, end) {
		if last = err; err == nil {
			got = append(got, string(r.Value))
		}
	}
	if len(got) != 5 || !errors.Is(last, context.DeadlineExceeded) {
		t.Fatalf("%d records, %v", len(got), last)
	}
	ok(t, tx.Abort(ctx))
	got = got[:0]
	for r, err := range c.ReadAll(ctx, tp, 0, end) {
		ok(t, err)
		got = append(got, string(r.Value))
	}
	if len(got) != 10 {
		t.Fatalf("%d records", len(got))
	}
	wantNumbers(t, got, 0)
	if _, err := c.RecordAt(ctx, tp, 5); !errors.Is(err, ErrNotFound) {
		t.Errorf("an aborted record: %v", err)
	}
}

func TestDialTellsBrokerCauseAndCure(t *testing.T) {
	t.Parallel()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	addr := l.Addr().String()
	ok(t, l.Close())
	empty := filepath.Join(t.TempDir(), "token")
	ok(t, os.WriteFile(empty, nil, 0o600))
	for name, check := range map[string]struct {
		opts Options
		want []string
	}{
		"nobody listens":    {Options{Brokers: []string{addr}, App: "a"}, []string{addr, "refused", "is Kafka running there"}},
		"no broker":         {Options{App: "a"}, []string{"kafka.brokers"}},
		"no app":            {Options{Brokers: []string{addr}}, []string{"set app"}},
		"compression":       {Options{Brokers: []string{addr}, App: "a", Compression: "rar"}, []string{`"rar"`, "zstd"}},
		"timeouts":          {Options{Brokers: []string{addr}, App: "a", RequestTimeout: time.Minute}, []string{"1m0s", "10s"}},
		"mechanism":         {Options{Brokers: []string{addr}, App: "a", SASL: &SASL{Mechanism: "GSSAPI", Username: "u", Password: "p"}}, []string{"GSSAPI", "SCRAM-SHA-512"}},
		"no password":       {Options{Brokers: []string{addr}, App: "a", SASL: &SASL{Mechanism: "PLAIN", Username: "u"}}, []string{"kafka.sasl.password"}},
		"password for SASL": {Options{Brokers: []string{addr}, App: "a", SASL: &SASL{Mechanism: "SCRAM-SHA-256", Username: "u", Password: "pä"}}, []string{"ASCII"}},
		"token":             {Options{Brokers: []string{addr}, App: "a", SASL: &SASL{Mechanism: "OAUTHBEARER", TokenFile: empty}}, []string{"token_file", "empty"}},
		"authorities":       {Options{Brokers: []string{addr}, App: "a", TLS: &TLS{CA: empty}}, []string{"kafka.tls.ca", "PEM"}},
		"certificate":       {Options{Brokers: []string{addr}, App: "a", TLS: &TLS{Cert: empty, Key: empty}}, []string{"kafka.tls.cert"}},
	} {
		_, err := Dial(testContext(t), check.opts)
		for _, want := range check.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %s", name, err, want)
			}
		}
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	cluster := fake(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "ann", "secret"), kfake.Superuser("SCRAM-SHA-256", "bob=,", "secret"), kfake.Superuser("SCRAM-SHA-512", "cid", "secret"))
	for mechanism, user := range map[string]string{"PLAIN": "ann", "SCRAM-SHA-256": "bob=,", "SCRAM-SHA-512": "cid"} {
		opts := Options{Brokers: cluster.ListenAddrs(), App: "app", SASL: &SASL{Mechanism: mechanism, Username: user, Password: "secret"}}
		c, err := Dial(testContext(t), opts)
		if err != nil {
			t.Errorf("%s: %v", mechanism, err)
			continue
		}
		produce(t, c, "in", 0, 3)
		ok(t, c.Close())
		opts.SASL.Password = "wrong"
		if _, err := Dial(testContext(t), opts); err == nil || !strings.Contains(err.Error(), "check kafka.sasl") {
			t.Errorf("%s with a wrong password: %v", mechanism, err)
		}
	}
}
