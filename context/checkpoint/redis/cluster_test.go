package redis

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"insolite/context/checkpoint"
	"insolite/internal/redistest"
)

// A task's slot moves to another node while its owner works. Halfway the owner has to wait, which is no doubt; then it goes on.
func TestSlotMoves(t *testing.T) {
	short(t)
	nodes := redistest.StartCluster(t, 3)
	s := open(t, Options{Addresses: []string{nodes[0].Addr()}, Cluster: true})
	task, _ := recovered(t, s)
	for n := range int64(5) {
		playRound(t, task, n+1)
	}
	slot := nodes[0].CLI("CLUSTER", "KEYSLOT", keyPrefix(crashID))
	keysOf := func(n *redistest.Server) []string {
		return strings.Fields(n.CLI("CLUSTER", "GETKEYSINSLOT", slot, "2000"))
	}
	i := slices.IndexFunc(nodes, func(n *redistest.Server) bool { return len(keysOf(n)) > 0 })
	from, to := nodes[i], nodes[(i+1)%3]
	to.CLI("CLUSTER", "SETSLOT", slot, "IMPORTING", from.CLI("CLUSTER", "MYID"))
	from.CLI("CLUSTER", "SETSLOT", slot, "MIGRATING", to.CLI("CLUSTER", "MYID"))
	keys, moved := keysOf(from), 0
	move := func(n int) {
		_, port, err := net.SplitHostPort(to.Addr())
		must(t, err)
		from.CLI(append([]string{"MIGRATE", "127.0.0.1", port, "", "0", "5000", "KEYS"}, keys[moved:moved+n]...)...)
		moved += n
	}
	move(len(keys) / 2)
	waits := 0
	for n := range 6 {
		err := task.Write(t.Context(), roundItems(6)[n:n+1])
		if err != nil && (errors.Is(err, checkpoint.ErrDoubt) || !strings.Contains(err.Error(), "work goes on when it has")) {
			t.Fatalf("a write between two nodes: %v", err)
		}
		if err != nil {
			waits++
		}
	}
	if waits == 0 {
		t.Error("no write had to wait: the test shows nothing")
	}
	move(len(keys) - moved)
	for _, n := range []*redistest.Server{to, from} {
		n.CLI("CLUSTER", "SETSLOT", slot, "NODE", to.CLI("CLUSTER", "MYID"))
	}
	for n := range int64(4) {
		playRound(t, task, n+6)
	}
	if _, y := recovered(t, s); y != 9 {
		t.Errorf("Y is %d, want 9", y)
	}
	if len(keysOf(to)) == 0 || len(keysOf(from)) > 0 {
		t.Error("the slot has not moved")
	}
}
