package kafka

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"insolite/internal/event"
)

// nobody is what a group without members takes.
var nobody = Generation{ID: -1}

// initiated returns a transaction after Init.
func initiated(t testing.TB, c *Client) *Transaction {
	t.Helper()
	tx := c.NewTransaction("in", 0)
	ok(t, tx.Init(testContext(t)))
	t.Cleanup(func() { _ = tx.Close(context.Background()) })
	return tx
}

// fillTxn puts the numbers [from, to) and the offset to into a transaction.
func fillTxn(t testing.TB, tx *Transaction, from, to int) {
	t.Helper()
	ok(t, tx.Send(testContext(t), values("out", from, to)...))
	ok(t, tx.SendOffsets(nobody, event.Offset(to), "meta"))
}

// committed returns the values of partition 0 of out that can be read as committed, and the group's offset.
func committed(t testing.TB, c *Client) ([]string, event.Offset) {
	t.Helper()
	ctx := testContext(t)
	tp := TopicPartition{"out", 0}
	end := must(c.HighWatermark(ctx, tp))(t)
	var out []string
	for r, err := range c.ReadAll(ctx, tp, 0, end) {
		ok(t, err)
		out = append(out, string(r.Value))
	}
	next, _, _, err := c.CommittedOffset(ctx, "in", 0)
	if !errors.Is(err, ErrZombie) { // else there is no group yet
		ok(t, err)
	}
	return out, next
}

func wantCommitted(t testing.TB, c *Client, count int) {
	t.Helper()
	got, next := committed(t, c)
	if len(got) != count || next != event.Offset(count) && (count > 0 || next != -1) {
		t.Fatalf("%d records and offset %d are committed, want %d", len(got), next, count)
	}
	wantNumbers(t, got, 0)
}

// An aborted transaction leaves no trace, a committed one is whole.
func TestTransaction(t *testing.T) {
	t.Parallel()
	c := dial(t, fake(t).ListenAddrs())
	ctx := testContext(t)
	wantCommitted(t, c, 0)
	tx := initiated(t, c)
	ok(t, tx.Commit(ctx)) // nothing to commit
	fillTxn(t, tx, 0, 10)
	ok(t, tx.Commit(ctx))
	wantCommitted(t, c, 10)
	fillTxn(t, tx, 100, 110)
	ok(t, tx.flush(ctx)) // they are in the log, not only in our memory
	ok(t, tx.Abort(ctx))
	wantCommitted(t, c, 10)
	fillTxn(t, tx, 10, 20)
	ok(t, tx.Commit(ctx))
	wantCommitted(t, c, 20)
	if _, metadata, _, _ := c.CommittedOffset(ctx, "in", 0); metadata != "meta" {
		t.Errorf("metadata %q", metadata)
	}
	ok(t, tx.SendOffsets(nobody, 21, "")) // offsets without records
	ok(t, tx.Commit(ctx))
	if _, next := committed(t, c); next != 21 {
		t.Errorf("committed offset %d, want 21", next)
	}
	if err := tx.SendOffsets(nobody, 22, strings.Repeat("x", 257)); err == nil {
		t.Error("metadata of 257 bytes are taken")
	}
}

// Init ends the predecessor's transaction, and nothing more comes from it.
func TestInitFencesThePredecessor(t *testing.T) {
	t.Parallel()
	c := dial(t, fake(t).ListenAddrs())
	ctx := testContext(t)
	old := initiated(t, c)
	fillTxn(t, old, 100, 110)
	ok(t, old.flush(ctx))
	young := initiated(t, c)
	fillTxn(t, young, 0, 5)
	ok(t, young.Commit(ctx))
	err := old.Commit(ctx)
	var doubt *DoubtError
	if !errors.As(err, &doubt) || doubt.Unknown || !errors.Is(err, ErrFenced) {
		t.Fatalf("the predecessor's commit: %v", err)
	}
	if err := old.Send(ctx, values("out", 0, 1)...); !errors.Is(err, ErrFenced) {
		t.Errorf("after doubt, before Init: %v", err)
	}
	wantCommitted(t, c, 5)
}

