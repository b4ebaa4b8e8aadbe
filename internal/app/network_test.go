package app

import (
	"fmt"
	"time"

	"insolite/internal/faultproxy"
	"insolite/internal/testsize"
)

// behindProxy has a deployment meet one thing after another on its way to a broker or to Redis, under load.
func behindProxy(r *rig, proxy *faultproxy.Proxy, run func(n *network)) {
	n := &network{r, proxy}
	end := n.pour(2000)
	n.run()
	run(n)
	end()
	n.finish()
}

// network is a deployment with a proxy before one of its servers.
type network struct {
	*rig
	*faultproxy.Proxy
}

// patience is how long a fault may hold a task up: some time-outs in a row.
const patience = time.Minute

// goesOn waits until every task has committed again.
func (r *rig) goesOn(after string) {
	r.t.Helper()
	began := time.Now()
	line := func(p int) string { return fmt.Sprintf("msg=committed topic=%s partition=%d ", r.topic(), p) }
	before := make([]int, rigPartitions)
	for p := range before {
		before[p] = r.lines(line(p))
	}
	for p := range before {
		r.logged(line(p), before[p]+2, patience) // one may have been under way
	}
	r.t.Logf("%s: all tasks go on within %s", after, time.Since(began).Round(time.Millisecond))
}

// meet waits until so many requests have met their fault.
func (n *network) meet(what string, hits int) {
	n.t.Helper()
	for deadline := time.Now().Add(patience); n.Hits() < hits; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("%s: %d requests met a fault within %s, want %d", what, n.Hits(), patience, hits)
		}
	}
}

// exchange is a request and what has it sent.
type exchange struct {
	name string
	key  faultproxy.Key
	by   faultproxy.Key // the request whose reply has to be lost before; that of the key itself: none
}

// exchanges are the requests that a service which runs sends again and again, and those of a recovery.
var exchanges = []exchange{
	{"Produce", faultproxy.Produce, faultproxy.Produce},
	{"Fetch", faultproxy.Fetch, faultproxy.Fetch},
	{"AddPartitionsToTxn", faultproxy.AddPartitionsToTxn, faultproxy.AddPartitionsToTxn},
	{"AddOffsetsToTxn", faultproxy.AddOffsetsToTxn, faultproxy.AddOffsetsToTxn},
	{"TxnOffsetCommit", faultproxy.TxnOffsetCommit, faultproxy.TxnOffsetCommit},
	{"EndTxn", faultproxy.EndTxn, faultproxy.EndTxn},
	{"the member's Heartbeat", faultproxy.Heartbeat, faultproxy.Heartbeat},
	{"a recovery's Heartbeat", faultproxy.Heartbeat, faultproxy.EndTxn},
	{"InitProducerId", faultproxy.InitProducerID, faultproxy.EndTxn},
	{"OffsetFetch", faultproxy.OffsetFetch, faultproxy.EndTxn},
	{"ListOffsets", faultproxy.ListOffsets, faultproxy.EndTxn},
	{"Metadata", faultproxy.Metadata, faultproxy.EndTxn},
	{"FindCoordinator", faultproxy.FindCoordinator, faultproxy.AddPartitionsToTxn},
}

// requestsLost cuts connections before a request is delivered, after it was carried out, and in the middle of its reply.
func requestsLost(n *network) {
	faults := []struct {
		name  string
		fault faultproxy.Fault
	}{{"reply lost", faultproxy.LoseReply}, {"reply cut", faultproxy.CutReply}, {"request lost", faultproxy.LoseRequest}}
	for range testsize.Rounds(1) {
		for _, f := range faults {
			for _, e := range exchanges {
				n.hit(f.name+" of "+e.name, f.fault, e)
			}
			n.rejoin(f.name, f.fault)
		}
		for i := range 2 {
			n.Cut()
			n.goesOn(fmt.Sprint("cut for the time ", i+1))
		}
	}
}

// hit has one request meet a fault.
func (n *network) hit(what string, f faultproxy.Fault, e exchange) {
	n.t.Helper()
	hits := n.Hits() + 1
	n.Arm(f, 1, e.key)
	if e.by != e.key {
		n.Arm(faultproxy.LoseReply, 1, e.by)
		hits++
	}
	n.meet(what, hits)
	n.goesOn(what)
}

// rejoin has the requests of a join meet a fault.
func (n *network) rejoin(what string, f faultproxy.Fault) {
	n.t.Helper()
	for name, key := range map[string]faultproxy.Key{"JoinGroup": faultproxy.JoinGroup, "SyncGroup": faultproxy.SyncGroup} {
		n.kill()
		hits := n.Hits() + 1
		n.Arm(f, 1, key)
		n.start("run")
		n.meet(what+" of "+name, hits)
		n.goesOn(what + " of " + name)
	}
}

// networkSilent delays everything, withholds replies, and falls silent for a while, at last beyond the session.
func networkSilent(n *network) {
	n.Delay(15 * time.Millisecond)
	time.Sleep(2 * time.Second)
	n.goesOn("delayed")
	n.Delay(0)
	hits := n.Hits()
	for _, e := range exchanges { // at once: each takes a time-out
		if e.by == e.key {
			n.Arm(faultproxy.KeepSilent, 1, e.key)
			hits++
		}
	}
	n.meet("no replies", hits)
	n.goesOn("no replies")
	for range testsize.Rounds(1) {
		for _, silence := range []time.Duration{3 * time.Second, 9 * time.Second} {
			n.Silence()
			time.Sleep(silence)
			n.Resume()
			n.goesOn("silent for " + silence.String())
		}
	}
	if testsize.Row() > 0 { // each takes a time-out
		for _, e := range exchanges {
			n.hit("no reply to "+e.name, faultproxy.KeepSilent, e)
		}
	}
}

// storeUnreachable does the same to Redis.
func storeUnreachable(n *network) {
	for range testsize.Rounds(3) {
		for _, f := range []faultproxy.Fault{faultproxy.LoseReply, faultproxy.CutReply, faultproxy.LoseRequest} {
			hits := n.Hits() + 3
			n.Arm(f, 3, faultproxy.Any)
			n.meet(fmt.Sprint("store, fault ", f), hits)
			n.goesOn(fmt.Sprint("store, fault ", f))
		}
	}
	hits := n.Hits() + 2
	n.Arm(faultproxy.KeepSilent, 2, faultproxy.Any)
	n.meet("store, no reply", hits)
	n.goesOn("store, no reply")
	n.Silence()
	time.Sleep(4 * time.Second)
	n.Resume()
	n.goesOn("store silent")
	n.Cut()
	n.goesOn("store cut")
	n.Delay(5 * time.Millisecond)
	time.Sleep(2 * time.Second)
	n.Delay(0)
	if n.lines("refused") > 0 {
		n.t.Error("a task was refused")
	}
}
