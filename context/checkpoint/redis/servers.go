package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

const serverMin = 7 // the first whose scripts say what they do, which a full server and a replica need to know

// checkServers looks at every server that keeps data.
func (s *Store) checkServers(ctx context.Context) error {
	if c, ok := s.client.(*redis.ClusterClient); ok {
		if err := c.Ping(ctx).Err(); err != nil && strings.Contains(err.Error(), "cluster support disabled") {
			return fmt.Errorf("the server is not a Cluster: %w; leave out state.redis.cluster", err)
		}
		return c.ForEachMaster(ctx, s.checkAndWarn)
	}
	return s.checkAndWarn(ctx, s.client.(*redis.Client))
}

func (s *Store) checkAndWarn(ctx context.Context, c *redis.Client) error {
	info, err := s.checkServer(ctx, c)
	if err == nil && info["aof_enabled"] == "0" && info["connected_slaves"] == "0" {
		s.opts.Log("%s has neither a replica nor an append-only file: what it holds is lost, or goes back to an old copy, when it ends; set appendonly yes, or give it a replica", s.server(c))
	}
	return err
}

// checkTask looks at the server that keeps a key: since the start another one may have taken its place.
func (s *Store) checkTask(ctx context.Context, key string) error {
	node, _ := s.client.(*redis.Client)
	if c, cluster := s.client.(*redis.ClusterClient); cluster {
		var err error
		if node, err = c.MasterForKey(ctx, key); err != nil {
			return s.told(err)
		}
	}
	_, err := s.checkServer(ctx, node)
	return err
}

func (s *Store) checkServer(ctx context.Context, c *redis.Client) (info map[string]string, err error) {
	text, err := c.Info(ctx).Result()
	if err != nil && answer(err) == "" && ctx.Err() == nil {
		return nil, fmt.Errorf("%w; see that it runs there, and that state.redis.tls is set if it speaks TLS, and only then", s.told(err))
	}
	if err != nil {
		return nil, s.told(err)
	}
	info = parseInfo(text)
	if err := s.judge(info); err != nil {
		return nil, fmt.Errorf("%s %w", s.server(c), err)
	}
	return info, nil
}

// server is how messages call a server.
func (s *Store) server(c *redis.Client) string {
	if s.opts.SentinelMaster != "" {
		return "the master " + s.opts.SentinelMaster // its address changes
	}
	return "the server at " + c.Options().Addr
}

func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// judge returns why a server cannot keep checkpoints, and the cure.
func (s *Store) judge(info map[string]string) error {
	major, _, _ := strings.Cut(info["redis_version"], ".")
	version, err := strconv.Atoi(major)
	switch {
	case err != nil:
		return fmt.Errorf("does not tell its version: %q; use Redis %d or later", info["redis_version"], serverMin)
	case version < serverMin:
		return fmt.Errorf("is Redis %s; use %d or later", info["redis_version"], serverMin)
	case info["redis_mode"] == "sentinel":
		return errors.New("is a Sentinel; name the master that it looks after in state.redis.sentinel_master")
	case info["maxmemory_policy"] != "noeviction":
		return fmt.Errorf("has maxmemory-policy %s, so a full server would throw contexts away and alerts would be wrong; set maxmemory-policy noeviction, and give other data a server of its own", info["maxmemory_policy"])
	case info["role"] == "slave":
		return errors.New("is a replica; name the master in state.redis.addresses, or let the Sentinels find it with state.redis.sentinel_master")
	case info["cluster_enabled"] == "1" && !s.opts.Cluster:
		return errors.New("is part of a Cluster; set state.redis.cluster: true")
	}
	return nil
}
