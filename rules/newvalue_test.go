package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"insolite/rules"
)

const newIP = `- id: a
  source: login.succeeded
  where: mfa
  group_by: [user_id]
  new_value: {fields: [ip], history: 90d, learning: 14d}
  condition: lat > 0
  alert: {summary: "{ip}"}
  tests:
  - name: t
    events: [{at: 2026-10-15T12:00:00Z, user_id: ann, ip: 192.0.2.1, mfa: true}]
    expect: []
`

func TestNewValue(t *testing.T) {
	set, list := load(t, newIP, rules.Options{})
	if set == nil {
		t.Fatal(told(list))
	}
	r := set.Rules[0]
	v := r.NewValue
	if v == nil || len(v.Fields) != 1 || v.History != 90*24*time.Hour || v.Learning != 14*24*time.Hour || v.Identity == 0 {
		t.Errorf("got %+v", v)
	}
	if got := r.Trigger(); got != "new ip within 90d, and lat > 0" || r.Always() {
		t.Errorf("trigger %q", got)
	}
	if want := 61 * 90 * 24 * time.Hour / 60; r.Keyspace.Retention != want {
		t.Errorf("retention %s, want %s", r.Keyspace.Retention, want)
	}
	bare, _ := load(t, strings.Replace(newIP, "  condition: lat > 0\n", "", 1), rules.Options{})
	if b := bare.Rules[0]; !b.Always() || b.Trigger() != "new ip within 90d" || b.Version == r.Version {
		t.Errorf("%q, version %s", b.Trigger(), b.Version)
	}
	for _, change := range [][2]string{{"[ip]", "[mfa]"}, {"90d", "80d"}, {"where: mfa", "where: not mfa"}} {
		other, list := load(t, strings.Replace(newIP, change[0], change[1], 1), rules.Options{})
		if other == nil {
			t.Fatal(told(list))
		}
		if o := other.Rules[0]; o.Version == r.Version || o.NewValue.Identity == v.Identity {
			t.Errorf("%v: it is the same", change)
		}
	}
	other, _ := load(t, strings.Replace(newIP, "14d", "15d", 1), rules.Options{})
	if o := other.Rules[0]; o.Version == r.Version || o.NewValue.Identity != v.Identity {
		t.Error("learning is part of the version, not of what is remembered")
	}
}

func TestProblemsOfNewValues(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"fields: [ip]", "fields: [pi]", `r.yaml:7:24: new_value names "pi", which is no field of login.succeeded; did you mean "ip"?`},
		{"fields: [ip]", "fields: []", `r.yaml:7:23: fields is empty; name what is to be new, as in fields: [device_id]`},
		{"fields: [ip]", "fields: [ip, ip]", `r.yaml:7:28: "ip" is in fields twice; remove one`},
		{"fields: [ip]", "fields: [user_id]", `r.yaml:7:24: "user_id" is part of the key, so it is never new; remove it`},
		{"fields: [ip]", "fields: [lat]", `r.yaml:7:24: a value is a string, int, bool or ip, lat is a number; use another field`},
		{"fields: [ip], ", "", `r.yaml:7:14: new_value has no "fields"; add it, as in new_value: {fields: [device_id], history: 90d, learning: 14d}`},
		{", history: 90d", "", `r.yaml:7:14: new_value has no "history"; add it, as in new_value: {fields: [device_id], history: 90d, learning: 14d}`},
		{", learning: 14d", "", `r.yaml:7:14: new_value has no "learning"; add it, as in new_value: {fields: [device_id], history: 90d, learning: 14d}`},
		{"history: 90d", "history: 59s", `r.yaml:7:38: a value is remembered for a minute at least; write history: 1m`},
		{"history: 90d", "history: 90", `r.yaml:7:38: "history" is a duration, this is an int; write it with a unit, as in 90s, 1h30m, 30d, 8w`},
		{"learning: 14d", "learning: 0d", `r.yaml:7:53: "0d" is not a duration: it is not above zero; write it as in 90s, 1h30m, 30d, 8w`},
		{"learning: 14d", "learn: 14d", `r.yaml:7:14: new_value has no "learning"; add it, as in new_value: {fields: [device_id], history: 90d, learning: 14d}
r.yaml:7:43: unknown field "learn" in new_value; known are fields, history, learning`},
		{"new_value: {fields: [ip], history: 90d, learning: 14d}", "new_value: [ip]", `r.yaml:7:14: new_value is a mapping of fields, this is a list; write name: value`},
	} {
		_, list := load(t, strings.Replace(newIP, c.old, c.new, 1), rules.Options{})
		var b strings.Builder
		for _, p := range list.Sorted() {
			fmt.Fprintln(&b, p)
		}
		if got := strings.TrimSpace(b.String()); got != c.want {
			t.Errorf("%s → %s\n got %s\nwant %s", c.old, c.new, got, c.want)
		}
	}
}
