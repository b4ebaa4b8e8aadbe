package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"insolite/context/checkpoint"
	"insolite/internal/redistest"
)

// Servers that cannot keep checkpoints, and log-ins that fail, are refused at the start with what to do.
func TestRefusedAtTheStart(t *testing.T) {
	plain := redistest.Start(t)
	plain.CLI("ACL", "SETUSER", "narrow", "on", ">secret", "~insolite:*", "+info", "+evalsha")
	locked := redistest.Start(t, "--requirepass", "secret")
	node := redistest.Start(t, "--cluster-enabled", "yes")
	replica := redistest.Start(t, "--replicaof", "127.0.0.1 1")
	evicts := redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	secure, _ := redistest.StartTLS(t)
	for name, c := range map[string]struct {
		o    Options
		want []string
	}{
		"no address":          {Options{}, []string{"name the server in state.redis.addresses"}},
		"several":             {Options{Addresses: []string{"a:1", "b:1"}}, []string{"set state.redis.cluster: true or state.redis.sentinel_master"}},
		"Cluster, Sentinels":  {Options{Addresses: []string{"a:1"}, Cluster: true, SentinelMaster: "m"}, []string{"leave out state.redis.cluster or state.redis.sentinel_master"}},
		"nobody there":        {Options{Addresses: []string{"127.0.0.1:1"}}, []string{"redis at 127.0.0.1:1", "connection refused"}},
		"evicts":              {Options{Addresses: []string{evicts.Addr()}}, []string{evicts.Addr(), "maxmemory-policy allkeys-lru", "set maxmemory-policy noeviction"}},
		"replica":             {Options{Addresses: []string{replica.Addr()}}, []string{"is a replica; name the master"}},
		"node":                {Options{Addresses: []string{node.Addr()}}, []string{"is part of a Cluster; set state.redis.cluster: true"}},
		"no Cluster":          {Options{Addresses: []string{plain.Addr()}, Cluster: true}, []string{"not a Cluster", "leave out state.redis.cluster"}},
		"no password":         {Options{Addresses: []string{locked.Addr()}}, []string{"NOAUTH", "set state.redis.password"}},
		"wrong password":      {Options{Addresses: []string{locked.Addr()}, Password: "guess"}, []string{"WRONGPASS", "correct state.redis.username and state.redis.password"}},
		"wrong user":          {Options{Addresses: []string{plain.Addr()}, Username: "nobody", Password: "guess"}, []string{"WRONGPASS"}},
		"no TLS":              {Options{Addresses: []string{secure.Addr()}}, []string{"redis at " + secure.Addr(), "state.redis.tls is set if it speaks TLS"}},
		"TLS to plain server": {Options{Addresses: []string{plain.Addr()}, TLS: &tls.Config{MinVersion: tls.VersionTLS12}}, []string{"state.redis.tls is set if it speaks TLS"}},
		"unknown authority":   {Options{Addresses: []string{secure.Addr()}, TLS: &tls.Config{MinVersion: tls.VersionTLS12}}, []string{"certificate signed by unknown authority"}},
	} {
		if name == "TLS to plain server" && testing.Short() {
			continue // the server waits for the rest of what it takes for a command: seconds
		}
		s, err := Open(t.Context(), c.o)
		if err == nil {
			must(t, s.Close())
			t.Errorf("%s: is accepted", name)
			continue
		}
		for _, want := range append(c.want, "open checkpoint store") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error lacks %q: %v", name, want, err)
			}
		}
		if strings.Contains(err.Error(), "guess") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
	s := open(t, Options{Addresses: []string{plain.Addr()}, Username: "narrow", Password: "secret"})
	if _, err := s.Open(t.Context(), id); err == nil || !strings.Contains(err.Error(), "grant the ACL user what docs/state.md lists") {
		t.Errorf("a user without permissions gets %v", err)
	}
}

