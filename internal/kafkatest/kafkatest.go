// Package kafkatest starts a real Apache Kafka (KRaft, combined broker and controller nodes) on random loopback ports for tests.
//
// It needs java and mvn. Where one of them is missing the test is skipped, but fails when CI=true, so that a build server cannot
// pass without the broker. The first [Start] on a computer downloads the broker's jars into Maven's own repository.
package kafkatest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	readyLine    = "Kafka Server started"
	readyTimeout = 90 * time.Second
	pollEvery    = 50 * time.Millisecond
	attempts     = 3 // another process may take a port between the choice and the bind
)

// Cluster is a running Kafka of one or more nodes, numbered from 1 as their node.id. It is for the goroutine of its test.
type Cluster struct {
	t     testing.TB
	cp    string
	nodes []*node

	behind []func(node int, listens string) (advertised string)
}

// node is one broker and controller; its directory, so its ports and data, outlives its process.
type node struct {
	id   int
	addr string // of the broker listener
	more []listener
	dir  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended; nil before the first launch
}

// listener is one that tells clients another address than its own.
type listener struct{ addr, advertised string }

// Behind gives every node a second listener, which tells clients that it is elsewhere: at the address that place returns for where it
// listens, which must lead there. A client that begins with such an address stays behind it. place is called once a node, and again when the
// cluster could not be started; with several Behind a node has a listener for each.
func Behind(place func(node int, listens string) (advertised string)) Setting {
	return func(c *Cluster) { c.behind = append(c.behind, place) }
}

// Setting changes how a cluster is started.
type Setting func(c *Cluster)

// Start starts a cluster of so many nodes and returns when every one is ready. The end of the test ends the nodes that still run.
func Start(t testing.TB, nodes int, settings ...Setting) *Cluster {
	t.Helper()
	if nodes < 1 {
		t.Fatalf("kafkatest: a cluster of %d nodes", nodes)
	}
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("kafkatest: %s is not in the PATH, and CI=true must test with a real broker", tool)
		}
		t.Skipf("kafkatest: %s is not in the PATH, so there is no real broker to test with", tool)
	}
	cp, err := classPath()
	if err != nil {
		t.Fatalf("kafkatest: no class path for the broker: %v", err)
	}
	c := &Cluster{t: t, cp: cp}
	for _, set := range settings {
		set(c)
	}
	root := t.TempDir() // before the clean-up below: the nodes end first, then their directories go
	t.Cleanup(c.stop)
	for i := range attempts {
		if err = c.attempt(filepath.Join(root, strconv.Itoa(i+1)), nodes); err == nil {
			return c
		}
		c.stop()
		t.Logf("kafkatest: attempt %d: %v", i+1, err)
	}
	t.Fatalf("kafkatest: the broker did not start: %v", err)
	return nil
}

// Bootstrap returns the address of every node, in the order of their numbers, whether it runs or not.
func (c *Cluster) Bootstrap() []string {
	addrs := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		addrs[i] = n.addr
	}
	return addrs
}

// Kill ends a node with SIGKILL and returns when it is gone. A node that does not run stays so.
func (c *Cluster) Kill(node int) {
	c.t.Helper()
	if err := c.node(node).kill(); err != nil {
		c.t.Fatalf("kafkatest: kill node %d: %v", node, err)
	}
}

// Restart starts nodes that [Cluster.Kill] ended, on their ports and data, and returns when all of them are ready. A node is ready
// only with a majority of the cluster: name all the nodes in one call when the majority was killed.
func (c *Cluster) Restart(nodes ...int) {
	c.t.Helper()
	again := make([]*node, len(nodes))
	for i, id := range nodes {
		again[i] = c.node(id)
		if again[i].running() {
			c.t.Fatalf("kafkatest: restart node %d: it runs", id)
		}
	}
	if err := c.launch(again); err != nil {
		c.t.Fatalf("kafkatest: restart: %v", err)
	}
}

// Java runs a Java source file with the broker's class path, so that Kafka's own client can judge ours, and returns what it printed.
func (c *Cluster) Java(source string, args ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "java", append([]string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", c.cp, source}, args...)...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("kafkatest: java %s: %v\n%s", source, err, tail(log.Bytes()))
	}
	return out.String()
}

