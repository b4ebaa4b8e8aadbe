package kafkatest

import (
	"fmt"
	"path/filepath"
)

// properties is the server.properties of a node in a cluster of count nodes. The time-outs are short: a killed broker is noticed
// in 2 s, not in 9.
func properties(n *node, controllerPort int, voters string, count int) string {
	replicas := min(count, 3)
	minISR := min(replicas, 2)
	listen, advertise, protocols := "", "", ""
	for i, l := range n.more {
		listen += fmt.Sprintf(",BEHIND%d://%s", i, l.addr)
		advertise += fmt.Sprintf(",BEHIND%d://%s", i, l.advertised)
		protocols += fmt.Sprintf(",BEHIND%d:PLAINTEXT", i)
	}
	return fmt.Sprintf(`process.roles=broker,controller
node.id=%d
controller.quorum.voters=%s
listeners=PLAINTEXT://%[3]s,CONTROLLER://127.0.0.1:%[4]d%[8]s
advertised.listeners=PLAINTEXT://%[3]s%[9]s
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT%[10]s
log.dirs=%[5]s
default.replication.factor=%[6]d
offsets.topic.replication.factor=%[6]d
transaction.state.log.replication.factor=%[6]d
share.coordinator.state.topic.replication.factor=%[6]d
min.insync.replicas=%[7]d
transaction.state.log.min.isr=%[7]d
share.coordinator.state.topic.min.isr=%[7]d
`, n.id, voters, n.addr, controllerPort, filepath.ToSlash(filepath.Join(n.dir, "data")), replicas, minISR, listen, advertise, protocols) + commonProperties
}

const commonProperties = `controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
num.partitions=4
auto.create.topics.enable=false
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.retention.ms=-1
log.segment.bytes=268435456
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.threads=1
num.network.threads=2
num.io.threads=4
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=250
controller.quorum.election.timeout.ms=500
controller.quorum.election.backoff.max.ms=300
controller.quorum.fetch.timeout.ms=1000
`
