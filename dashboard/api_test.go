package dashboard

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"
)

type list struct {
	Alerts []row
	Total  int
	More   bool
	Facets map[string]map[string]int
	Stream string
}

func getList(t testing.TB, s *Server, query string) list {
	t.Helper()
	r := ask(s, "GET", "/api/v1/alerts"+query)
	var l list
	if r.status != http.StatusOK || json.Unmarshal([]byte(r.body), &l) != nil {
		t.Fatalf("%s: %d %s", query, r.status, r.body)
	}
	return l
}

func TestListsAreFilteredAndNewestFirst(t *testing.T) {
	s := newServer(t)
	publishSamples(t, s)
	for query, want := range map[string][]string{
		"":                                       {"cust-48213", "ann", "card-4471", "lyon", "store-204", "tomasz", "freezer-12", "cart-19be-44"},
		"?severity=critical&severity=medium":     {"card-4471", "lyon", "freezer-12"},
		"?rule=two-pizzas-one-day":               {"ann", "tomasz"},
		"?rule=two-pizzas-one-day&key=tomasz":    {"tomasz"},
		"?rule=two-pizzas-one-day&severity=high": {},
		"?source=payment.declined":               {"card-4471"},
		"?q=PIZZAS+today":                        {"ann", "tomasz"},
		"?q=demo&limit=2":                        {"cust-48213", "ann"},
		"?before=3":                              {"freezer-12", "cart-19be-44"},
		"?before=8&limit=1&severity=low":         {"ann"},
		"?q=%E2%82%AC1,284.00":                   {"cust-48213"},
		"?limit=0":                               {},
		"?q=%3Cscript%3E":                        {},
	} {
		got := []string{}
		for _, a := range getList(t, s, query).Alerts {
			got = append(got, a.KeyText)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func TestPagesCoverTheList(t *testing.T) {
	s := newServer(t)
	publishSamples(t, s)
	var seen []uint64
	query := "?limit=3"
	for {
		page := getList(t, s, query)
		for _, a := range page.Alerts {
			seen = append(seen, a.Seq)
		}
		if page.Total != 8 {
			t.Errorf("total %d", page.Total)
		}
		if !page.More {
			break
		}
		b, _ := json.Marshal(seen[len(seen)-1])
		query = "?limit=3&before=" + string(b)
	}
	if want := []uint64{8, 7, 6, 5, 4, 3, 2, 1}; !slices.Equal(seen, want) {
		t.Errorf("saw %v", seen)
	}
}

func TestTheLastHourIsCountedByMinute(t *testing.T) {
	s := newServer(t)
	s.opts.Now = func() time.Time { return noon.Add(6 * time.Second) }
	publishSamples(t, s)
	old, ahead := samples[5].record(t, 98), hostile.record(t, 99)
	old.Value = bytes.Replace(old.Value, []byte(`"id":"`), []byte(`"id":"x`), 1)
	old.Timestamp, ahead.Timestamp = noon.Add(-60*time.Minute+6*time.Second), noon.Add(time.Hour)
	publish(t, s, old, ahead)
	var got struct {
		Hour struct {
			Until  time.Time
			Counts map[string][]int
		}
	}
	if err := json.Unmarshal([]byte(ask(s, "GET", "/api/v1/alerts?limit=0&severity=high&severity=critical").body), &got); err != nil {
		t.Fatal(err)
	}
	high, critical := make([]int, 60), make([]int, 60)
	high[59], high[58], critical[59] = 2, 1, 1
	if c := got.Hour.Counts; len(c) != 2 || !slices.Equal(c["high"], high) || !slices.Equal(c["critical"], critical) || !got.Hour.Until.Equal(s.opts.Now()) {
		t.Errorf("got %+v", got)
	}
}

// A facet's count says what choosing the value would show, with the other filters as they are.
func TestFacetsCountWhatChoosingThemWouldShow(t *testing.T) {
	s := newServer(t)
	publishSamples(t, s)
	base := "?severity=low&q=pizza"
	for name, values := range getList(t, s, base).Facets {
		for value, n := range values {
			query := base + "&" + name + "=" + value
			if name == "severity" {
				query = "?q=pizza&severity=" + value
			}
			if got := getList(t, s, query).Total; got != n {
				t.Errorf("%s %s: counted %d, shows %d", name, value, n, got)
			}
		}
	}
	if n := getList(t, s, "?severity=low").Facets["severity"]["high"]; n != 2 {
		t.Errorf("2 high alerts could be chosen too, counted %d", n)
	}
}
