// Package deploy_test reads what is shipped for operators: what it names has to exist.
package deploy_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"insolite/internal/config"
	"insolite/internal/diag"
	"insolite/internal/telemetry"
	"insolite/internal/yamldoc"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// tree parses a YAML file into maps, lists and texts.
func tree(t *testing.T, path string) map[string]any {
	t.Helper()
	var list diag.List
	doc, ok := yamldoc.Parse(path, []byte(read(t, path)), &list)
	if !ok {
		t.Fatal(list.Err())
	}
	return plain(doc.Root).(map[string]any)
}

func plain(n *yamldoc.Node) any {
	switch n.Kind {
	case yamldoc.Mapping:
		m := map[string]any{}
		for _, p := range n.Pairs {
			m[p.Key.Text] = plain(p.Value)
		}
		return m
	case yamldoc.Seq:
		list := []any{}
		for _, item := range n.Items {
			list = append(list, plain(item))
		}
		return list
	}
	return n.Text
}

// at walks down maps by their keys.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func metrics() map[string]telemetry.Def {
	known := map[string]telemetry.Def{}
	for _, d := range telemetry.Table() {
		known[d.Name] = d
		if d.Type == telemetry.TypeHistogram {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				known[d.Name+suffix] = d
			}
		}
	}
	return known
}

var (
	metricName = regexp.MustCompile(`\binsolite(_[a-z]+)+\b`)
	selector   = regexp.MustCompile(`(\w*\()?(insolite(?:_[a-z]+)+)(?:\{([^}]*)\})?(\[)?`)
	matcher    = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	grouping   = regexp.MustCompile(`by \(([^)]*)\)`)
)

