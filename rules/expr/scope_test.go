package expr

import (
	"net/netip"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/rules/lookup"
)

// logins is a source whose time field is not called at, and whose place stands in a group.
var logins = &event.Source{Name: "login", EventTime: 2, Fields: []event.Field{
	{Name: "geo.lat", Kind: event.KindNumber}, {Name: "geo.lon", Kind: event.KindNumber, Optional: true}, {Name: "when", Kind: event.KindTime},
	{Name: "lat", Kind: event.KindInt}, {Name: "lon", Kind: event.KindNumber}, {Name: "geo", Kind: event.KindString},
	{Name: "ip", Kind: event.KindIP}, {Name: "user", Kind: event.KindString}, {Name: "shop", Kind: event.KindInt}, {Name: "vip", Kind: event.KindBool, Optional: true},
}}

func lookups(t *testing.T) *lookup.Set {
	t.Helper()
	var problems diag.List
	set := &lookup.Set{
		Lists: map[string]*lookup.List{
			"vpn":   lookup.ParseList("vpn", []byte("10.1.2.3\n2001:db8::1\ntrue\n"), &problems),
			"shops": lookup.ParseList("shops", []byte("7\n-9\nann\n"), &problems),
		},
		Tables: map[string]*lookup.Table{"merchants": lookup.ParseTable("m", []byte("id,country,in charge\n7,IT,\nann,FR,bob\n10.1.2.3,DE,x\ntrue,yes,y\n"), "id", &problems)},
	}
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

// loginScope has the source's fields, and the last login as the feature prev in the slots 10 to 14.
func loginScope(t *testing.T) *Scope {
	s := NewScope(logins, lookups(t))
	s.Names["prev"] = Group(logins, []event.Slot{0, 1, 2, 3, 4}, []event.Slot{10, 11, 12, 13, 14})
	s.Names["untimed"] = Group(logins, []event.Slot{3, 4}, []event.Slot{13, 14})
	return s
}

var loginRow = event.Row{
	event.NumberValue(41.9028), event.NumberValue(12.4964), event.TimeValue(2*3600e9, 0), event.IntValue(41), event.NumberValue(12), event.StringValue("rome"),
	event.IPValue(netip.MustParseAddr("10.1.2.3")), event.StringValue("ann"), event.IntValue(7), {},
	event.NumberValue(48.8566), event.NumberValue(2.3522), event.TimeValue(3600e9, 0), event.IntValue(41), event.NumberValue(13),
}

func TestScopeNamesTheFields(t *testing.T) {
	s := loginScope(t)
	for text, want := range map[string]Truth{
		`geo == "rome" and event.geo == geo`:                               True,
		`geo.lat == event.geo.lat and event.geo.lat > prev.lat`:            True,
		`event.when - prev.when == duration("1h")`:                         True,
		`speed_kmh(prev.geo, event.geo) == distance_km(prev.geo, geo)`:     True,
		`distance_km(prev.geo, event.geo) > 1105 and event.geo.lat < 42`:   True,
		`speed_kmh(prev, event) == distance_km(prev, event)`:               True,
		`speed_kmh(prev, event) > 80 and speed_kmh(prev, event) < 90`:      True,
		`distance_km(untimed, event) == distance_km(prev, event)`:          True,
		`distance_km(event, event) == 0 and not has(speed_kmh(geo, prev))`: False,
		`vip in list("vpn")`:                                               Unknown,
		`(vip ?? true) in list("vpn")`:                                     True,
		`ip in list("vpn")`:                                                True,
		`ip not in list("vpn") or user not in list("shops")`:               False,
		`user in list("vpn")`:                                              False,
		`shop in list("shops") and -9 in list("shops")`:                    True,
		`shop + 1 in list("shops")`:                                        False,
		`lookup("merchants", user).country == "FR"`:                        True,
		`lookup("merchants", shop).country == "IT"`:                        True,
		`lookup("merchants", ip).country == "DE"`:                          True,
		`lookup("merchants", vip ?? true).country == "yes"`:                True,
		`lookup("merchants", shop)["in charge"] == ""`:                     True,
		`lookup("merchants", geo).country == "IT"`:                         Unknown,
		`lookup("merchants", vip).country == "IT"`:                         Unknown,
		`has(lookup("merchants", geo).country)`:                            False,
		`(lookup("merchants", shop + 1).country ?? "none") == "none"`:      True,
		`lookup("merchants", lookup("merchants", 7)["in charge"]).id > ""`: Unknown,
	} {
		var problems diag.List
		e := Compile(text, event.KindBool, s, nil, &problems)
		if e == nil {
			t.Errorf("%s: %v", text, problems.Err())
			continue
		}
		if got := e.Truth(loginRow); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
		if n := testing.AllocsPerRun(20, func() { e.Truth(loginRow) }); n != 0 {
			t.Errorf("%s allocates %v times", text, n)
		}
	}
}

func TestListsWithoutLookups(t *testing.T) {
	var problems diag.List
	if Compile(`user in list("vpn")`, event.KindBool, NewScope(logins, nil), nil, &problems) != nil || !strings.Contains(problems.Err().Error(), `there is no list "vpn"; declare it below lookups in the configuration`) {
		t.Errorf("got %v", problems.Err())
	}
}

func TestQuestionsAboutRequiredFieldsAreLinted(t *testing.T) {
	const cure = "; declare the field optional: true, or leave the question out"
	for text, want := range map[string]string{
		`has(user)`:                         ":1:5: user is a required field, so has is always true" + cure,
		`has(event.user) and ok`:            ":1:5: event.user is a required field, so has is always true" + cure,
		`(shop ?? 1) > 2 and ok`:            ":1:2: shop is a required field, so the right side of ?? is never used" + cure,
		`has(vip) and (vip ?? ok)`:          "",
		`has(prev.lat) and has(prev.when)`:  "",
		`(prev.geo.lat ?? 1) > 0`:           "",
		`has(lookup("merchants", 7).id)`:    "",
		`has(shop + 1) or has(1)`:           "",
		`(+shop ?? 1) > 0 or (1 ?? 2) == 1`: ":1:3: shop is a required field, so the right side of ?? is never used" + cure,
	} {
		var problems diag.List
		s := with(loginScope(t), "ok", Ref{Slot: 9, Kind: event.KindBool, Optional: true})
		e := Compile(text, event.KindBool, s, nil, &problems)
		got := ""
		for _, p := range problems.Sorted() {
			got += p.String()
		}
		if e == nil || problems.HasErrors() || got != want {
			t.Errorf("%s: compiles %v, %s", text, e != nil, got)
		}
	}
}

func TestListWithPrefixesIsLinted(t *testing.T) {
	var problems diag.List
	set := &lookup.Set{Lists: map[string]*lookup.List{"vpn": lookup.ParseList("vpn", []byte("10.1.2.3\n10.0.0.0/8\n"), &problems)}}
	for text, want := range map[string]string{
		`ip in list("vpn")`:   `:1:12: list "vpn" holds "10.0.0.0/8", which no ip equals; write addresses in their shortest form, and prefixes in a literal list such as ip in ["10.0.0.0/8"]`,
		`user in list("vpn")`: "",
	} {
		problems, got := diag.List{}, ""
		e := Compile(text, event.KindBool, NewScope(logins, set), nil, &problems)
		for _, p := range problems.Sorted() {
			got += p.String()
		}
		if e == nil || problems.HasErrors() || got != want {
			t.Errorf("%s: compiles %v, %s", text, e != nil, got)
		}
	}
}

func ipValue(text string) event.Value { return event.IPValue(netip.MustParseAddr(text)) }
