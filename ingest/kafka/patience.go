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
}

func newPatientDialer(conf *sarama.Config) *patientDialer {
	return &patientDialer{Dialer: net.Dialer{Timeout: conf.Net.DialTimeout, KeepAlive: conf.Net.KeepAlive}, failed: make(chan struct{}, 1)}
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
	}
	return conn, err
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
