package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const whole = `version: 1
app: shop
kafka:
  brokers: [a:9092, b:9092]
  sasl: {mechanism: PLAIN, username: u, password: "${env:PW}"}
sources:
  pay: {topic: payments, key: id, fields: {id: string}}
lookups:
  vpn: {file: lists/vpn.txt}
rules: [rules/]
delivery: at_least_once
commit_interval: 20ms
state: {store: pebble, pebble: {path: /var/x}, checkpoint_interval: 5s, memory: 2GiB}
admin: {listen: ":9090"}
`

// load reads text as /etc/i/insolite.yaml with the given environment and the file /etc/i/pw.
func load(text string, env map[string]string) (*Config, string) {
	c, list := Load("/etc/i/insolite.yaml", Options{
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			switch path {
			case "/etc/i/insolite.yaml":
				return []byte(text), nil
			case "/etc/i/pw":
				return []byte("hunter2\n"), nil
			}
			return nil, errors.New("no such file")
		},
	})
	var b strings.Builder
	for _, p := range list.Sorted() {
		fmt.Fprintln(&b, strings.TrimPrefix(p.String(), "/etc/i/"))
	}
	return c, strings.TrimSpace(b.String())
}

func TestWholeFile(t *testing.T) {
	c, problems := load(whole, map[string]string{"PW": "hunter2"})
	if problems != "" {
		t.Fatal(problems)
	}
	got := fmt.Sprintf("%s %v %v %s %v %v %s %s %v %v %+v %s %s", c.App, c.Kafka.Brokers, *c.Kafka.SASL, c.Sources[0].Name, c.Lookups[0].File, c.Rules, c.Alerts, c.DeadLetters,
		c.ExactlyOnce, c.CommitInterval, c.State, c.Dashboard, c.Admin)
	want := "shop [a:9092 b:9092] {PLAIN u *** } pay /etc/i/lists/vpn.txt [/etc/i/rules] shop.alerts shop.dead-letters " +
		"false 20ms {Path:/var/x Redis:<nil> CheckpointInterval:5s Memory:2147483648 OnMissing:refuse} 127.0.0.1:8080 :9090"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if c.Kafka.SASL.Password.Reveal() != "hunter2" {
		t.Error("the password is not what the environment says")
	}
}

func TestFileReferenceAndEnvironmentForms(t *testing.T) {
	c, problems := load(strings.Replace(whole, "${env:PW}", "${file:pw}", 1), map[string]string{"INSOLITE_KAFKA_BROKERS": "x:1,y:2", "INSOLITE_COMMIT_INTERVAL": "1s"})
	if problems != "" || c.Kafka.SASL.Password.Reveal() != "hunter2" || strings.Join(c.Kafka.Brokers, " ") != "x:1 y:2" || c.CommitInterval != time.Second {
		t.Errorf("%s %+v", problems, c)
	}
}

