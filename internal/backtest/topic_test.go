package backtest

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// records gives the lines of a text as records from offset 10 on, two apart, and fails at the end when it is told to.
func records(text string, fail error) iter.Seq2[ingest.Record, error] {
	return func(yield func(ingest.Record, error) bool) {
		for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
			if !yield(ingest.Record{Offset: event.Offset(10 + 2*i), Timestamp: 300e9, Value: []byte(line)}, nil) {
				return
			}
		}
		if fail != nil {
			yield(ingest.Record{}, fail)
		}
	}
}

// Each partition is a task of its own, whatever the size of batches: ann's payments in one do not count in another.
func TestPartitions(t *testing.T) {
	for _, size := range []int{0, 1, 2} {
		r := runner(t, Options{BatchMax: size})
		var got []string
		emit := func(out *engine.Output) error {
			for _, a := range out.Alerts {
				got = append(got, fmt.Sprintf("%s %d/%d", a.Rule.ID, a.Origin.Partition, a.Offset))
			}
			for _, d := range out.DeadLetters {
				got = append(got, fmt.Sprintf("%s %d", d.Reason, d.Record.Offset))
			}
			return nil
		}
		if err := r.Partitions([]Partition{
			{"payments", 0, records(pays, nil)}, {"payments", 1, records(pays, nil)},
			{"payments", 2, records(`{"at":100,"customer":"ann"}`, nil)}, {"unread", 0, records("nothing", nil)},
		}, emit); err != nil {
			t.Fatal(err)
		}
		want := "second-payment 0/12, malformed_json 16, second-payment 0/18, second-payment 1/12, malformed_json 16, second-payment 1/18"
		is := strings.Join(got, ", ")
		for _, s := range strings.Split(want, ", ") { // alerts and dead letters of a batch come apart
			if strings.Count(is, s) != strings.Count(want, s) {
				t.Errorf("batches of %d: got %s, want %s", size, is, want)
			}
		}
		if len(r.Tasks()) != 2+3 {
			t.Errorf("%d tasks", len(r.Tasks()))
		}
	}
	broken := errors.New("broken")
	if err := runner(t, Options{}).Partitions([]Partition{{"payments", 0, records(pays, broken)}}, func(*engine.Output) error { return nil }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// Time that has passed makes what lies before it late.
func TestUntil(t *testing.T) {
	for until, late := range map[event.Time]uint64{90e9: 0, 100e9: 1, 201e9: 3} {
		r := runner(t, Options{})
		if err := r.Until(until, func(*engine.Output) error { return nil }); err != nil {
			t.Fatal(err)
		}
		files, err := r.Files([]Input{{Name: "pay", File: "pay.ndjson", Lines: strings.NewReader(pays)}})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Run(files, func(*engine.Output) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if is := r.Engine("payments").Counts().Sources[0].Late; is != late {
			t.Errorf("%d late events until %d, want %d", is, until, late)
		}
	}
}

// An explanation is of the one record, after all before it and none behind it, in files and partitions alike.
func TestExplainOne(t *testing.T) {
	for _, size := range []int{0, 1, 2} {
		for i, want := range []string{"not_fired 1", "fired 2", "not_fired 1", "malformed", "fired 2"} {
			r := runner(t, Options{BatchMax: size})
			files, err := r.Files([]Input{{Name: "pay", File: "pay.ndjson", Lines: strings.NewReader(pays)}})
			if err != nil {
				t.Fatal(err)
			}
			x, err := r.ExplainFile(files[0], event.Offset(i))
			if err != nil {
				t.Fatal(err)
			}
			y, err := r.ExplainPartition([]Partition{{"payments", 3, records(pays, nil)}}, 3, event.Offset(10+2*i))
			if err != nil {
				t.Fatal(err)
			}
			for name, x := range map[string]*Explained{"file": x, "partition": y} {
				is := x.Admission.String()
				if len(x.Rules) > 0 {
					is = fmt.Sprintf("%s %s", x.Rules[0].Outcome, x.Rules[0].Features[0].Value.Text())
				}
				if is != want || !bytes.Equal(x.Value, []byte(strings.Split(pays, "\n")[i])) {
					t.Errorf("%s, record %d: got %s, want %s: %s", name, i, is, want, x.Value)
				}
				if summary := x.Summaries["second-payment"]; (summary != "") != (want == "fired 2") {
					t.Errorf("%s, record %d: summary %q", name, i, summary)
				}
			}
		}
	}
}

func TestExplainNothing(t *testing.T) {
	for at, want := range map[event.Offset]string{
		9:  "partition 0 of payments has no record at offset 9; its offsets are 10 to 18",
		13: "partition 0 of payments has no record at offset 13; in a file that is an empty line",
		19: "partition 0 of payments has no record at offset 19; its offsets are 10 to 18",
	} {
		_, err := runner(t, Options{}).ExplainPartition([]Partition{{"payments", 0, records(pays, nil)}}, 0, at)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v, want %s", at, err, want)
		}
	}
	_, err := runner(t, Options{}).ExplainPartition([]Partition{{"unread", 0, records(pays, nil)}}, 0, 10)
	if err == nil || err.Error() != "no enabled rule reads unread" {
		t.Error(err)
	}
	_, err = runner(t, Options{}).ExplainPartition([]Partition{{"payments", 0, func(func(ingest.Record, error) bool) {}}}, 0, 10)
	if err == nil || err.Error() != "partition 0 of payments has no records" {
		t.Error(err)
	}
}

const byShop = `
version: 1
rules:
- id: crowd
  source: pay
  group_by: [shop]
  where: customer != "me"
  context: {people: {agg: distinct_count, field: customer, window: 1h}}
  condition: people >= 2
  alert: {summary: "{people} people in {shop}"}
- id: any-login
  source: login
  group_by: [user]
  condition: user != "root"
`

// timed gives lines as records from offset 10 on, with the event's second as the record's.
func timed(text string) iter.Seq2[ingest.Record, error] {
	return func(yield func(ingest.Record, error) bool) {
		for rec := range records(text, nil) {
			var at int64
			if _, err := fmt.Sscanf(string(rec.Value), `{"at":%d,`, &at); err == nil {
				rec.Timestamp = event.Time(at * 1e9)
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// shops are payments in three partitions, in which people meet in shops.
func shops() []Partition {
	return []Partition{
		{"payments", 0, timed(`{"at":100,"customer":"ann","shop":"x"}
{"at":104,"customer":"ann","shop":"x"}
{"at":103,"customer":"ann","shop":"y"}
{"at":120,"customer":"ann","shop":"z"}`)},
		{"payments", 1, func(func(ingest.Record, error) bool) {}},
		{"logins", 0, timed(`{"at":100,"user":"ann"}`)},
		{"payments", 2, timed(`{"at":101,"customer":"bob","shop":"x"}
{"at":104,"customer":"me","shop":"x"}
{"at":105,"customer":"bob","shop":"y"}
{"at":106,"customer":"bob"}
{"at":119,"customer":"bob","shop":"z"}`)},
	}
}

// A rule by another key than the source's sees the events of all partitions in the order of their timestamps, whatever the size of batches.
func TestPartitionsMeet(t *testing.T) {
	for _, size := range []int{0, 1, 2} {
		r := runnerOf(t, byShop, Options{BatchMax: size})
		got := ""
		if err := r.Partitions(shops(), func(out *engine.Output) error {
			for _, a := range out.Alerts {
				got += fmt.Sprintf(" %s@%d/%d", a.Rule.ID, a.Origin.Partition, a.Offset)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if want := " any-login@0/10 crowd@2/10 crowd@0/12 crowd@2/14 crowd@0/16"; got != want {
			t.Errorf("batches of %d: got %s, want %s", size, got, want)
		}
		stage := r.Tasks()[len(r.Tasks())-1].Counts()
		if stage.Sources[0].Late > 0 || stage.Rules[0].Evaluated != 7 {
			t.Errorf("the stage: %+v", stage)
		}
	}
}

func TestExplainWhereTheyMeet(t *testing.T) {
	for _, size := range []int{0, 1, 2} {
		for _, c := range []struct {
			p    event.Partition
			at   event.Offset
			want string
		}{{0, 10, "not_fired"}, {2, 10, "fired 2 people in x"}, {0, 14, "not_fired"}, {2, 12, "not_evaluated"}, {2, 16, "no_key"}, {0, 16, "fired 2 people in z"}} {
			x, err := runnerOf(t, byShop, Options{BatchMax: size}).ExplainPartition(slices.DeleteFunc(shops(), func(p Partition) bool { return p.Topic == "logins" }), c.p, c.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(x.Rules[0].Outcome.String() + " " + x.Summaries["crowd"]); got != c.want || x.Partition != c.p || x.Offset != c.at {
				t.Errorf("%d/%d, batches of %d: got %s, want %s", c.p, c.at, size, got, c.want)
			}
		}
	}
}
