package app

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"insolite/internal/kafkatest"
	"insolite/internal/stagelog"
	"insolite/internal/testsize"
)

// One of three brokers is killed under load and comes back. While all are away, the service ends in time all the same.
//
// A lone broker must not be killed under load: Kafka 4.3.1 may forget, when it starts again, to end the transaction that it was ending, and
// nobody can end it then.
func brokerKilled(r *rig, cluster *kafkatest.Cluster) {
	end := r.pour(2000)
	r.start("run")
	r.logged("msg=live", rigPartitions, patience)
	for n := range testsize.Rounds(1) {
		time.Sleep(time.Second)
		cluster.Kill(n%3 + 1)
		time.Sleep(time.Second)
		cluster.Restart(n%3 + 1)
	}
	end()
	time.Sleep(3 * time.Second) // no transaction is open then
	for node := range 3 {
		cluster.Kill(node + 1)
	}
	if err := r.process.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	if err := r.await(patience); err != nil {
		r.t.Error("without a broker, after SIGTERM:", err)
	}
	cluster.Restart(1, 2, 3)
	r.drain()
	r.judge()
}

// The leaders of all topics, and with those of Kafka's own the coordinators of groups and transactions, go from one of three brokers to the
// next and on, under the whole service.
func leadersMoved(r *rig) {
	stageRig(r, terminalRule)
	end := r.pourBoth(2000)
	r.start("run")
	r.logged("msg=live", rigPartitions, patience)
	for n := range testsize.Rounds(2) {
		r.moveLeaders()
		r.goesOn(fmt.Sprint("after move ", n+1))
	}
	end()
	r.interrupt()
	r.drain()
	r.judgeStages()
}

// moveLeaders moves those of every partition that the service or its coordinators use.
func (r *rig) moveLeaders() {
	r.t.Helper()
	c := r.project.Config
	topics := append(stagelog.Topics(r.project.Set), r.topic(), c.Alerts, c.DeadLetters, c.JournalTopic(), c.BundlesTopic(), "__consumer_offsets", "__transaction_state")
	moved := strings.TrimSpace(r.java("testdata/Admin.java", append([]string{c.Kafka.Brokers[0], "move"}, topics...)...))
	if r.t.Logf("%s leaders moved", moved); moved == "0" {
		r.t.Error("no leader has moved: the test shows nothing")
	}
}