// What the environment says is checked like what the file says, and needs nothing in the file.
func TestEnvironmentStandsInTheTree(t *testing.T) {
	env := map[string]string{"PW": "hunter2", "INSOLITE_KAFKA_BROKERS": "x:1", "INSOLITE_KAFKA_STATIC_ID": "a", "INSOLITE_STATE_PEBBLE_PATH": "s",
		"INSOLITE_KAFKA_TOPICS_REPLICATION": "3", "INSOLITE_ADMIN_LISTEN": "0.0.0.0:1"}
	c, problems := load("version: 1\nsources:\n  pay: {topic: payments, key: id, fields: {id: string}}\n", env)
	if problems != "" {
		t.Fatal(problems)
	}
	if got, want := fmt.Sprintf("%v %s %s %d %s", c.Kafka.Brokers, c.Kafka.StaticID, c.State.Path, c.Kafka.Topics.Replication, c.Admin), "[x:1] a /etc/i/s 3 0.0.0.0:1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"INSOLITE_KAFKA_BROKERS":            `"no" is no address of a broker; write host:port, as in localhost:9092`,
		"INSOLITE_KAFKA_TOPICS_REPLICATION": `"replication" is an int, this is the string "no"; write a whole number, as in 10`,
		"INSOLITE_DELIVERY":                 `unknown delivery "no"; it is one of exactly_once, at_least_once`,
		"INSOLITE_ADMIN_LISTEN":             `"no" is no address; write host:port, as in 127.0.0.1:9090`,
		"INSOLITE_COMMIT_INTERVAL":          `"no" is not a duration: a number is missing; write it as in 90s, 1h30m, 30d, 8w`,
	} {
		if _, got := load(whole, map[string]string{"PW": "x", name: "no"}); got != "environment variable "+name+": "+want {
			t.Errorf("got  %s\nwant environment variable %s: %s", got, name, want)
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"version: 1\n", "", `insolite.yaml:1:1: the configuration has no "version"; add it, as in version: 1`},
		{"version: 1", "version: 2", `insolite.yaml:1:10: "version" is 2; it is between 1 and 1`},
		{"brokers:", "brokerz:", "insolite.yaml:4:3: kafka has no \"brokers\"; add it, as in brokers: [localhost:9092]\ninsolite.yaml:4:3: unknown field \"brokerz\" in kafka; did you mean \"brokers\"?"},
		{"b:9092", "b", `insolite.yaml:4:21: "b" is no address of a broker; write host:port, as in localhost:9092`},
		{"PLAIN", "PLANE", `insolite.yaml:5:21: unknown mechanism "PLANE"; it is one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER`},
		{`"${env:PW}"`, "[hunter2]", `insolite.yaml:5:51: "password" is a string, this is a list; write text`},
		{`"${env:PW}"`, "12345", `insolite.yaml:5:51: "password" is a string, this is an int; put it in quotes: "***"`},
		{"${env:PW}", "${env:NO}", `insolite.yaml:5:51: the environment has no variable NO; set it before the start`},
		{"${env:PW}", "${file:no}", `insolite.yaml:5:51: the file no cannot be read: no such file; create it, or correct the path`},
		{"key: id,", "key: it,", `insolite.yaml:7:31: key names the field "it", which pay does not declare; did you mean "id"?`},
		{"{file: lists/vpn.txt}", "{}", `insolite.yaml:9:8: lookup vpn has no "file"; add it, as in {file: lists/vpn.txt}`},
		{"rules: [rules/]", "rules: 5", `insolite.yaml:10:8: "rules" is a list of strings, this is an int; write [ ] around it or a dash before each item`},
		{"at_least_once", "at_most_once", `insolite.yaml:11:11: unknown delivery "at_most_once"; did you mean "at_least_once"?`},
		{"20ms", "\"${env:PW}\"", `insolite.yaml:12:18: "***" is not a duration: a number is missing; write it as in 90s, 1h30m, 30d, 8w`},
		{"store: pebble,", "store: redis,", `insolite.yaml:13:16: store redis needs the servers; add them, as in redis: {addresses: [localhost:6379]}`},
		{"store: pebble,", "store: reddis,", `insolite.yaml:13:16: unknown store "reddis"; did you mean "redis"?`},
		{"store: pebble,", "redis: {addresses: [a:1]},", `insolite.yaml:13:9: redis is set, but contexts go to pebble; add store: redis, or take it out`},
		{"store: pebble,", "store: redis, redis: {},", `insolite.yaml:13:30: redis has no "addresses"; add it, as in addresses: [localhost:6379]`},
		{"store: pebble,", "store: redis, redis: {addresses: [a]},", `insolite.yaml:13:43: "a" is no address of a server; write host:port, as in localhost:6379`},
		{"store: pebble,", "store: redis, redis: {addresses: [a:1, b:1]},", `insolite.yaml:13:42: several addresses are nodes of a Cluster or Sentinels; add cluster: true or sentinel_master: NAME, or name one server`},
		{"store: pebble,", "store: redis, redis: {addresses: [a:1], cluster: true, sentinel_master: m},", `insolite.yaml:13:64: a Cluster has no Sentinels; take out cluster or sentinel_master`},
		{"store: pebble,", "store: redis, redis: {addresses: [a:1], sentinel_password: x},", `insolite.yaml:13:30: there is a login for Sentinels, but no sentinel_master; add its name`},
		{"store: pebble,", "store: redis, redis: {addresses: [a:1], pasword: x},", `insolite.yaml:13:49: unknown field "pasword" in redis; did you mean "password"?`},
		{"store: pebble,", "store: redis, redis: {addresses: [a:1], password: 12345},", `insolite.yaml:13:59: "password" is a string, this is an int; put it in quotes: "***"`},
		{"2GiB", "lots", `insolite.yaml:13:81: "lots" is not a size; write it as in 512MiB or 1GiB`},
		{`":9090"`, "9090", `insolite.yaml:14:17: "listen" is a string, this is an int; put it in quotes: "9090"`},
		{`":9090"`, "localhost", `insolite.yaml:14:17: "localhost" is no address; write host:port, as in 127.0.0.1:9090`},
	} {
		_, got := load(strings.Replace(whole, c.old, c.new, 1), map[string]string{"PW": "hunter2"})
		if got != c.want {
			t.Errorf("%s -> %s\n got %s\nwant %s", c.old, c.new, got, c.want)
		}
	}
	if _, got := load(whole, map[string]string{"PW": "x", "INSOLITE_STATE_MEMORY": "lots"}); got != `environment variable INSOLITE_STATE_MEMORY: "lots" is not a size; write it as in 512MiB or 1GiB` {
		t.Error(got)
	}
	if _, got := load("", nil); got != "insolite.yaml: the configuration is empty; begin with version: 1, kafka and sources" {
		t.Error(got)
	}
}

