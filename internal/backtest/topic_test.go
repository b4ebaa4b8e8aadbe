package backtest

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
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
		for p := range event.Partition(2) {
			if err := r.Partition("payments", p, records(pays, nil), emit); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Partition("payments", 2, records(`{"at":100,"customer":"ann"}`, nil), emit); err != nil {
			t.Fatal(err)
		}
		if err := r.Partition("unread", 0, records("nothing", nil), emit); err != nil {
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
	if err := runner(t, Options{}).Partition("payments", 0, records(pays, broken), func(*engine.Output) error { return nil }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// Time that has passed makes what lies before it late.
func TestUntil(t *testing.T) {
	for until, late := range map[event.Time]uint64{90e9: 0, 100e9: 1, 201e9: 3} {
		r := runner(t, Options{})
		r.Until(until)
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
			y, err := r.ExplainPartition("payments", 3, records(pays, nil), event.Offset(10+2*i))
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
		_, err := runner(t, Options{}).ExplainPartition("payments", 0, records(pays, nil), at)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v, want %s", at, err, want)
		}
	}
	_, err := runner(t, Options{}).ExplainPartition("unread", 0, records(pays, nil), 10)
	if err == nil || err.Error() != "no enabled rule reads unread" {
		t.Error(err)
	}
	_, err = runner(t, Options{}).ExplainPartition("payments", 0, func(func(ingest.Record, error) bool) {}, 10)
	if err == nil || err.Error() != "partition 0 of payments has no records" {
		t.Error(err)
	}
}
