package config

import (
	"net"
	"time"

	"insolite/internal/yamldoc"
)

func (l *loader) state(m *yamldoc.Map) State {
	s := State{CheckpointInterval: m.Duration("checkpoint_interval", 10*time.Second), Memory: m.Bytes("memory", 1<<30),
		OnMissing: m.OneOf("on_missing", "refuse", "refuse", "rebuild")}
	store := m.OneOf("store", "pebble", "pebble", "redis")
	p := m.Map("pebble", "pebble")
	s.Path = l.path(text(p, "path", "data"))
	p.Done()
	switch r := m.Map("redis", "redis"); {
	case store == "redis" && r == nil && !m.Has("redis"):
		m.Get("store").Errorf("store redis needs the servers; add them, as in redis: {addresses: [localhost:6379]}")
	case store == "redis":
		s.Redis = l.redis(r)
	case r != nil:
		m.Key("redis").Errorf("redis is set, but contexts go to pebble; add store: redis, or take it out")
		l.redis(r)
	}
	m.Done()
	return s
}

func (l *loader) redis(m *yamldoc.Map) *Redis {
	if m == nil {
		return nil
	}
	defer m.Done()
	r := &Redis{Username: m.String("username"), Password: Secret(m.String("password")), TLS: l.tls(m), Cluster: m.Bool("cluster"),
		SentinelMaster: m.String("sentinel_master"), SentinelUsername: m.String("sentinel_username"), SentinelPassword: Secret(m.String("sentinel_password"))}
	for _, n := range m.Required("addresses", "addresses: [localhost:6379]").Strings() {
		r.Addresses = append(r.Addresses, n.Text)
		if _, _, err := net.SplitHostPort(n.Text); err != nil {
			n.Errorf("%q is no address of a server; write host:port, as in localhost:6379", n.Text)
		}
	}
	switch {
	case r.Cluster && r.SentinelMaster != "":
		m.Key("sentinel_master").Errorf("a Cluster has no Sentinels; take out cluster or sentinel_master")
	case !r.Cluster && r.SentinelMaster == "" && len(r.Addresses) > 1:
		m.Get("addresses").Errorf("several addresses are nodes of a Cluster or Sentinels; add cluster: true or sentinel_master: NAME, or name one server")
	case r.SentinelMaster == "" && (r.SentinelUsername != "" || r.SentinelPassword != ""):
		m.Node.Errorf("there is a login for Sentinels, but no sentinel_master; add its name")
	}
	return r
}
