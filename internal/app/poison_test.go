package app

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/crash"
)

// Records that kill whatever process steps them are excluded, each once, while others of the same process are left alone.
func recordsThatKill(r *rig) {
	t := r.t
	const poison = "deadly"
	r.env = []string{crash.RecordVariable + "=" + poison}
	if err := r.produce(t.Context(), 5_000, 1_000_000, 0.001); err != nil {
		t.Fatal(err)
	}
	producer := r.client.NewProducer()
	defer producer.Close()
	for i, key := range []string{"ann", "bea"} {
		value := fmt.Sprintf(`{"at":%q,"payment_id":"%s-%d","customer_id":%q,"card_id":"c","amount":9,"channel":"chip","approved":true}`, time.Now().Format(time.RFC3339Nano), poison, i, key)
		if _, err := producer.Produce(t.Context(), kafka.Message{Topic: r.topic(), Key: []byte(key), Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.produce(t.Context(), 5_000, 1_000_000, 0.001); err != nil {
		t.Fatal(err)
	}
	deaths := r.untilDrained(30)
	const excluded = 2
	if n := r.lines("it is excluded and becomes a dead letter"); n != excluded {
		t.Errorf("%d records were excluded, want %d", n, excluded)
	}
	if most := 3 + 3*excluded + 3; deaths > most {
		t.Errorf("the process died %d times, want at most %d", deaths, most)
	}
	r.judge()
	r.closed()
}

// untilDrained starts the program until it has come to the end of everything, and returns how often it died.
func (r *rig) untilDrained(most int) int {
	r.t.Helper()
	for deaths := range most {
		r.start("drain")
		err := r.await(2 * patience)
		if err == nil {
			return deaths
		}
		if exit, _ := err.(*exec.ExitError); exit == nil || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			r.t.Fatal("the program was to be killed by a record:", err)
		}
	}
	r.t.Fatalf("the program died %d times", most)
	return most
}
