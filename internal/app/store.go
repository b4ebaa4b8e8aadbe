package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"insolite/context/checkpoint"
	"insolite/context/checkpoint/pebble"
	"insolite/context/checkpoint/redis"
	"insolite/internal/config"
)

// openLimit ends a start that waits for Redis: a supervisor sees why, and starts anew.
const openLimit = 20 * time.Second

func (s *Service) useStore(ctx context.Context) error {
	store, err := s.newStore(ctx)
	if err != nil {
		return err
	}
	s.store = store
	s.onStop("checkpoint store", func(context.Context) error { return store.Close() })
	return nil
}

func (s *Service) newStore(ctx context.Context) (checkpoint.Store, error) {
	return openStore(ctx, s.config, func(format string, args ...any) {
		s.log.Warn("checkpoint store", "error", fmt.Sprintf(format, args...))
	}, func(err error) { s.end(fmt.Errorf("the checkpoint store can't be used any more: %w", err)) })
}

// OpenStore opens the store that the configuration names; warn is told what an operator should know.
func OpenStore(ctx context.Context, c *config.Config, warn func(format string, args ...any)) (checkpoint.Store, error) {
	return openStore(ctx, c, warn, func(error) {})
}

// openStore is OpenStore; failed is told why the store can't be used any more, until it is opened anew.
func openStore(ctx context.Context, c *config.Config, warn func(format string, args ...any), failed func(error)) (checkpoint.Store, error) {
	r := c.State.Redis
	if r == nil {
		return pebble.Open(pebble.Options{Dir: c.State.Path, Log: warn, Failed: failed})
	}
	secure, err := redisTLS(r.TLS)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	return redis.Open(ctx, redis.Options{Addresses: r.Addresses, Username: r.Username, Password: r.Password.Reveal(), TLS: secure, Cluster: r.Cluster,
		SentinelMaster: r.SentinelMaster, SentinelUsername: r.SentinelUsername, SentinelPassword: r.SentinelPassword.Reveal(), Log: warn})
}

func redisTLS(t *config.TLS) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("read state.redis.tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("state.redis.tls.ca: %s has no certificate; it must be PEM", t.CA)
		}
	}
	if t.Cert != "" || t.Key != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("read state.redis.tls.cert and state.redis.tls.key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
