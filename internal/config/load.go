package config

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"insolite/internal/diag"
	"insolite/internal/yamldoc"
	"insolite/rules"
)

// scalars are the settings outside sources and lookups, by their path. Each has an environment form that goes before the file: the path in
// capitals below INSOLITE, so kafka.brokers is INSOLITE_KAFKA_BROKERS. Of a list it holds the items between commas.
var scalars = [...]struct {
	path string
	kind yamldoc.Kind
}{
	{"app", yamldoc.String}, {"delivery", yamldoc.String}, {"commit_interval", yamldoc.String}, {"rules", yamldoc.Seq},
	{"kafka.brokers", yamldoc.Seq}, {"kafka.static_id", yamldoc.String},
	{"kafka.tls.ca", yamldoc.String}, {"kafka.tls.cert", yamldoc.String}, {"kafka.tls.key", yamldoc.String}, {"kafka.tls.server_name", yamldoc.String},
	{"kafka.sasl.mechanism", yamldoc.String}, {"kafka.sasl.username", yamldoc.String}, {"kafka.sasl.password", yamldoc.String}, {"kafka.sasl.token_file", yamldoc.String},
	{"kafka.topics.partitions", yamldoc.Int}, {"kafka.topics.replication", yamldoc.Int},
	{"alerts.topic", yamldoc.String}, {"dead_letters.topic", yamldoc.String}, {"dead_letters.breaker", yamldoc.Int},
	{"state.store", yamldoc.String}, {"state.pebble.path", yamldoc.String}, {"state.checkpoint_interval", yamldoc.String}, {"state.memory", yamldoc.String},
	{"state.on_missing", yamldoc.String},
	{"state.redis.addresses", yamldoc.Seq}, {"state.redis.username", yamldoc.String}, {"state.redis.password", yamldoc.String},
	{"state.redis.tls.ca", yamldoc.String}, {"state.redis.tls.cert", yamldoc.String}, {"state.redis.tls.key", yamldoc.String}, {"state.redis.tls.server_name", yamldoc.String},
	{"state.redis.cluster", yamldoc.Bool}, {"state.redis.sentinel_master", yamldoc.String},
	{"state.redis.sentinel_username", yamldoc.String}, {"state.redis.sentinel_password", yamldoc.String},
	{"dashboard.listen", yamldoc.String}, {"admin.listen", yamldoc.String},
}

// EnvName returns the environment form of a setting's path.
func EnvName(path string) string {
	return "INSOLITE_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// Load reads the file at path. The Config is nil when the list has errors.
func Load(path string, o Options) (*Config, *diag.List) {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	l := &loader{Options: o, folder: filepath.Dir(path), list: &diag.List{}}
	data, err := o.ReadFile(path)
	if err != nil {
		l.list.Errorf(diag.Position{File: path}, "the configuration cannot be read: %v; name it with --config", err)
		return nil, l.list
	}
	doc, ok := yamldoc.Parse(path, data, l.list, "password", "sentinel_password")
	if ok && doc.Root == nil {
		l.list.Errorf(diag.Position{File: path}, "the configuration is empty; begin with version: 1, kafka and sources")
	}
	if !ok || doc.Root == nil {
		return nil, l.list
	}
	l.override(doc)
	l.replace(doc.Root)
	c := l.read(doc.Root.Map("the configuration"))
	if l.list.HasErrors() {
		return nil, l.list
	}
	c.Path = path
	return c, l.list
}

type loader struct {
	Options
	folder string
	list   *diag.List
}

var reference = regexp.MustCompile(`\$\{(env|file):([^}]*)\}`)

// replace fills references in the values of scalars. Expressions of sources have none, so every value may carry them.
func (l *loader) replace(n *yamldoc.Node) {
	for _, p := range n.Pairs {
		l.replace(p.Value)
	}
	for _, item := range n.Items {
		l.replace(item)
	}
	if n.Kind != yamldoc.String || !strings.Contains(n.Text, "${") {
		return
	}
	n.Substitute(reference.ReplaceAllStringFunc(n.Text, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		if m[1] == "env" {
			v, ok := l.Env(m[2])
			if !ok {
				n.Errorf("the environment has no variable %s; set it before the start", m[2])
			}
			return v
		}
		data, err := l.ReadFile(l.path(m[2]))
		if err != nil {
			n.Errorf("the file %s cannot be read: %v; create it, or correct the path", m[2], err)
		}
		return strings.TrimRight(string(data), "\r\n")
	}))
}

func (l *loader) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(l.folder, p)
}