func TestRefusedBehindSentinels(t *testing.T) {
	short(t)
	master, _, sentinel := redistest.StartSentinel(t)
	master.CLI("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Addresses: []string{sentinel.Addr()}, SentinelMaster: redistest.MasterName}, "the master contexts has maxmemory-policy allkeys-random"},
		{Options{Addresses: []string{sentinel.Addr()}, SentinelMaster: "other"}, "they know the name in state.redis.sentinel_master"},
		{Options{Addresses: []string{master.Addr()}, SentinelMaster: "other"}, "state.redis.sentinel_master"},
		{Options{Addresses: []string{sentinel.Addr()}}, "state.redis.sentinel_master"},
	} {
		if s, err := Open(t.Context(), c.o); err == nil {
			must(t, s.Close())
			t.Errorf("%+v is accepted", c.o)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// A server may change after the start: a failover brings another one.
func TestPolicyIsLookedAtAgain(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, Options{Addresses: []string{server.Addr()}})
	server.CLI("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
	if _, err := s.Open(t.Context(), id); err == nil || !strings.Contains(err.Error(), "set maxmemory-policy noeviction") {
		t.Errorf("got %v", err)
	}
}

func TestJudge(t *testing.T) {
	for version, want := range map[string]string{"6.2.14": "is Redis 6.2.14; use 7 or later", "": "does not tell its version", "7.0.0": "", "8.2.1": "", "10.0.0": ""} {
		err := (&Store{}).judge(map[string]string{"redis_version": version, "maxmemory_policy": "noeviction"})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", version, err, want)
		}
	}
}

// Who keeps nothing is told so, once a start.
func TestWarnings(t *testing.T) {
	for setting, want := range map[string]int{"no": 1, "yes": 0} {
		server, told := redistest.Start(t, "--appendonly", setting), 0
		s := open(t, Options{Addresses: []string{server.Addr()}, Log: func(string, ...any) { told++ }})
		mustOpen(t, s, id)
		if told != want {
			t.Errorf("appendonly %s: %d warnings, want %d", setting, told, want)
		}
	}
}

func TestTLS(t *testing.T) {
	server, ca := redistest.StartTLS(t)
	pem, err := os.ReadFile(ca)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	useAll(t, open(t, Options{Addresses: []string{server.Addr()}, TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}))
}

// granted reads from the documentation what an ACL user needs.
func granted(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/state.md")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "ACL SETUSER insolite "); ok {
			return append([]string{"ACL", "SETUSER", "insolite"}, strings.Fields(rest)...)
		}
	}
	t.Fatal("docs/state.md has no line ACL SETUSER insolite")
	return nil
}

// What the documentation grants is enough, with each kind of servers, and what it grants for the scripts is needed.
func TestDocumentedUser(t *testing.T) {
	grant := granted(t)
	server := redistest.Start(t)
	server.CLI(grant...)
	o := Options{Addresses: []string{server.Addr()}, Username: "insolite", Password: "secret"}
	useAll(t, open(t, o))
	for _, word := range grant {
		if !strings.HasPrefix(word, "+") || slices.Contains([]string{"+hello", "+ping", "+command", "+cluster|slots"}, word) {
			continue // the client does without, or a Cluster needs it
		}
		server.CLI("SCRIPT", "FLUSH")
		server.CLI("ACL", "SETUSER", "insolite", "-"+word[1:])
		if s, err := Open(t.Context(), o); err == nil {
			if err = useSome(t, s); err == nil {
				t.Errorf("%s is granted, but not needed", word)
			}
			must(t, s.Close())
		}
		server.CLI("ACL", "SETUSER", "insolite", word)
	}
	short(t)
	nodes := redistest.StartCluster(t, 3)
	for _, n := range nodes {
		n.CLI(grant...)
	}
	useAll(t, open(t, Options{Addresses: []string{nodes[0].Addr()}, Username: "insolite", Password: "secret", Cluster: true}))
}

// The command by which the documentation removes a task's state removes all of it, and nothing else.
func TestDocumentedRemoval(t *testing.T) {
	text, err := os.ReadFile("../../../docs/state.md")
	must(t, err)
	_, command, _ := strings.Cut(string(text), "```sh\n")
	command, _, _ = strings.Cut(command, "```")
	server := redistest.Start(t)
	s := open(t, Options{Addresses: []string{server.Addr()}})
	_, port, _ := strings.Cut(server.Addr(), ":")
	ids := []checkpoint.TaskID{{App: "payments", Topic: "payments", Partition: 3}, {App: "payments", Topic: "payments", Partition: 33}}
	for _, id := range ids {
		task := mustOpen(t, s, id)
		must(t, task.Write(t.Context(), []checkpoint.Item{at("a", 1, "A"), at("b", 1, "")}))
	}
	sh := exec.Command("sh", "-c", strings.ReplaceAll(command, "redis-cli", "redis-cli -p "+port))
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if left := server.CLI("KEYS", "*{payments/payments/3}*"); left != "" {
		t.Errorf("%s is left", left)
	}
	contains(t, mustOpen(t, s, ids[1]), "a 1 A, b 1 ")
}

func useAll(t *testing.T, s *Store) {
	t.Helper()
	must(t, useSome(t, s))
}

// useSome does everything that a store can do, as often as needed to have run every command.
func useSome(t *testing.T, s *Store) error {
	h, err := s.Open(t.Context(), id)
	if err != nil {
		return err
	}
	if err := h.AddLayout(t.Context(), 1, []byte("one")); err != nil {
		return err
	}
	for n := range 3 {
		err := errors.Join(h.Write(t.Context(), []checkpoint.Item{at("a", 10*n+1, "A"), at("b", 10*n+2, "")}), h.Flip(t.Context(), upTo(10*n+9)))
		if err != nil {
			return err
		}
	}
	loaded := 0
	count := func(checkpoint.Context) error { loaded++; return nil }
	err = errors.Join(h.Load(t.Context(), 1, [][]byte{[]byte("a"), []byte("b")}, func(_ int, c checkpoint.Context) error { return count(c) }),
		h.Scan(t.Context(), 1, count), h.Drop(t.Context()))
	if err == nil && loaded != 2 {
		t.Errorf("%d contexts are read, want 2", loaded)
	}
	return err
}
