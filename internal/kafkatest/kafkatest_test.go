package kafkatest_test

import (
	"testing"
	"time"

	"github.com/IBM/sarama"

	"insolite/internal/kafkatest"
)

const topic = "events"

// A committed record is read, an aborted one is not, and a SIGKILL of the only node changes neither.
func TestCommittedRecordOutlivesKill(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker takes seconds; run without -short")
	}
	c := kafkatest.Start(t, 1)
	createTopic(t, c.Bootstrap())
	produce(t, c.Bootstrap())
	wantCommitted(t, c.Bootstrap())
	c.Kill(1)
	c.Restart(1)
	wantCommitted(t, c.Bootstrap())
}

func config() *sarama.Config {
	conf := sarama.NewConfig()
	conf.Version = sarama.V2_8_0_0
	return conf
}

func createTopic(t *testing.T, bootstrap []string) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(bootstrap, config())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
		t.Fatal(err)
	}
}

// produce commits "first", aborts "aborted" and commits "last".
func produce(t *testing.T, bootstrap []string) {
	t.Helper()
	conf := config()
	conf.Producer.Idempotent = true
	conf.Producer.RequiredAcks = sarama.WaitForAll
	conf.Producer.Return.Successes = true
	conf.Producer.Retry.Max = 20
	conf.Producer.Transaction.ID = "kafkatest"
	conf.Producer.Transaction.Retry.Max = 100
	conf.Net.MaxOpenRequests = 1
	p, err := sarama.NewSyncProducer(bootstrap, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	for _, tx := range []struct {
		value string
		end   func() error
	}{{"first", p.CommitTxn}, {"aborted", p.AbortTxn}, {"last", p.CommitTxn}} {
		if err := p.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(tx.value)}); err != nil {
			t.Fatal(err)
		}
		if err := tx.end(); err != nil {
			t.Fatal(err)
		}
	}
}

func wantCommitted(t *testing.T, bootstrap []string) {
	t.Helper()
	conf := config()
	conf.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer, err := sarama.NewConsumer(bootstrap, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = consumer.Close() }()
	part, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = part.Close() }()
	deadline := time.After(30 * time.Second)
	for _, want := range []string{"first", "last"} {
		select {
		case m := <-part.Messages():
			if got := string(m.Value); got != want {
				t.Fatalf("read %q, want %q", got, want)
			}
		case <-deadline:
			t.Fatalf("no record, want %q", want)
		}
	}
}