func (l *loader) read(m *yamldoc.Map) *Config {
	if m == nil {
		return nil
	}
	if v, ok := m.Required("version", "version: 1").Int(1, 1); ok && v != 1 {
		return nil
	}
	c := &Config{App: text(m, "app", "insolite")}
	c.Kafka = l.kafka(m.Map("kafka", "kafka"))
	c.Sources = rules.ParseSources(m.Get("sources"))
	c.Lookups = l.lookups(m.Get("lookups"))
	for _, n := range m.Get("rules").Strings() {
		c.Rules = append(c.Rules, l.path(n.Text))
	}
	c.Alerts = topic(m, "alerts", c.App+".alerts")
	c.DeadLetters, c.Breaker = deadLetters(m.Map("dead_letters", "dead_letters"), c.App+".dead-letters")
	c.ExactlyOnce = m.OneOf("delivery", "exactly_once", "exactly_once", "at_least_once") == "exactly_once"
	c.CommitInterval = m.Duration("commit_interval", 100*time.Millisecond)
	c.State = l.state(m.Map("state", "state"))
	c.Dashboard = listen(m, "dashboard", "127.0.0.1:8080")
	c.Admin = listen(m, "admin", "127.0.0.1:9090")
	m.Done()
	if len(c.Kafka.Brokers) == 0 && m.Get("kafka") == nil {
		m.Node.Errorf("the configuration has no %q; add it, as in kafka: {brokers: [localhost:9092]}", "kafka")
	}
	return c
}

func text(m *yamldoc.Map, name, def string) string {
	if n := m.Get(name); n != nil {
		if s, ok := n.Str(); ok {
			return s
		}
	}
	return def
}

func topic(m *yamldoc.Map, name, def string) string {
	t := m.Map(name, name)
	defer t.Done()
	return text(t, "topic", def)
}

// BreakerDefault is how many records in a row tell of a bad deployment, by half of them.
const BreakerDefault = 1000

func deadLetters(m *yamldoc.Map, def string) (topic string, breaker int) {
	defer m.Done()
	topic, breaker = text(m, "topic", def), BreakerDefault
	if n, ok := m.Int("breaker", 0, 1_000_000); ok {
		breaker = int(n)
	}
	return topic, breaker
}

func listen(m *yamldoc.Map, name, def string) string {
	t := m.Map(name, name)
	defer t.Done()
	n := t.Get("listen")
	s, ok := n.Str()
	if !ok {
		return def
	}
	if _, _, err := net.SplitHostPort(s); err != nil {
		n.Errorf("%q is no address; write host:port, as in %s", s, def)
	}
	return s
}

func (l *loader) kafka(m *yamldoc.Map) (k Kafka) {
	for _, n := range m.Required("brokers", "brokers: [localhost:9092]").Strings() {
		k.Brokers = append(k.Brokers, n.Text)
		if _, _, err := net.SplitHostPort(n.Text); err != nil {
			n.Errorf("%q is no address of a broker; write host:port, as in localhost:9092", n.Text)
		}
	}
	k.TLS = l.tls(m)
	if s := m.Map("sasl", "sasl"); s != nil {
		k.SASL = &SASL{Mechanism: s.OneOf("mechanism", "PLAIN", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"),
			Username: s.String("username"), Password: Secret(s.String("password")), TokenFile: l.path(s.String("token_file"))}
		s.Done()
	}
	k.StaticID = m.String("static_id")
	t := m.Map("topics", "topics")
	k.Topics.Partitions, _ = t.Int("partitions", 1, 10_000)
	k.Topics.Replication, _ = t.Int("replication", 1, 100)
	t.Done()
	m.Done()
	return k
}

func (l *loader) tls(m *yamldoc.Map) *TLS {
	t := m.Map("tls", "tls")
	if t == nil {
		return nil
	}
	defer t.Done()
	return &TLS{CA: l.path(t.String("ca")), Cert: l.path(t.String("cert")), Key: l.path(t.String("key")), ServerName: t.String("server_name")}
}

func (l *loader) lookups(n *yamldoc.Node) (out []Lookup) {
	if n.Map("lookups") == nil {
		return nil
	}
	for _, p := range n.Pairs {
		m := p.Value.Map("lookup " + p.Key.Text)
		file, _ := m.Required("file", "{file: lists/vpn.txt}").Str()
		out = append(out, Lookup{Name: p.Key.Text, File: l.path(file), Key: m.String("key"), Position: p.Key.Position()})
		m.Done()
	}
	return out
}

// override lets the environment go before the file. A value from there is read and checked like one that stands in the file.
func (l *loader) override(d *yamldoc.Doc) {
	for _, s := range scalars {
		name := EnvName(s.path)
		if v, ok := l.Env(name); ok {
			d.Set("environment variable "+name, s.kind, v, strings.Split(s.path, ".")...)
		}
	}
}
