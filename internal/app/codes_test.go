package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/task"
	"insolite/internal/testsize"
)

// Error codes of brokers, by what they tell.
var (
	coordinatorCodes = []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.UnknownServerError}
	producerCodes    = []*kerr.Error{kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping, kerr.InvalidTxnState,
		kerr.ConcurrentTransactions, kerr.TransactionCoordinatorFenced, kerr.TransactionAbortable}
	memberCodes = []*kerr.Error{kerr.FencedInstanceID, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.GroupIDNotFound}
	leaderCodes = []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.FencedLeaderEpoch,
		kerr.KafkaStorageError, kerr.RequestTimedOut, kerr.UnknownServerError}
	writeCodes = []*kerr.Error{kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID,
		kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidTxnState}
)

// answers are the requests of a service, each with the error codes that it may be answered with.
var answers = []struct {
	key    kmsg.Key
	topic  string // at this one only: %s is the source's
	by     kmsg.Key
	reason *kerr.Error // what by is answered, so that the request is sent; nil: it is sent again and again
	codes  []*kerr.Error
}{
	{key: kmsg.AddPartitionsToTxn, codes: slices.Concat(coordinatorCodes, producerCodes)},
	{key: kmsg.AddOffsetsToTxn, codes: slices.Concat(coordinatorCodes, producerCodes)},
	{key: kmsg.TxnOffsetCommit, codes: slices.Concat(coordinatorCodes, producerCodes, memberCodes, []*kerr.Error{kerr.UnstableOffsetCommit})},
	{key: kmsg.EndTxn, codes: slices.Concat(coordinatorCodes, producerCodes)},
	{key: kmsg.Produce, topic: "codes.alerts", codes: slices.Concat(leaderCodes, writeCodes)},
	{key: kmsg.Fetch, topic: "payments-codes", codes: slices.Concat(leaderCodes, []*kerr.Error{kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable, kerr.OffsetOutOfRange})},
	{key: kmsg.Heartbeat, codes: slices.Concat(coordinatorCodes, memberCodes)},
	{key: kmsg.InitProducerID, by: kmsg.EndTxn, reason: kerr.InvalidTxnState, codes: slices.Concat(coordinatorCodes, producerCodes)},
	{key: kmsg.OffsetFetch, by: kmsg.EndTxn, reason: kerr.InvalidTxnState, codes: slices.Concat(coordinatorCodes, []*kerr.Error{kerr.UnstableOffsetCommit, kerr.GroupIDNotFound})},
	{key: kmsg.Metadata, topic: "payments-codes", by: kmsg.EndTxn, reason: kerr.InvalidTxnState, codes: leaderCodes},
	{key: kmsg.ListOffsets, topic: "payments-codes", by: kmsg.EndTxn, reason: kerr.InvalidTxnState, codes: leaderCodes},
	{key: kmsg.FindCoordinator, by: kmsg.AddPartitionsToTxn, reason: kerr.NotCoordinator, codes: coordinatorCodes},
	{key: kmsg.JoinGroup, by: kmsg.Heartbeat, reason: kerr.RebalanceInProgress, codes: slices.Concat(coordinatorCodes, memberCodes)},
	{key: kmsg.SyncGroup, by: kmsg.Heartbeat, reason: kerr.RebalanceInProgress, codes: slices.Concat(coordinatorCodes, memberCodes)},
}

// A broker answers each request with each code of coordinators, leaders and fencing. Every task goes on, and what is visible is what the
// oracle says.
func TestErrorCodes(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	c := &coded{rig: newRig(t, broker.ListenAddrs(), "", "codes", "commit_interval: 20ms\n"), broker: broker}
	now := func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }
	c.service = NewService(ServiceOptions{Project: c.project, Logger: slog.New(slog.NewTextHandler(c.log, nil)), Now: now})
	if err := c.service.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.service.Stop)
	c.enough = make(chan struct{})
	end := c.load(10_000_000, 2000, 0.001)
	c.goesOn("the start")
	total, n := 0, 0
	for _, a := range answers {
		total += len(a.codes)
	}
	every := max(1, total/testsize.Of(5, 45)) // a soak tries all of them
	for _, a := range answers {
		for _, code := range a.codes {
			asked := a.key == kmsg.OffsetFetch && code == kerr.GroupIDNotFound // once taken for a group that has committed nothing
			if n++; n%every == 0 || asked {
				c.answer(a.key, a.topic, a.by, a.reason, code)
			}
		}
	}
	close(c.enough)
	end()
	c.untilEnd()
	c.service.Stop()
	c.judge()
	c.closed()
}

// coded is a service on an embedded broker that answers with errors.
type coded struct {
	*rig
	broker  *kfake.Cluster
	service *Service
	ahead   atomic.Int64 // of the service's clock
}

// answer has one request answered with a code.
func (c *coded) answer(key kmsg.Key, topic string, by kmsg.Key, reason, code *kerr.Error) {
	c.t.Helper()
	what := fmt.Sprintf("%s answered with %s", key.Name(), code.Message)
	fault := c.broker.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: topic, Err: code})
	defer fault.Remove()
	if reason != nil {
		defer c.broker.Fault(kfake.Fault{Keys: []kmsg.Key{by}, Err: reason}).Remove()
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if err := fault.Wait(ctx, 1); err != nil {
		c.t.Fatalf("%s: it was not sent: %v", what, err)
	}
	c.goesOn(what)
	c.ahead.Add(int64(time.Minute)) // the next recovery is none after another, and does not wait for longer
}

// goesOn waits until every task of the source is live and has committed more.
func (c *coded) goesOn(after string) {
	c.t.Helper()
	began := time.Now()
	before := map[event.Partition]event.Offset{}
	source := c.service.config.Sources[0].Topic
	for _, s := range c.service.statuses() {
		if s.Topic == source {
			before[s.Partition] = s.Committed.Offset
		}
	}
	for deadline := began.Add(patience); ; time.Sleep(5 * time.Millisecond) {
		moved := 0
		for _, s := range c.service.statuses() {
			if s.Topic == source && s.Phase == task.Live && s.Committed.Offset > before[s.Partition] {
				moved++
			}
		}
		if moved == rigPartitions {
			break
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: %d of %d tasks go on within %s", after, moved, rigPartitions, patience)
		}
	}
	c.t.Logf("%s: all tasks go on within %s", after, time.Since(began).Round(time.Millisecond))
}

// untilEnd waits until everything is read and committed. Where the log ends is asked of the broker: a task knows of its last fetch only.
func (c *coded) untilEnd() {
	c.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		done := 0
		for _, s := range c.service.statuses() {
			end, err := c.client.LastStable(c.t.Context(), kafka.TopicPartition{Topic: s.Topic, Partition: s.Partition})
			if err == nil && s.Phase == task.Live && s.Committed.Offset == end {
				done++
			}
		}
		if done == rigPartitions {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%d of %d tasks are at the end within %s", done, rigPartitions, patience)
		}
	}
}
