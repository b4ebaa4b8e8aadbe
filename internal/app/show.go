package app

import (
	"encoding/json"
	"runtime/debug"

	"insolite/internal/config"
	"insolite/rules"
)

// Version returns the version of this build and the revision that it was made of.
func Version() (version, revision string) {
	version, revision = "unknown", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	if info.Main.Version != "" {
		version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return version, revision
}

// showConfig returns the configuration in force as JSON, with the names of the file. What logs in anywhere is ***.
func showConfig(c *config.Config) []byte {
	type object = map[string]any
	k := object{"brokers": c.Kafka.Brokers, "static_id": c.Kafka.StaticID, "topics": object{"partitions": c.Kafka.Topics.Partitions, "replication": c.Kafka.Topics.Replication}}
	if c.Kafka.TLS != nil {
		k["tls"] = showTLS(c.Kafka.TLS)
	}
	if l := c.Kafka.SASL; l != nil {
		k["sasl"] = object{"mechanism": l.Mechanism, "username": config.Secret(l.Username), "password": l.Password, "token_file": l.TokenFile}
	}
	sources, lookups := object{}, object{}
	for _, s := range c.Sources {
		text, err := rules.EncodeSource(s)
		if err != nil {
			sources[s.Name] = err.Error()
			continue
		}
		sources[s.Name] = json.RawMessage(text)
	}
	for _, l := range c.Lookups {
		lookups[l.Name] = object{"file": l.File, "key": l.Key}
	}
	delivery := "at_least_once"
	if c.ExactlyOnce {
		delivery = "exactly_once"
	}
	text, err := json.MarshalIndent(object{
		"path": c.Path, "app": c.App, "kafka": k, "sources": sources, "lookups": lookups, "rules": c.Rules,
		"alerts": object{"topic": c.Alerts}, "dead_letters": object{"topic": c.DeadLetters, "breaker": c.Breaker},
		"delivery":  object{"mode": delivery, "commit_interval": c.CommitInterval.String()},
		"state":     showState(&c.State),
		"dashboard": object{"listen": c.Dashboard}, "admin": object{"listen": c.Admin},
	}, "", "  ")
	if err != nil {
		return []byte(err.Error())
	}
	return append(text, '\n')
}

func showTLS(t *config.TLS) map[string]any { // names of files
	return map[string]any{"ca": t.CA, "cert": t.Cert, "key": t.Key, "server_name": t.ServerName}
}

func showState(s *config.State) map[string]any {
	state := map[string]any{"checkpoint_interval": s.CheckpointInterval.String(), "memory": s.Memory, "on_missing": s.OnMissing}
	r := s.Redis
	if r == nil {
		state["store"], state["pebble"] = "pebble", map[string]any{"path": s.Path}
		return state
	}
	shown := map[string]any{"addresses": r.Addresses, "username": config.Secret(r.Username), "password": r.Password, "cluster": r.Cluster,
		"sentinel_master": r.SentinelMaster, "sentinel_username": config.Secret(r.SentinelUsername), "sentinel_password": r.SentinelPassword}
	if r.TLS != nil {
		shown["tls"] = showTLS(r.TLS)
	}
	state["store"], state["redis"] = "redis", shown
	return state
}
