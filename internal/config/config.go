// Package config reads insolite.yaml, the one file of a deployment.
//
// [Load] reports every problem at once, each with its place, what is wrong and the cure. `${env:NAME}` and `${file:path}` are replaced in
// the values of scalars; what they yield never appears in a message, and a [Secret] prints as ***. Each setting outside sources and
// lookups has an environment form that goes before the file: kafka.brokers is INSOLITE_KAFKA_BROKERS.
//
// Relative paths (rules, lists, certificates, the store) are resolved against the folder of the file.
package config

import (
	"time"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// Secret is text that never shows itself: it prints as ***.
type Secret string

// String hides the text.
func (Secret) String() string { return "***" }

// GoString hides the text from %#v.
func (Secret) GoString() string { return "***" }

// MarshalText hides the text from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// Config is a configuration without problems.
type Config struct {
	Path           string // of the file
	App            string // prefix of the consumer group, transactional ids and internal topics
	Kafka          Kafka
	Sources        []*event.Source // in the order of the file
	Lookups        []Lookup
	Rules          []string // files and folders
	Alerts         string   // topic
	DeadLetters    string   // topic
	Breaker        int      // of so many records in a row half may be refused before a task waits; 0: any number
	ExactlyOnce    bool     // else at least once
	CommitInterval time.Duration
	State          State
	Dashboard      string // address to listen on
	Admin          string // address to listen on
}

// JournalTopic is our own topic with what steers the tasks.
func (c *Config) JournalTopic() string { return c.App + ".journal" }

// BundlesTopic is our own topic with the rules.
func (c *Config) BundlesTopic() string { return c.App + ".bundles" }

// ShadowTopic is our own topic with the findings of shadow rules.
func (c *Config) ShadowTopic() string { return c.Alerts + ".shadow" }

// Kafka says where the brokers are and how to log in.
type Kafka struct {
	Brokers  []string
	StaticID string // of this instance in the consumer group, so that a restart keeps its partitions; empty: none
	TLS      *TLS
	SASL     *SASL
	Topics   Topics
}

// TLS names files with certificates; empty ones are the system's.
type TLS struct{ CA, Cert, Key, ServerName string }

// SASL is a login.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER
	Username  string
	Password  Secret
	TokenFile string
}

// Topics says how topics of our own are created; zero is the broker's default.
type Topics struct{ Partitions, Replication int64 }

// State says where contexts are kept.
type State struct {
	Path               string // folder of the pebble store
	Redis              *Redis // the store, when it is Redis; else pebble
	CheckpointInterval time.Duration
	Memory             int64  // bytes of contexts in memory
	OnMissing          string // refuse or rebuild
}

// Redis says where the servers are and how to log in.
type Redis struct {
	Addresses        []string // of the server, of some nodes of the Cluster, or of the Sentinels
	Username         string
	Password         Secret
	TLS              *TLS
	Cluster          bool
	SentinelMaster   string // name of the master that the Sentinels know; empty: no Sentinels
	SentinelUsername string
	SentinelPassword Secret
}

// Lookup is a list or, with a key, a table.
type Lookup struct {
	Name, File, Key string
	Position        diag.Position
}

// Options are what Load takes from outside; nil fields are the operating system's.
type Options struct {
	Env      func(name string) (string, bool)
	ReadFile func(path string) ([]byte, error)
}
