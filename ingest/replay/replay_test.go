package replay

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"insolite/ingest"
	"insolite/ingest/decode"
	"insolite/internal/event"
)

func source(name string) *event.Source {
	return &event.Source{Name: name, Topic: name + "s", Fields: []event.Field{{Name: "at", Kind: event.KindTime, Unit: 1e9, Path: []string{"at"}}}}
}

func file(name, lines string) File {
	return File{Name: name + ".ndjson", Topic: name + "s", Sources: []*event.Source{source(name)}, Lines: strings.NewReader(lines)}
}

// read returns what is read: topic:offset=value.
func read(t *testing.T, max int, files ...File) []string {
	var got []string
	err := Read(files, Options{BatchMax: max}, func(_ int, b *ingest.Batch) error {
		if len(b.Records) > max || b.Next != b.Records[len(b.Records)-1].Offset+1 || b.Partition != 0 {
			t.Errorf("batch of %d, at most %d wanted; next %d", len(b.Records), max, b.Next)
		}
		for _, r := range b.Records {
			got = append(got, fmt.Sprintf("%s:%d=%s", b.Topic, r.Offset, r.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestOneFileKeepsItsOrder(t *testing.T) {
	want := []string{`pays:0={"at":9}`, `pays:1={"at":3}`, `pays:3=nonsense`, `pays:4={"at":5}`}
	for _, max := range []int{1, 2, 100} {
		if got := read(t, max, file("pay", "{\"at\":9}\r\n{\"at\":3}\n\nnonsense\n{\"at\":5}")); !reflect.DeepEqual(got, want) {
			t.Errorf("batches of %d: got %q, want %q", max, got, want)
		}
	}
	if got := read(t, 1, file("pay", "")); got != nil {
		t.Errorf("an empty file has %q", got)
	}
	if got := read(t, 1, file("pay", "\n\n")); got != nil {
		t.Errorf("empty lines are %q", got)
	}
}

func TestFilesAreMergedByTime(t *testing.T) {
	pays := "{\"at\":2}\n{\"at\":5}\nnonsense\n{\"at\":4}\n{\"at\":8}\n"
	logins := "{\"at\":1}\n{\"at\":5}\n{\"at\":6}\n"
	want := []string{`logins:0={"at":1}`, `pays:0={"at":2}`, `pays:1={"at":5}`, `pays:2=nonsense`, `pays:3={"at":4}`, `logins:1={"at":5}`, `logins:2={"at":6}`, `pays:4={"at":8}`}
	for _, max := range []int{1, 2, 100} {
		if got := read(t, max, file("pay", pays), file("login", logins)); !reflect.DeepEqual(got, want) {
			t.Errorf("batches of %d:\n got %q\nwant %q", max, got, want)
		}
	}
	want[2], want[3], want[4], want[5] = want[5], want[2], want[3], want[4]
	if got := read(t, 100, file("login", logins), file("pay", pays)); !reflect.DeepEqual(got, want) {
		t.Errorf("named the other way round:\n got %q\nwant %q", got, want)
	}
}

func TestALineThatIsTooLongIsOneRecord(t *testing.T) {
	sizes := []int{}
	f := file("pay", strings.Repeat("x", 3*decode.SizeMax)+"\n{}\n")
	if err := Read([]File{f}, Options{}, func(_ int, b *ingest.Batch) error {
		for _, r := range b.Records {
			sizes = append(sizes, len(r.Value))
		}
		return nil
	}); err != nil || len(sizes) != 2 || sizes[0] <= decode.SizeMax || sizes[0] > lineMax+2 || sizes[1] != 2 {
		t.Errorf("sizes %d, %v", sizes, err)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	broken := errors.New("broken disk")
	f := file("pay", "")
	f.Lines = iotest.ErrReader(broken)
	if err := Read([]File{f}, Options{}, nil); !errors.Is(err, broken) || !strings.Contains(err.Error(), "pay.ndjson") {
		t.Errorf("got %v", err)
	}
	f.Sources[0].Time = event.NoSlot
	if err := Read([]File{f}, Options{}, nil); !errors.Is(err, ErrNoTime) {
		t.Errorf("got %v", err)
	}
	stop := errors.New("enough")
	if err := Read([]File{file("pay", "{}\n{}\n")}, Options{BatchMax: 1}, func(int, *ingest.Batch) error { return stop }); err != stop {
		t.Errorf("got %v", err)
	}
}
