package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"insolite/context/checkpoint"
)

// Options of a store.
type Options struct {
	Addresses        []string                         // host:port of the server; of some nodes, with Cluster; of the Sentinels, with SentinelMaster
	Username         string                           // of the ACL user; empty: the default user
	Password         string                           // empty: none
	TLS              *tls.Config                      // nil: no TLS
	Cluster          bool                             // the servers are a Redis Cluster
	SentinelMaster   string                           // name under which the Sentinels know the master; empty: no Sentinels
	SentinelUsername string                           // of the Sentinels' own login
	SentinelPassword string                           // of the Sentinels' own login; empty: none
	Log              func(format string, args ...any) // what an operator should know; default: nothing
}

// Store is the connection to the servers. It may be used concurrently.
type Store struct {
	opts   Options
	client redis.UniversalClient
	closed atomic.Bool
}

var _ checkpoint.Store = (*Store)(nil)

// quiet silences the client's own log, which goes to the standard error: what it tells, the errors of calls tell too.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

var silence = sync.OnceFunc(func() { redis.SetLogger(quiet{}) }) // it is one for the process

// Open connects, and refuses servers that cannot keep checkpoints.
func Open(ctx context.Context, opts Options) (*Store, error) {
	if opts.Log == nil {
		opts.Log = func(string, ...any) {}
	}
	silence()
	s := &Store{opts: opts}
	err := opts.check()
	if err == nil {
		s.client = connect(&opts)
		if err = s.checkServers(ctx); err != nil {
			err = errors.Join(err, s.client.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open checkpoint store %s: %w", s.name(), err)
	}
	return s, nil
}

func (o *Options) check() error {
	switch {
	case len(o.Addresses) == 0:
		return errors.New("no addresses; name the server in state.redis.addresses")
	case o.Cluster && o.SentinelMaster != "":
		return errors.New("a Cluster has no Sentinels; leave out state.redis.cluster or state.redis.sentinel_master")
	case !o.Cluster && o.SentinelMaster == "" && len(o.Addresses) > 1:
		return errors.New("several addresses; set state.redis.cluster: true or state.redis.sentinel_master, or name one server")
	}
	return nil
}

// dialTimeout is for a server of one's own network; a host that is gone must not hold a task for long.
const dialTimeout = 2 * time.Second

// connect makes the client. It sends a command up to four times within some seconds, which the scripts allow. Nothing but the scripts' own
// commands and what a login needs is sent, so that an ACL user can be narrow.
func connect(o *Options) redis.UniversalClient {
	switch {
	case o.Cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: o.Addresses, Username: o.Username, Password: o.Password, TLSConfig: o.TLS,
			DialTimeout: dialTimeout, DialerRetries: 1, Protocol: 2, ContextTimeoutEnabled: true, DisableIdentity: true})
	case o.SentinelMaster != "":
		return redis.NewFailoverClient(&redis.FailoverOptions{SentinelAddrs: o.Addresses, MasterName: o.SentinelMaster, Username: o.Username, Password: o.Password,
			SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword, TLSConfig: o.TLS,
			DialTimeout: dialTimeout, Protocol: 2, ContextTimeoutEnabled: true, DisableIdentity: true})
	}
	return redis.NewClient(&redis.Options{Addr: o.Addresses[0], Username: o.Username, Password: o.Password, TLSConfig: o.TLS,
		DialTimeout: dialTimeout, DialerRetries: 1, Protocol: 2, ContextTimeoutEnabled: true, DisableIdentity: true})
}

// name is how errors call the store.
func (s *Store) name() string {
	if s.opts.SentinelMaster != "" {
		return "redis " + s.opts.SentinelMaster + " by the Sentinels at " + strings.Join(s.opts.Addresses, ",")
	}
	return "redis at " + strings.Join(s.opts.Addresses, ",")
}

// Close ends the connections.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close checkpoint store %s: %w", s.name(), err)
	}
	return nil
}
