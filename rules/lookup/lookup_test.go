package lookup

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"insolite/internal/diag"
)

func TestListPassesOverCommentsAndBlanks(t *testing.T) {
	var problems diag.List
	l := ParseList("vpn.txt", []byte("# egress\n10.0.0.1\r\n\n  10.0.0.2  \n10.0.0.1\nlast"), &problems)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]bool{"10.0.0.1": true, "10.0.0.2": true, "last": true, "# egress": false, "": false, "10.0.0": false} {
		if l.Contains(value) != want {
			t.Errorf("%q: %v", value, !want)
		}
	}
	if l.Len() != 3 {
		t.Errorf("%d values", l.Len())
	}
}

func TestListTellsWhatEqualsNoAddress(t *testing.T) {
	for data, want := range map[string]string{
		"": "", "a\n1\nx/y\n1.5\n": "", "10.1.2.3\n2001:db8::1\n": "", "ann\n10.0.0.0/8\n11.0.0.0/8\n": "10.0.0.0/8", "2001:DB8::1\n": "2001:DB8::1", "2001:db8:0::1": "2001:db8:0::1",
		"fe80::1%eth0": "fe80::1%eth0", "::ffff:10.1.2.3": "::ffff:10.1.2.3",
	} {
		if got := ParseList("", []byte(data), &diag.List{}).Misfit(); got != want {
			t.Errorf("%q: got %q, want %q", data, got, want)
		}
	}
}

func TestListIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range EntriesMax + 1 {
		fmt.Fprintln(&b, i)
	}
	var problems diag.List
	if l := ParseList("big.txt", []byte(b.String()), &problems); l != nil || !problems.HasErrors() {
		t.Errorf("a list with too many values was accepted: %d", l.Len())
	}
}

func TestTableAnswersByKey(t *testing.T) {
	var problems diag.List
	table := ParseTable("m.csv", []byte("name,merchant_id,country\n\"Luigi, son\",m1,IT\nRosa,m2,\n"), "merchant_id", &problems)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	name, _ := table.Column("name")
	country, _ := table.Column("country")
	if got, ok := table.Get("m1", name); !ok || got != "Luigi, son" {
		t.Errorf("got %q, %v", got, ok)
	}
	if got, ok := table.Get("m2", country); !ok || got != "" {
		t.Errorf("got %q, %v", got, ok)
	}
	if got, ok := table.Get("m3", name); ok {
		t.Errorf("an absent key has %q", got)
	}
	if _, ok := table.Column("county"); ok {
		t.Error("an absent column was found")
	}
	if table.Len() != 2 {
		t.Errorf("%d rows", table.Len())
	}
}

func TestBrokenTablesSayWhereAndWhatToDo(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"", "m.csv:1:1: the table has no header; its first line must name the columns"},
		{"merchent_id,name\n", `m.csv:1:1: the table has no column "merchant_id"; did you mean "merchent_id"?`},
		{"merchant_id,name,name\n", `m.csv:1:1: column "name" stands twice in the header; rename one`},
		{"merchant_id,name\nm1,a\nm2,b,c\n", "m.csv:3:1: the row has another number of fields than the header; quote a value that holds a comma"},
		{"name,merchant_id\na,m1\nb,m1\nc,m1\n", "m.csv:3:3: key \"m1\" stands twice in the table; keep one of its rows\nm.csv:4:3: key \"m1\" stands twice in the table; keep one of its rows"},
		{"merchant_id,name\nm1,\"a\n", "m.csv:2:7: a quote is out of place; quote the whole value and double every quote inside it"},
	} {
		var problems diag.List
		if table := ParseTable("m.csv", []byte(c.data), "merchant_id", &problems); table != nil {
			t.Errorf("%q was accepted", c.data)
		}
		if err := problems.Err(); err == nil || err.Error() != c.want {
			t.Errorf("%q: got\n%v\nwant\n%s", c.data, err, c.want)
		}
	}
}

func TestAskingDoesNotAllocate(t *testing.T) {
	var problems diag.List
	l := ParseList("vpn.txt", []byte("a\nb\n"), &problems)
	table := ParseTable("m.csv", []byte("k,v\na,1\n"), "k", &problems)
	found, text := 0, []byte("a")
	if n := testing.AllocsPerRun(100, func() {
		if _, ok := table.Get("a", 1); ok && l.Contains("b") {
			found++
		}
		if v, ok := table.GetText(text, 1); ok && v == "1" && l.ContainsText(text) {
			found++
		}
	}); n != 0 || found != 2*101 {
		t.Errorf("%v allocations, %d found", n, found)
	}
}

func TestSetAnswersByName(t *testing.T) {
	var problems diag.List
	l := ParseList("vpn.txt", []byte("a\n"), &problems)
	table := ParseTable("m.csv", []byte("k,v\na,1\n"), "k", &problems)
	s := &Set{Lists: map[string]*List{"vpn": l, "tor": l}, Tables: map[string]*Table{"merchants": table}}
	if s.List("vpn") != l || s.Table("merchants") != table || s.List("merchants") != nil || s.Table("vpn") != nil {
		t.Error("a name gives something else than what it stands for")
	}
	if lists, tables := s.ListNames(), s.TableNames(); !slices.Equal(lists, []string{"tor", "vpn"}) || !slices.Equal(tables, []string{"merchants"}) {
		t.Errorf("lists %v, tables %v", lists, tables)
	}
	var none *Set
	if none.List("vpn") != nil || none.Table("m") != nil || len(none.ListNames())+len(none.TableNames()) != 0 {
		t.Error("a nil set is not empty")
	}
}
