package app

import (
	"math/rand/v2"
	"testing"
	"time"

	"insolite/internal/kafkatest"
)

// The alerts that a reader sees are those of one uninterrupted evaluation, although the program is killed again and again while the payments
// come in.
func TestKilledAgainAndAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker and kills take a minute; run without -short")
	}
	cluster := kafkatest.Start(t, 1)
	r := newRig(t, cluster.Bootstrap(), build(t), "kills", "")
	const events, perSecond, kills = 300_000, 12_000, 10
	failed := make(chan error, 1)
	go func() { failed <- r.produce(t.Context(), events, perSecond, 0.001) }()
	random := rand.New(rand.NewPCG(1, 2))
	for range kills {
		r.start("run")
		time.Sleep(500*time.Millisecond + time.Duration(random.IntN(3000))*time.Millisecond)
		r.kill()
	}
	r.start("run")
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	r.interrupt()
	r.drain()
	r.judge()
}