func (c *Cluster) node(id int) *node {
	c.t.Helper()
	if id < 1 || id > len(c.nodes) {
		c.t.Fatalf("kafkatest: no node %d in a cluster of %d", id, len(c.nodes))
	}
	return c.nodes[id-1]
}

// stop ends every process of the cluster that still runs.
func (c *Cluster) stop() {
	for _, n := range c.nodes {
		if err := n.kill(); err != nil {
			c.t.Errorf("kafkatest: stop node %d: %v", n.id, err)
		}
	}
}

// attempt makes a new cluster in dir on newly chosen ports.
func (c *Cluster) attempt(dir string, count int) error {
	c.nodes = nil
	ports, err := freePorts((2 + len(c.behind)) * count)
	if err != nil {
		return err
	}
	voters := make([]string, count)
	for i := range count {
		voters[i] = fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports[count+i])
	}
	cluster := make([]byte, 16)
	_, _ = rand.Read(cluster) // never fails
	cluster[0] &= 0x7f        // an id that begins with - would be read as an option
	id := base64.RawURLEncoding.EncodeToString(cluster)
	for i := range count {
		n := &node{id: i + 1, addr: fmt.Sprintf("127.0.0.1:%d", ports[i]), dir: filepath.Join(dir, strconv.Itoa(i+1))}
		if err := os.MkdirAll(n.dir, 0o755); err != nil {
			return err
		}
		for j, place := range c.behind {
			addr := fmt.Sprintf("127.0.0.1:%d", ports[(2+j)*count+i])
			n.more = append(n.more, listener{addr, place(n.id, addr)})
		}
		conf := filepath.Join(n.dir, "server.properties")
		text := properties(n, ports[count+i], strings.Join(voters, ","), count)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			return err
		}
		format := exec.Command("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", c.cp,
			"kafka.tools.StorageTool", "format", "-t", id, "-c", conf)
		if msg, err := format.CombinedOutput(); err != nil {
			return fmt.Errorf("format the storage of node %d: %w\n%s", n.id, err, tail(msg))
		}
		c.nodes = append(c.nodes, n)
	}
	return c.launch(c.nodes)
}

// launch starts the nodes together, as each needs a majority, and waits until all are ready.
func (c *Cluster) launch(nodes []*node) error {
	for _, n := range nodes {
		if err := n.launch(c.cp); err != nil {
			return fmt.Errorf("node %d: %w", n.id, err)
		}
	}
	deadline := time.Now().Add(readyTimeout)
	for _, n := range nodes {
		if err := n.ready(deadline); err != nil {
			return fmt.Errorf("node %d: %w", n.id, err)
		}
	}
	return nil
}

func (n *node) logFile() string { return filepath.Join(n.dir, "broker.log") }

func (n *node) launch(cp string) error {
	log, err := os.Create(n.logFile()) // empties it: the ready line of an earlier start must not count
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has its own descriptor
	cmd := exec.Command("java", "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info", // the ready line
		"-Dorg.slf4j.simpleLogger.log.org.apache.kafka.server=info",
		"-cp", cp, "kafka.Kafka", "server.properties")
	cmd.Dir, cmd.Stdout, cmd.Stderr = n.dir, log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	n.cmd, n.done = cmd, done
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(done)
	}()
	return nil
}

// ready waits for the ready line, the end of the process or the deadline.
func (n *node) ready(deadline time.Time) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		log, err := os.ReadFile(n.logFile())
		if err != nil {
			return err
		}
		if bytes.Contains(log, []byte(readyLine)) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready in %v\n%s", readyTimeout, tail(log))
		}
		select {
		case <-n.done:
			return fmt.Errorf("ended before it was ready\n%s", tail(log))
		case <-poll.C:
		}
	}
}

func (n *node) running() bool {
	if n.done == nil {
		return false
	}
	select {
	case <-n.done:
		return false
	default:
		return true
	}
}

func (n *node) kill() error {
	if !n.running() {
		return nil
	}
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-n.done
	return nil
}

// freePorts returns ports that nobody listens on. They lie below the ephemeral range, so that no outgoing connection takes one
// before the broker binds it, or while the broker is down.
func freePorts(count int) ([]int, error) {
	var ports []int
	for range 100 * count {
		port := 12000 + mathrand.IntN(20000)
		if slices.Contains(ports, port) {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
		if ports = append(ports, port); len(ports) == count {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("found only %d of %d free ports", len(ports), count)
}

// tail returns the last lines of a log.
func tail(log []byte) string {
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
