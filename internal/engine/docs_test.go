package engine_test

import (
	"flag"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules/examples"
)

var update = flag.Bool("update", false, "write the alert into docs/alerts.md")

// The alert that the documentation shows is what the engine makes of two pizzas on one day.
func TestTheDocumentedAlert(t *testing.T) {
	read := func(name string) string {
		b, err := fs.ReadFile(examples.FS, path.Join("pizza", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	set := compile(t, read("insolite.yaml"), read("rules.yaml"))
	e, err := engine.New(set.Plans[0], engine.Options{Partition: 3})
	if err != nil {
		t.Fatal(err)
	}
	var all []ingest.Record
	for i, v := range []string{
		`{"at":"2026-10-15T12:00:00+02:00","customer_id":"ann","item":"margherita","price":9.5}`,
		`{"at":"2026-10-15T20:00:00+02:00","customer_id":"ann","item":"regina","price":11.5}`,
	} {
		all = append(all, ingest.Record{Offset: event.Offset(17 + 24*i), Timestamp: event.Time(1792087200e9), Key: []byte("ann"), Value: []byte(v)})
	}
	out := &engine.Output{}
	if err := e.Step(&ingest.Batch{Topic: set.Plans[0].Topic, Partition: 3, Records: all, Next: 42}, out); err != nil {
		t.Fatal(err)
	}
	if len(out.Alerts) != 1 {
		t.Fatalf("%d alerts, %d dead letters %+v", len(out.Alerts), len(out.DeadLetters), out.DeadLetters)
	}
	shown := string(out.Alerts[0].Value)
	for _, member := range []string{"rule", "key", "condition", "context", "event", "source", "evidence", "suppressed"} {
		shown = strings.Replace(shown, `,"`+member+`":`, ",\n\""+member+`":`, 1)
	}
	const name = "../../docs/alerts.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(page), "```json\n")
	_, after, _ := strings.Cut(rest, "\n```\n")
	want := before + "```json\n" + shown + "\n```\n" + after
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(page) != want {
		t.Errorf("docs/alerts.md shows another alert than\n%s\nrun the test with -update", shown)
	}
}
