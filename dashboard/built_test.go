package dashboard

import (
	"bytes"
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
	"time"

	"insolite/alerts"
	"insolite/dashboard/ui"
	"insolite/internal/event"
)

// tool runs one of the page's packages in dashboard/ui. It is there: install was called before.
func tool(t *testing.T, name string, args ...string) ([]byte, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "node_modules/.bin/"+name, args...)
	c.Dir, c.Env = "ui", append(os.Environ(), "NODE_ENV=production")
	return c.CombinedOutput()
}

// What is embedded is what the sources give: building them again with the pinned packages gives the same bytes.
func TestTheEmbeddedPageIsBuiltFromItsSources(t *testing.T) {
	if testing.Short() {
		t.Skip("runs npm")
	}
	install(t, "packages")
	built := t.TempDir()
	if out, err := tool(t, "vite", "build", "--outDir", built, "--emptyOutDir"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want, got := readAll(t, os.DirFS(built)), readAll(t, ui.Files())
	if len(want) == 0 {
		t.Fatal("nothing was built")
	}
	for name, body := range want {
		if !bytes.Equal(got[name], body) {
			t.Errorf("dist/%s is not what the sources give; run make ui", name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("dist/%s is not built any more; run make ui", name)
	}
}

func readAll(t *testing.T, files fs.FS) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[name], err = fs.ReadFile(files, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTypesAndLintOfThePage(t *testing.T) {
	if testing.Short() {
		t.Skip("runs npm")
	}
	install(t, "packages")
	for _, args := range [][]string{{"tsc", "--noEmit"}, {"oxlint", "--deny-warnings", "src", "test"}} {
		if out, err := tool(t, args[0], args[1:]...); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// The page's types of the API are those of what the server answers: tsc takes answers, written as literals, for values of these types. A
// literal may not have a member that its type lacks, nor lack one that it has.
func TestTypesOfTheAPI(t *testing.T) {
	if testing.Short() {
		t.Skip("runs npm")
	}
	install(t, "packages")
	source, err := filepath.Abs("ui/src/api.ts")
	if err != nil {
		t.Fatal(err)
	}
	answers := exampleAnswers(t)
	var ts strings.Builder
	fmt.Fprintf(&ts, "import type { Found, List, Refusal, Status } from %q;\n", source)
	for i, a := range answers {
		fmt.Fprintf(&ts, "export const answer%d: %s = %s;\n", i, a.kind, a.json)
	}
	// This test can fail.
	ts.WriteString("// @ts-expect-error a member that the type lacks\nexport const more: Refusal = { error: { code: '', message: '', cure: '', more: 1 } };\n")
	ts.WriteString("// @ts-expect-error a member that is missing\nexport const less: Refusal = { error: { code: '', message: '' } };\n")
	dir := t.TempDir()
	config := fmt.Sprintf(`{"extends": %q, "compilerOptions": {"types": [], "typeRoots": []}, "include": [], "files": ["answers.ts"]}`, filepath.Join(filepath.Dir(source), "../tsconfig.json"))
	for name, text := range map[string]string{"answers.ts": ts.String(), "tsconfig.json": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := tool(t, "tsc", "--noEmit", "-p", dir); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	everyMemberIsSeen(t, source, answers)
}

// everyMemberIsSeen fails when the types have a member, which may then be optional, that no answer has.
func everyMemberIsSeen(t *testing.T, source string, answers []exampleAnswer) {
	t.Helper()
	types, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, line := range strings.Split(string(types), "\n") {
		line, _, _ = strings.Cut(line, "//")
		for _, m := range regexp.MustCompile(`(?:^\s+|[{;] )(\w+)\??: `).FindAllStringSubmatch(line, -1) {
			seen++
			if !slices.ContainsFunc(answers, func(a exampleAnswer) bool { return bytes.Contains(a.json, []byte(`"`+m[1]+`":`)) }) {
				t.Errorf("api.ts: no answer has a member %q; is it gone?", m[1])
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d members of the types were found", seen)
	}
}

// exampleAnswer is what a request was answered with, and the name of its type on the page.
type exampleAnswer struct {
	kind string
	json []byte
}

// exampleAnswers asks for everything, of a server that knows as much as it can, and of one that knows nothing.
func exampleAnswers(t *testing.T) []exampleAnswer {
	t.Helper()
	full, bare := newServer(t), newServer(t)
	bare.opts.Status = func() Status { return Status{At: noon} }
	publishSamples(t, full)
	publish(t, full, hostile.record(t, 99), fullRecord(t))
	full.opts.Status = func() Status {
		st := sampleStatus()
		st.Problems = []string{"kafka: cannot be reached; start it"}
		return st
	}
	var answers []exampleAnswer
	add := func(s *Server, kind, target string, status int) {
		r := ask(s, "GET", target)
		if r.status != status || !json.Valid([]byte(r.body)) {
			t.Fatalf("%s: %d %s", target, r.status, r.body)
		}
		answers = append(answers, exampleAnswer{kind, []byte(r.body)})
	}
	for _, s := range []*Server{full, bare} {
		add(s, "List", "/api/v1/alerts", 200)
		add(s, "Status", "/api/v1/status", 200)
		add(s, "Refusal", "/api/v1/alerts/none", 404)
		add(s, "Refusal", "/api/v1/alerts?nothing=1", 400)
	}
	for _, e := range getList(t, full, "").Alerts {
		add(full, "Found", "/api/v1/alerts/"+e.ID, 200)
	}
	return answers
}

// fullRecord is an alert with everything that one may have, and a second feature with open edges.
func fullRecord(t *testing.T) Alert {
	t.Helper()
	at, _ := event.TimeOf(noon)
	a := alerts.Alert{
		Origin: alerts.Origin{Rule: "r", Version: "9b1e4c0d2a", Topic: "payment", Partition: 1, Offset: 2, State: "firing"},
		Rule:   alerts.RuleInfo{Title: "R", Severity: "low", Mode: "live"}, Key: []alerts.Named{{Name: "n", Value: number(1)}, {Name: "b", Value: event.BoolValue(true)}},
		At: event.TimeValue(at, 3600), Summary: "s", Description: "d", Runbook: "r", Condition: "c",
		Because: []alerts.Operand{{Expr: "x", Value: event.BoolValue(true)}, {Expr: "y", Op: "==", HasLimit: true}},
		Context: []alerts.Feature{
			{Name: "last", Fields: []alerts.Named{{Name: "amount", Value: number(2)}}, Agg: "last", Window: "1 d", Samples: 1, From: at, To: at},
			{Name: "most", Value: number(3), Agg: "percentile", P: 99_500, Window: "30 d", Season: "hour of day", Samples: 200, From: at, To: at},
			{Name: "open", Agg: "count", Window: "session", From: event.NoTime, To: event.NoTime},
		},
		Evidence: []alerts.Seen{{Topic: "payment", Partition: 1, Offset: 1, At: event.NoTime}},
		Labels:   []alerts.Text{{Name: "team", Text: "fraud"}}, Links: []alerts.Text{{Name: "x", Text: "y"}}, Source: "payment.authorized",
	}
	return Alert{Partition: 1, Offset: 5, Timestamp: noon.Add(time.Second), Value: a.AppendJSON(nil)}
}