// Every code that passes is outlasted at every request; every other ends in doubt, and Init is the way on.
func TestTransactionErrors(t *testing.T) {
	t.Parallel()
	keys := []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn}
	coordinator := []*kerr.Error{kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress}
	leader := []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.KafkaStorageError}
	fatal := []*kerr.Error{kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.UnknownServerError}
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	ctx := testContext(t)
	done := 0
	for _, key := range keys {
		passing := coordinator
		if key == kmsg.Produce {
			passing = leader
		}
		if key == kmsg.AddPartitionsToTxn || key == kmsg.AddOffsetsToTxn {
			passing = append(passing, kerr.ConcurrentTransactions)
		}
		for _, code := range append(passing, fatal...) {
			tx := initiated(t, c)
			fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: code, Count: 1})
			fillTxn(t, tx, done, done+3)
			err := tx.Commit(ctx)
			if fault.Hits() != 1 {
				t.Fatalf("%s %s: the fault was met %d times", key.Name(), code.Message, fault.Hits())
			}
			var doubt *DoubtError
			if len(fatal) > 0 && isFatal(code, fatal) != errors.As(err, &doubt) {
				t.Fatalf("%s %s: %v", key.Name(), code.Message, err)
			}
			if err == nil {
				done += 3
			} else {
				ok(t, tx.Init(ctx))
			}
			wantCommitted(t, c, done)
		}
	}
	if done != 3*(4*3+5+2) {
		t.Errorf("%d records committed", done)
	}
}

func isFatal(code *kerr.Error, fatal []*kerr.Error) bool {
	for _, f := range fatal {
		if f == code {
			return true
		}
	}
	return false
}

// cutter lets a test cut the connection on which the next reply goes out, after the broker has acted.
type cutter struct{ armed atomic.Bool }

func (c *cutter) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return cutListener{l, c}, err
}

type cutListener struct {
	net.Listener
	c *cutter
}

func (l cutListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return cutConn{conn, l.c}, nil
}

type cutConn struct {
	net.Conn
	c *cutter
}

func (c cutConn) Write(b []byte) (int, error) {
	if c.c.armed.CompareAndSwap(true, false) {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// A reply that is lost after the request was carried out: everything before the end is sent again and counts once; the end itself is
// doubted, sent once only, and Init finds out.
func TestLostReplies(t *testing.T) {
	t.Parallel()
	for _, key := range []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn} {
		t.Run(key.Name(), func(t *testing.T) {
			var cut cutter
			cluster := fake(t, kfake.ListenFn(cut.listen))
			c := dial(t, cluster.ListenAddrs())
			ctx := testContext(t)
			tx := initiated(t, c)
			fillTxn(t, tx, 0, 3)
			ok(t, tx.Commit(ctx))
			fillTxn(t, tx, 3, 6)
			cluster.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				if kmsg.Key(r.Key()) == key {
					cluster.DropControl()
					cut.armed.Store(true)
				}
				return nil, nil, false
			})
			ends := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1})
			err := tx.Commit(ctx)
			if cut.armed.Load() {
				t.Fatal("nothing was cut")
			}
			if ends.Hits() != 1 {
				t.Errorf("the end was sent %d times", ends.Hits())
			}
			var doubt *DoubtError
			if key == kmsg.EndTxn {
				if !errors.As(err, &doubt) || !doubt.Unknown {
					t.Fatalf("commit: %v", err)
				}
				ok(t, tx.Init(ctx))
			} else {
				ok(t, err)
			}
			wantCommitted(t, c, 6)
		})
	}
}

// A request to commit that is lost on its way: doubt, and Init aborts.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	ctx := testContext(t)
	tx := initiated(t, c)
	fillTxn(t, tx, 0, 3)
	cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("hang up"), true })
	err := tx.Commit(ctx)
	var doubt *DoubtError
	if !errors.As(err, &doubt) || !doubt.Unknown {
		t.Fatalf("commit: %v", err)
	}
	ok(t, tx.Init(ctx))
	wantCommitted(t, c, 0)
}

// A coordinator that does not know the group says nothing of what was committed.
func TestCommittedOffsetOfAnUnknownGroup(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	tx := initiated(t, c)
	fillTxn(t, tx, 0, 3)
	ok(t, tx.Commit(testContext(t)))
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.GroupIDNotFound})
	if next, _, found, err := c.CommittedOffset(testContext(t), "in", 0); !errors.Is(err, ErrZombie) {
		t.Errorf("offset %d, %v, %v; want an error", next, found, err)
	}
	fault.Remove()
	wantCommitted(t, c, 3)
}

// While a transaction with an offset is open, the committed offset is not known, and CommittedOffset says nothing.
func TestCommittedOffsetWaitsUntilStable(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	tx := initiated(t, c)
	fillTxn(t, tx, 0, 3)
	ok(t, tx.Commit(testContext(t)))
	fillTxn(t, tx, 3, 6)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError})
	if tx.Commit(testContext(t)) == nil {
		t.Fatal("the transaction is not left open")
	}
	short, cancel := context.WithTimeout(testContext(t), 100*time.Millisecond)
	defer cancel()
	if next, _, _, err := c.CommittedOffset(short, "in", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("offset %d, %v; want a wait", next, err)
	}
	ok(t, initiated(t, c).Init(testContext(t)))
	wantCommitted(t, c, 3)
}
