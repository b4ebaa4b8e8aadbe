package backtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"insolite/internal/config"
	"insolite/internal/engine"
	"insolite/rules"
)

const configuration = `
version: 1
app: shop
kafka: {brokers: [localhost:9092]}
sources:
  pay:
    topic: payments
    key: customer
    time: {field: at, unit: s}
    lateness: 10s
    fields: {at: time, customer: string, shop: {type: string, optional: true}}
  login:
    topic: logins
    key: user
    time: {field: at, unit: s}
    lateness: 10s
    fields: {at: time, user: string}
rules: [rules.yaml]
`

const ruleFile = `
version: 1
rules:
- id: second-payment
  source: pay
  group_by: [customer]
  context: {n: {agg: count, window: 1h}}
  condition: n >= 2
- id: any-login
  source: login
  group_by: [user]
  condition: user != "root"
`

func runner(t *testing.T, o Options) *Runner {
	t.Helper()
	return runnerOf(t, ruleFile, o)
}

func runnerOf(t *testing.T, ruleFile string, o Options) *Runner {
	t.Helper()
	c, list := config.Load("insolite.yaml", config.Options{
		Env:      func(string) (string, bool) { return "", false },
		ReadFile: func(string) ([]byte, error) { return []byte(configuration), nil },
	})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	set, list := rules.Load([]rules.File{{Path: "rules.yaml", Data: []byte(ruleFile)}}, c.Sources, nil, rules.Options{})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	r, err := New(set, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	pays = `{"at":100,"customer":"ann"}
{"at":95,"customer":"ann"}
{"at":200,"customer":"bob"}
nonsense
{"at":201,"customer":"bob"}
`
	logins = `{"at":150,"user":"ann"}
{"at":139,"user":"root"}
{"at":202,"user":"bob"}
`
)

func run(t *testing.T, r *Runner, inputs ...Input) (told string, values []string) {
	t.Helper()
	files, err := r.Files(inputs)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	if err := r.Run(files, func(out *engine.Output) error {
		for _, a := range out.Alerts {
			s = append(s, fmt.Sprintf("%s@%d", a.Rule.ID, a.Offset))
			values = append(values, string(a.Value))
		}
		for _, d := range out.DeadLetters {
			s = append(s, fmt.Sprintf("%s@%d", d.Reason, d.Record.Offset))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(s, " "), values
}

func TestInputsAreMergedByTime(t *testing.T) {
	for _, size := range []int{1, 3, 1000} {
		r := runner(t, Options{BatchMax: size})
		got, values := run(t, r, Input{"pay", "pay.ndjson", strings.NewReader(pays)}, Input{"logins", "login.ndjson", strings.NewReader(logins)})
		if want := "second-payment@1 any-login@0 malformed_json@3 second-payment@4 any-login@2"; size == 1 && got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if want := `"position":{"topic":"payments","partition":0,"offset":1}`; !strings.Contains(values[0], want) {
			t.Errorf("%s has no %s", values[0], want)
		}
		if n := r.Engine("logins").Counts().Sources[0].Late; n != 1 {
			t.Errorf("%d late logins, want 1", n)
		}
		if r.Engine("logins").Watermark() != r.Engine("payments").Watermark() {
			t.Error("the inputs do not share their time")
		}
	}
}

// Time that passes in one input has passed for the other.
func TestInputsShareTheirTime(t *testing.T) {
	r := runner(t, Options{})
	run(t, r, Input{"pay", "a", strings.NewReader(`{"at":300,"customer":"ann"}`)})
	run(t, r, Input{"login", "b", strings.NewReader(`{"at":289,"user":"ann"}`)})
	if n := r.Engine("logins").Counts().Sources[0].Late; n != 1 {
		t.Errorf("%d late logins, want 1", n)
	}
}

func TestErrors(t *testing.T) {
	r := runner(t, Options{})
	if _, err := r.Files([]Input{{Name: "payment"}}); err == nil || err.Error() != `no source and no topic is named "payment"; did you mean "payments"?` {
		t.Errorf("got %v", err)
	}
	files, err := r.Files([]Input{{"pay", "a", strings.NewReader(pays)}})
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	if err := r.Run(files, func(*engine.Output) error { return stop }); err != stop {
		t.Errorf("got %v", err)
	}
}
