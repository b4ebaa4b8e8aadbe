package kafka

import (
	"context"
	"net"
	"time"

	"github.com/IBM/sarama"
)

// coordinatorRetries times coordinatorPause is how long the membership looks for a broker that is gone: the time of a restart.
const (
	coordinatorRetries = 120
	coordinatorPause   = 250 * time.Millisecond
)

// patientDialer dials for the membership. sarama's heartbeat loop tries a coordinator that has crashed again and again, at once and at the
// same address; when its attempts are used up, which takes milliseconds, the session ends and every task with it. So a failed dial takes its
// time, and has the coordinator looked up anew.
type patientDialer struct {
	net.Dialer
	failed chan struct{}
	silent func() time.Duration // how long a reply may be awaited at this moment
}

func newPatientDialer(conf *sarama.Config, gate *gate) *patientDialer {
	silent := func() time.Duration {
		if gate.underWay() {
			return conf.Net.ReadTimeout
		}
		return conf.Consumer.Group.Session.Timeout / 2
	}
	return &patientDialer{Dialer: net.Dialer{Timeout: conf.Net.DialTimeout, KeepAlive: conf.Net.KeepAlive}, failed: make(chan struct{}, 1), silent: silent}
}

// Dial connects as [net.Dialer.Dial] does.
func (d *patientDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := d.Dialer.Dial(network, address)
	if err != nil {
		select {
		case d.failed <- struct{}{}:
		default: // a look-up is due already
		}
		time.Sleep(coordinatorPause)
		return nil, err
	}
	return patientConn{conn, d.silent}, nil
}

// patientConn shortens the time that sarama waits for a reply. sarama has one time for all requests of a client, and a join takes as long as
// the slowest member; a heartbeat that waited as long over a connection that has fallen silent would outlive its session by far, and with it
// keep the member from joining anew.
type patientConn struct {
	net.Conn
	silent func() time.Duration
}

// SetReadDeadline is called before a reply is awaited.
func (c patientConn) SetReadDeadline(t time.Time) error {
	if soon := time.Now().Add(c.silent()); soon.Before(t) {
		t = soon
	}
	return c.Conn.SetReadDeadline(t)
}

// followCoordinator looks the group's coordinator up whenever a dial has failed, until ctx ends.
func (m *Membership) followCoordinator(ctx context.Context, failed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-failed:
			if err := m.meta.RefreshCoordinator(m.client.opts.App); err != nil {
				m.trouble.Store(&err)
			}
		}
	}
}