// Every metric that is named anywhere in what operators get is in the table, so that no panel stays empty for ever.
func TestMetricsExist(t *testing.T) {
	known := metrics()
	check := func(path string) {
		for _, name := range metricName.FindAllString(read(t, path), -1) {
			if _, ok := known[name]; !ok {
				t.Errorf("%s names %s, which internal/telemetry does not have", path, name)
			}
		}
	}
	check("../docs/runbook.md")
	check("../docs/operations.md")
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) != ".go" {
			check(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// faults tells of labels that a metric does not have, counters without a rate and gauges with one.
func faults(query string) (problems []string) {
	known, labels := metrics(), []string{"instance", "job", "le"}
	for _, m := range selector.FindAllStringSubmatch(query, -1) {
		d, ok := known[m[2]]
		if !ok {
			problems = append(problems, "there is no metric "+m[2])
			continue
		}
		labels = append(labels, d.Labels...)
		for _, l := range matcher.FindAllStringSubmatch(m[3], -1) {
			if l[1] != "instance" && l[1] != "job" && !slices.Contains(d.Labels, l[1]) {
				problems = append(problems, m[2]+" has no label "+l[1])
			}
		}
		rated := (m[1] == "rate(" || m[1] == "increase(") && m[4] == "["
		if rated == (d.Type == telemetry.TypeGauge) {
			problems = append(problems, fmt.Sprintf("%s is a %s, and is it rated? %v", m[2], d.Type, rated))
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(query, -1) {
		for l := range strings.SplitSeq(g[1], ",") {
			if !slices.Contains(labels, strings.TrimSpace(l)) {
				problems = append(problems, "no metric of the query has the label "+l)
			}
		}
	}
	return problems
}

func checkQuery(t *testing.T, where, query string) {
	t.Helper()
	for _, p := range faults(query) {
		t.Errorf("%s: %s: %s", where, p, query)
	}
}

// The checks of queries notice what they are for.
func TestFaultsAreNoticed(t *testing.T) {
	for _, query := range []string{
		"insolite_output_commits_total", "rate(insolite_tasks[5m])", "sum by (rule) (insolite_tasks)", `insolite_tasks{rule="a"}`, "insolite_nothing",
	} {
		if len(faults(query)) != 1 {
			t.Errorf("%s: %q", query, faults(query))
		}
	}
}

func TestGrafanaDashboard(t *testing.T) {
	var d struct {
		UID    string
		Panels []struct {
			ID                       int
			Type, Title, Description string
			GridPos                  struct{ X, Y, W, H int }
			Targets                  []struct{ Expr string }
		}
	}
	text := read(t, "grafana/dashboard.json")
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q: its id or place is wrong", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type != "row" && (len(p.Targets) == 0 || p.Description == "") {
			t.Errorf("panel %q has no query or no description", p.Title)
		}
		for _, target := range p.Targets {
			checkQuery(t, "panel "+p.Title, target.Expr)
		}
	}
	for _, m := range telemetry.Table() {
		if !strings.Contains(text, m.Name) {
			t.Errorf("no panel shows %s", m.Name)
		}
	}
}

// Every alert has a severity, a summary and a section in the runbook, and the runbook has no other.
func TestPrometheusAlerts(t *testing.T) {
	runbook := read(t, "../docs/runbook.md")
	sections := map[string]bool{}
	for _, h := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(runbook, -1) {
		sections[h[1]] = true
	}
	for _, group := range tree(t, "prometheus/alerts.yaml")["groups"].([]any) {
		for _, rule := range at(group, "rules").([]any) {
			name, _ := at(rule, "alert").(string)
			query, _ := at(rule, "expr").(string)
			checkQuery(t, name, query)
			severity, _ := at(rule, "labels", "severity").(string)
			if !slices.Contains([]string{"info", "warning", "critical"}, severity) || at(rule, "annotations", "summary") == nil {
				t.Errorf("%s has no severity or no summary", name)
			}
			if link := at(rule, "annotations", "runbook"); link != "docs/runbook.md#"+strings.ToLower(name) || !sections[name] {
				t.Errorf("%s has no section in the runbook", name)
			}
			delete(sections, name)
		}
	}
	for name := range sections {
		t.Errorf("the runbook tells of %s, which is no alert", name)
	}
}

// The image and compose set only variables that the configuration reads, and with them the example loads.
func TestComposeConfiguresTheDetector(t *testing.T) {
	compose := tree(t, "compose.yaml")
	env := map[string]string{}
	for _, m := range regexp.MustCompile(`(INSOLITE_\w+)=(\S+)`).FindAllStringSubmatch(read(t, "Dockerfile"), -1) {
		env[m[1]] = m[2]
	}
	for k, v := range at(compose, "services", "detector", "environment").(map[string]any) {
		env[k] = v.(string)
	}
	asked := map[string]bool{}
	c, list := config.Load("../rules/examples/payments/insolite.yaml", config.Options{Env: func(name string) (string, bool) {
		asked[name] = true
		v, ok := env[name]
		return v, ok
	}})
	if c == nil {
		t.Fatal(list.Err())
	}
	for name := range env {
		if !asked[name] {
			t.Errorf("nothing reads %s", name)
		}
	}
	if !slices.Equal(c.Kafka.Brokers, []string{"kafka:9092"}) || c.State.Path != "/var/lib/insolite/contexts" || c.Admin != "0.0.0.0:9090" {
		t.Errorf("brokers %v, state %s, admin %s", c.Kafka.Brokers, c.State.Path, c.Admin)
	}
	topic := c.Sources[0].Topic
	if command := at(compose, "services", "topics", "command").([]any); !slices.Contains(command, any(topic)) {
		t.Errorf("no service creates the topic %s", topic)
	}
}

// What compose mounts is there, ports are published on loopback only, and Kafka is the version that the tests run.
func TestCompose(t *testing.T) {
	compose := tree(t, "compose.yaml")
	volumes := at(compose, "volumes").(map[string]any)
	version := regexp.MustCompile(`<kafka.version>(.*)</kafka.version>`).FindStringSubmatch(read(t, "../internal/kafkatest/pom.xml"))[1]
	for name, service := range at(compose, "services").(map[string]any) {
		list, _ := at(service, "volumes").([]any)
		for _, v := range list {
			from, _, _ := strings.Cut(v.(string), ":")
			if _, named := volumes[from]; named {
				continue
			}
			if _, err := os.Stat(from); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
		ports, _ := at(service, "ports").([]any)
		for _, p := range ports {
			if !strings.HasPrefix(p.(string), "127.0.0.1:") {
				t.Errorf("%s publishes %s to everybody", name, p)
			}
		}
		if image, _ := at(service, "image").(string); strings.HasPrefix(image, "apache/kafka:") && image != "apache/kafka:"+version {
			t.Errorf("%s runs %s, the tests %s", name, image, version)
		} else if at(service, "build") == nil && !strings.Contains(image, ":") {
			t.Errorf("%s: the image %s has no version", name, image)
		}
		needs, _ := at(service, "depends_on").(map[string]any)
		for other := range needs {
			if at(compose, "services", other) == nil {
				t.Errorf("%s depends on %s, which there is not", name, other)
			}
		}
	}
	if target := tree(t, "prometheus/prometheus.yaml"); len(target["rule_files"].([]any)) != 1 {
		t.Error("prometheus reads no alerts")
	}
	for _, path := range []string{"grafana/provisioning/datasources/prometheus.yaml", "grafana/provisioning/dashboards/insolite.yaml"} {
		tree(t, path)
	}
}

// The image builds with the Go of go.mod, and runs as nobody.
func TestDockerfile(t *testing.T) {
	dockerfile := read(t, "Dockerfile")
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	for _, want := range []string{"FROM golang:" + version + "-", "/static-debian12:nonroot", "\nUSER 65532:65532\n", "CGO_ENABLED=0", "./cmd/detector", "STOPSIGNAL SIGTERM"} {
		if !strings.Contains(dockerfile, want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
	if _, err := os.Stat("../cmd/detector"); err != nil {
		t.Error(err)
	}
}

func TestSystemdUnit(t *testing.T) {
	unit := read(t, "systemd/insolite.service")
	for _, want := range []string{"ExecStart=/usr/local/bin/detector run --config ", "DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=insolite", "KillSignal=SIGTERM"} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit has no %q", want)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("without systemd-analyze the unit's syntax is not checked; install systemd")
	}
	// The unit as it is, but for the program, which is not installed here.
	file := filepath.Join(t.TempDir(), "insolite.service")
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit, "/usr/local/bin/detector", program)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || strings.Contains(string(out), "insolite.service:") {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}