func TestRedis(t *testing.T) {
	file := strings.Replace(whole, "store: pebble,", `store: redis, redis: {addresses: [a:1, b:1], cluster: true, username: u, password: "${env:PW}", tls: {ca: ca.pem}},`, 1)
	for name, c := range map[string]struct {
		text string
		env  map[string]string
		want string
	}{
		"file": {file, nil, "{Addresses:[a:1 b:1] Username:u Password:*** TLS:ca.pem Cluster:true SentinelMaster: SentinelUsername: SentinelPassword:***}"},
		"environment": {whole, map[string]string{"INSOLITE_STATE_STORE": "redis", "INSOLITE_STATE_REDIS_ADDRESSES": "s:1,s:2", "INSOLITE_STATE_REDIS_SENTINEL_MASTER": "m",
			"INSOLITE_STATE_REDIS_SENTINEL_PASSWORD": "hunter3", "INSOLITE_STATE_REDIS_TLS_CA": "/ca.pem", "INSOLITE_STATE_REDIS_CLUSTER": "false"},
			"{Addresses:[s:1 s:2] Username: Password:*** TLS:ca.pem Cluster:false SentinelMaster:m SentinelUsername: SentinelPassword:***}"},
	} {
		env := map[string]string{"PW": "hunter2"}
		maps.Copy(env, c.env)
		got, problems := load(c.text, env)
		if problems != "" {
			t.Errorf("%s: %s", name, problems)
			continue
		}
		r := *got.State.Redis
		ca := filepath.Base(r.TLS.CA)
		r.TLS = nil
		if text := strings.Replace(fmt.Sprintf("%+v", r), "TLS:<nil>", "TLS:"+ca, 1); text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, text, c.want)
		}
		if pw := r.Password.Reveal() + r.SentinelPassword.Reveal(); pw != "hunter2" && pw != "hunter3" {
			t.Errorf("%s: the passwords are %q", name, pw)
		}
	}
}
