package app

import (
	"fmt"
	"testing"
	"time"

	"insolite/internal/redistest"
)

func redisState(address string, more string) string {
	return fmt.Sprintf("state: {store: redis, redis: {addresses: [%q]%s}, checkpoint_interval: 300ms}\n", address, more)
}

// Under load Redis is full for a while, stopped beyond every timeout of its client, and killed. With all of it over, what was sent again and
// again is done once; while it does not answer, the service ends in time.
func redisTroubled(t *testing.T, make func(state string) *rig) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec")
	r := make(redisState(server.Addr(), ""))
	end := r.pour(1500)
	r.run()
	r.logged("msg=checkpoint", 2*rigPartitions, patience)
	limit := func(to string) func() { return func() { server.CLI("CONFIG", "SET", "maxmemory", to) } }
	r.troubled(limit("1mb"), "raise its maxmemory, or add nodes; work goes on then", limit("0"))
	r.troubled(server.Pause, "i/o timeout", server.Resume)
	r.troubled(server.Kill, "connection refused", server.Restart)
	end()
	server.Pause()
	r.interrupt()
	server.Resume()
	r.drain()
	r.judge()
	r.closed()
}

// A replica that has not heard the newest takes the place of the master.
func redisFailover(t *testing.T, make func(state string) *rig) {
	master, replica, sentinel := redistest.StartSentinel(t)
	r := make(redisState(sentinel.Addr(), ", sentinel_master: "+redistest.MasterName))
	end := r.pour(1500)
	r.run()
	r.logged("msg=checkpoint", 3*rigPartitions, patience)
	time.Sleep(500 * time.Millisecond)
	replica.CLI("REPLICAOF", "127.0.0.1", "1") // it hears nothing any more
	r.logged("msg=checkpoint", r.lines("msg=checkpoint")+2*rigPartitions, patience)
	mark := r.mark()
	master.Kill()
	r.eachTask("msg=live", mark, patience)
	if r.lines("the store is not as this owner left it") == 0 {
		t.Error("no task has noticed that the store went back: the test shows nothing")
	}
	end()
	r.finish()
}

// Redis is emptied while the service is stopped, and while it runs. A server that throws things away when it is full is not taken.
func redisFlushed(t *testing.T, make func(state string) *rig) {
	server := redistest.Start(t)
	r := make(redisState(server.Addr(), ""))
	r.run()
	r.load(6_000, 2000, 0.001)()
	r.interrupt()
	server.CLI("FLUSHALL")
	r.refusedDrain("its checkpoint is missing")
	r.rebuilt()

	r.run()
	end := r.pour(1000)
	time.Sleep(time.Second)
	mark := r.mark()
	server.CLI("FLUSHALL")
	r.eachTask("its checkpoint is missing", mark, patience)
	r.eachTask("to go on outside the promise of exactly-once, set state.on_missing: rebuild", mark, patience)
	end()
	r.interrupt()
	r.rebuilt()

	server.CLI("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	r.refusedStart("so a full server would throw contexts away and alerts would be wrong; set maxmemory-policy noeviction")
}
