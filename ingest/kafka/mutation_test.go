package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"insolite/internal/event"
)

// A client that leaves out a part of the protocol, or whose requests reach the broker as if it did, has to bring something wrong to light: else
// the tests of this package would not notice that the part is missing. Without the change nothing is wrong.
func TestMutationsShow(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]struct {
		key    kmsg.Key
		change func(kmsg.Request)
		wrong  func(t *testing.T, c *Client, mutated bool) string
	}{
		"aborted records are read":              {kmsg.Fetch, func(r kmsg.Request) { r.(*kmsg.FetchRequest).IsolationLevel = 0 }, abortedIsRead},
		"offsets of open transactions are read": {kmsg.OffsetFetch, func(r kmsg.Request) { r.(*kmsg.OffsetFetchRequest).RequireStable = false }, openIsRead},
		"no generation as with AddOffsetsToTxn": {kmsg.TxnOffsetCommit, anyMember, zombieCommits},
		"a transactional id that no other has":  {kmsg.InitProducerID, func(kmsg.Request) {}, predecessorCommits},
	} {
		for _, mutated := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %t", name, mutated), func(t *testing.T) {
				t.Parallel()
				cluster := fake(t, kfake.GroupMinSessionTimeout(100*time.Millisecond))
				if mutated {
					cluster.ControlKey(int16(m.key), func(r kmsg.Request) (kmsg.Response, error, bool) {
						cluster.KeepControl()
						m.change(r)
						return nil, nil, false
					})
				}
				wrong := m.wrong(t, dial(t, cluster.ListenAddrs(), shortSession), mutated)
				if mutated != (wrong != "") {
					t.Errorf("mutated: %t, wrong: %q", mutated, wrong)
				}
			})
		}
	}
}

func anyMember(r kmsg.Request) {
	c := r.(*kmsg.TxnOffsetCommitRequest)
	c.Generation, c.MemberID, c.InstanceID = -1, "", nil
}

// abortedIsRead reads behind an aborted transaction.
func abortedIsRead(t *testing.T, c *Client, _ bool) string {
	ctx := testContext(t)
	tx := initiated(t, c)
	fillTxn(t, tx, 100, 110)
	ok(t, tx.flush(ctx))
	ok(t, tx.Abort(ctx))
	fillTxn(t, tx, 0, 10)
	ok(t, tx.Commit(ctx))
	f := c.NewFetcher()
	defer f.Close()
	got := drain(t, f.Add("out", 0, 0), must(c.HighWatermark(ctx, TopicPartition{"out", 0}))(t))
	if len(got) != 10 {
		return fmt.Sprintf("%d records are read, 10 were committed", len(got))
	}
	return ""
}

// openIsRead asks for the offset while another one is in an open transaction.
func openIsRead(t *testing.T, c *Client, _ bool) string {
	ctx := testContext(t)
	tx := initiated(t, c)
	fillTxn(t, tx, 0, 10)
	ok(t, tx.Commit(ctx))
	fillTxn(t, tx, 10, 20)
	ok(t, tx.flush(ctx))
	ok(t, tx.sendOffsets(ctx))
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if next, _, _, err := c.CommittedOffset(short, "in", 0); err == nil {
		return fmt.Sprintf("the offset is said to be %d, but it may be 20 in a moment", next)
	}
	return ""
}

// zombieCommits commits by a member that the group has given up.
func zombieCommits(t *testing.T, c *Client, _ bool) string {
	generations := make(chan Generation, 4)
	join(t, c, func(ctx context.Context, claim *Claim) {
		generations <- claim.Generation()
		<-ctx.Done()
	})
	zombie := <-generations
	zombie.ID--
	tx := initiated(t, c)
	ok(t, tx.Send(testContext(t), values("out", 0, 1)...))
	ok(t, tx.SendOffsets(zombie, 9, ""))
	switch err := tx.Commit(testContext(t)); {
	case err == nil:
		return "a member of an older generation has committed"
	case !errors.Is(err, ErrZombie):
		t.Error(err)
	}
	return ""
}

// predecessorCommits has a process commit what its successor has done meanwhile.
func predecessorCommits(t *testing.T, c *Client, mutated bool) string {
	ctx := testContext(t)
	old := initiated(t, c)
	fillTxn(t, old, 0, 5)
	ok(t, old.flush(ctx)) // its offset is not sent yet, so that nobody waits for it
	young := c.NewTransaction("in", 0)
	if mutated {
		young = c.newTransaction("its own", TopicPartition{"in", 0})
	}
	ok(t, young.Init(ctx))
	t.Cleanup(func() { _ = young.Close(context.Background()) })
	if next, _, found, err := c.CommittedOffset(ctx, "in", 0); found || err != nil && !errors.Is(err, ErrZombie) { // there is no group yet
		t.Errorf("the successor begins at %d: %v", next, err)
	}
	fillTxn(t, young, 0, 5)
	ok(t, young.Commit(ctx))
	_ = old.Commit(ctx) // what it says does not matter, what can be read does
	end := must(c.LastStable(ctx, TopicPartition{"out", 0}))(t)
	var twice []string
	seen := map[string]bool{}
	for r, err := range c.ReadAll(ctx, TopicPartition{"out", 0}, event.Offset(0), end) {
		ok(t, err)
		if v := string(r.Value); seen[v] {
			twice = append(twice, v)
		} else {
			seen[v] = true
		}
	}
	if len(twice) > 0 {
		return "these are committed twice: " + strings.Join(twice, ", ")
	}
	return ""
}
