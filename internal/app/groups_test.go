package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/testsize"
)

// group calls testdata/Group.java.
func (r *rig) group(args ...string) string {
	r.t.Helper()
	return r.java("testdata/Group.java", append([]string{r.project.Config.Kafka.Brokers[0]}, args...)...)
}

// outside is a client as tools have it, for the group of the service.
func (r *rig) outside() *kafka.Client {
	r.t.Helper()
	c, err := kafka.Dial(r.t.Context(), kafka.Options{Brokers: r.project.Config.Kafka.Brokers, App: r.project.Config.App})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// offset is what is committed of a partition.
type offset struct {
	next     event.Offset
	metadata string
}

func (r *rig) offset(c *kafka.Client) offset {
	r.t.Helper()
	next, metadata, found, err := c.CommittedOffset(r.t.Context(), r.topic(), 0)
	if err != nil || !found {
		r.t.Fatalf("partition 0 has a committed offset: %v, %v", found, err)
	}
	return offset{next, metadata}
}

// setOffset sets a committed offset, as tools do it: a group that has members does not take it.
func (r *rig) setOffset(c *kafka.Client, o offset) {
	r.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = c.CommitOffset(r.t.Context(), kafka.Generation{ID: -1}, r.topic(), 0, o.next, o.metadata); err == nil {
			return
		}
	}
	r.t.Fatal("set the offset:", err)
}

// The offset of a partition is set, as tools do it, and as a backup would: each is refused, and the true one leads on.
func offsetsReset(r *rig) {
	r.run()
	r.load(3_000, 3000, 0.001)()
	r.interrupt()
	tool := r.outside()
	early := r.offset(tool)
	r.run()
	r.load(3_000, 3000, 0.001)()
	r.interrupt()
	late := r.offset(tool)
	for n, c := range []struct {
		o              offset
		because, means string
	}{
		{offset{0, ""}, "the committed offset 0 carries", "another program or a reset of offsets uses this consumer group, keep it away"},
		{early, "is ahead of the committed offset", "restore the consumer group's offsets"},
		{offset{late.next, strings.Replace(late.metadata, "insolite 1", "insolite 3", 1)}, "newer version", "run the newer version"},
		{offset{late.next + 5, ""}, "carries", "keep it away"},
		{offset{late.next, "a note"}, "carries", "keep it away"},
	} {
		if n > 2 && testsize.Of(0, 1) < 2 {
			break // of the same kind: in a soak
		}
		r.setOffset(tool, c.o)
		mark := r.mark()
		r.refusedDrain(c.because)
		r.says(c.means, mark)
	}
	r.group("forget", r.project.Config.App, r.topic(), "0")
	r.refusedDrain("exists, but no committed offset")
	r.setOffset(tool, late)
	r.load(2_000, 4000, 0.001)()
	r.drain()
	r.judge()
	r.closed()
}

// says expects a text behind a mark in the program's log.
func (r *rig) says(text string, mark int64) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Second); ; time.Sleep(50 * time.Millisecond) {
		if strings.Contains(r.told()[mark:], text) {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the log does not say %q", text)
		}
	}
}

// The topic is deleted and created anew, with more records than there were, while the service runs. Kafka forgets the offsets with it.
func topicAnew(r *rig) {
	r.run()
	r.load(3_000, 3000, 0.001)()
	r.logged("msg=checkpoint", rigPartitions, patience)
	time.Sleep(time.Second) // everything is committed
	before := r.visible(r.project.Config.Alerts)
	mark := r.mark()
	r.group("anew", r.topic(), fmt.Sprint(rigPartitions))
	r.load(6_000, 6000, 0.001)()
	r.eachTask("the topic was created anew since the checkpoint", mark, patience)
	r.interrupt()
	r.refusedDrain("take another `app` to start anew")
	if !slices.Equal(r.visible(r.project.Config.Alerts), before) {
		r.t.Error("alerts were raised of the new topic")
	}
}

// A partition is added while the service runs, and gets its share of the keys. What the service has begun it goes on with, rightly for each
// partition's own log; the next start refuses.
func partitionsAdded(r *rig) {
	end := r.pour(1500)
	r.run()
	r.logged("msg=checkpoint", rigPartitions, patience)
	r.java("testdata/Admin.java", r.project.Config.Kafka.Brokers[0], "grow", r.topic(), fmt.Sprint(rigPartitions+1))
	end()
	r.load(2_000, 2000, 0.001)()
	r.interrupt()
	r.within("after a partition was added")
	r.start("drain")
	if err := r.await(patience); err == nil {
		r.t.Error("not refused")
	}
	r.logged(fmt.Sprintf("the topic has %d partitions, at the checkpoint it had %d", rigPartitions+1, rigPartitions), 1, patience)
	r.logged("keys have moved between partitions, so their histories are torn", 1, patience)
	r.within("after the refusal")
}

// Records below the checkpoint are deleted: nobody misses them. The topic is compacted for a while.
func trimmedAndCompacted(r *rig) {
	admin := func(args ...string) {
		r.java("testdata/Admin.java", append([]string{r.project.Config.Kafka.Brokers[0]}, args...)...)
	}
	r.run()
	r.load(3_000, 3000, 0.001)()
	r.interrupt()
	r.drain()
	r.past = r.read(r.topic())
	admin("trim", r.topic(), "0", "end")
	r.load(3_000, 3000, 0.001)()
	admin("set", r.topic(), "cleanup.policy", "compact")
	mark := r.mark()
	r.refusedDrain("the topic is compacted, so records vanish from what a replay reads")
	r.says("set cleanup.policy=delete for the topic", mark)
	admin("set", r.topic(), "cleanup.policy", "delete")
	r.drain()
	r.judge()
	r.closed()
}
