package kafka

import (
	"net"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// deadlines is a connection that notes until when a read may take.
type deadlines struct {
	net.Conn
	last time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.last = t
	return nil
}

// A reply is awaited for less than a session, but that to a join for as long as the slowest member may take.
func TestSilentCoordinator(t *testing.T) {
	t.Parallel()
	conf := sarama.NewConfig()
	conf.Consumer.Group.Session.Timeout, conf.Net.ReadTimeout = time.Minute, time.Hour
	gate := newGate()
	noted := &deadlines{}
	conn := patientConn{noted, newPatientDialer(conf, gate).silent}
	for _, c := range []struct {
		joining bool
		ask     time.Duration
		most    time.Duration
	}{
		{false, time.Hour, 30 * time.Second},
		{false, time.Second, time.Second},
		{true, time.Hour, time.Hour},
	} {
		if c.joining {
			gate.join(0)
		}
		ok(t, conn.SetReadDeadline(time.Now().Add(c.ask)))
		if left := time.Until(noted.last); left > c.most || left < c.most/2 {
			t.Errorf("joining %v, %v asked: a reply is awaited for %v, want %v", c.joining, c.ask, left, c.most)
		}
	}
	gate.joined(1)
	ok(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
	if left := time.Until(noted.last); left > 30*time.Second {
		t.Errorf("after the join a reply is awaited for %v", left)
	}
}
