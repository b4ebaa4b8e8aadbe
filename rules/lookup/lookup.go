// Package lookup holds reference data that rules ask: a [List] answers "is this value in it", a [Table] answers "what stands beside this key".
//
// A list is a text file with one value a line; blank lines and lines that begin with # are passed over, white space around a value is not
// part of it. A table is a CSV file with a header; one of its columns is the key. Every value is a string, compared byte by byte.
// Both are read once and immutable, so that any number of tasks may ask them at the same time. A [Set] holds those of one configuration
// by name; a reload makes a new Set.
package lookup

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"insolite/internal/diag"
)

// EntriesMax bounds a list or a table, so that a wrong file is an error at load instead of memory that is gone.
const EntriesMax = 1_000_000

// Set holds the lists and tables that rules may name; no name is both. A nil Set is empty.
type Set struct {
	Lists  map[string]*List
	Tables map[string]*Table
}

// List returns the list with that name, or nil.
func (s *Set) List(name string) *List {
	if s == nil {
		return nil
	}
	return s.Lists[name]
}

// Table returns the table with that name, or nil.
func (s *Set) Table(name string) *Table {
	if s == nil {
		return nil
	}
	return s.Tables[name]
}

// ListNames returns the names of the lists, sorted.
func (s *Set) ListNames() []string {
	if s == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.Lists))
}

// TableNames returns the names of the tables, sorted.
func (s *Set) TableNames() []string {
	if s == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.Tables))
}

// List is a set of values.
type List struct {
	values map[string]struct{}
	misfit string
}

// ParseList reads one value a line. It returns nil when it added errors.
func ParseList(file string, data []byte, problems *diag.List) *List {
	l := &List{values: map[string]struct{}{}}
	line := 0
	for text := range bytes.Lines(data) {
		line++
		value := strings.TrimSpace(string(text))
		if value == "" || strings.HasPrefix(value, "#") {
			continue
		}
		if len(l.values) == EntriesMax {
			problems.Errorf(diag.Position{File: file, Line: line, Col: 1}, "the list has more than %d values; split it or keep it in a topic", EntriesMax)
			return nil
		}
		l.values[value] = struct{}{}
		if l.misfit == "" && equalsNoAddress(value) {
			l.misfit = value
		}
	}
	return l
}

// equalsNoAddress reports whether a value looks like an address and yet is the text of none.
func equalsNoAddress(value string) bool {
	if !strings.ContainsAny(value, ".:") {
		return false
	}
	if _, err := netip.ParsePrefix(value); err == nil {
		return true
	}
	addr, err := netip.ParseAddr(value)
	return err == nil && addr.Unmap().WithZone("").String() != value
}

// Misfit returns the first value that looks like an address and yet equals the text of none: a prefix, an address with a zone or one that
// is not in its shortest form. It returns "" when all is well.
func (l *List) Misfit() string { return l.misfit }

// Contains reports whether the value is in the list.
func (l *List) Contains(value string) bool {
	_, ok := l.values[value]
	return ok
}

// ContainsText is Contains for a text that stands in a buffer.
func (l *List) ContainsText(value []byte) bool {
	_, ok := l.values[string(value)]
	return ok
}

// Len returns the number of distinct values.
func (l *List) Len() int { return len(l.values) }

// Table maps a key to the other columns of its row.
type Table struct {
	columns []string
	rows    map[string][]string
}

// ParseTable reads a CSV file with a header, keyed by the column with that name. It returns nil when it added errors.
func ParseTable(file string, data []byte, key string, problems *diag.List) *Table {
	r := csv.NewReader(bytes.NewReader(data))
	header, err := r.Read()
	if err != nil {
		problems.Errorf(diag.Position{File: file, Line: 1, Col: 1}, "the table has no header; its first line must name the columns")
		return nil
	}
	t := &Table{columns: header, rows: map[string][]string{}}
	keyColumn := slices.Index(header, key)
	if keyColumn < 0 {
		problems.Errorf(diag.Position{File: file, Line: 1, Col: 1}, "the table has no column %q%s", key, diag.DidYouMean(key, header))
		return nil
	}
	sound := t.checkHeader(file, problems)
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			problems.Add(csvProblem(file, err))
			return nil
		}
		sound = t.add(file, r, row, keyColumn, problems) && sound
		if len(t.rows) > EntriesMax {
			problems.Errorf(diag.Position{File: file}, "the table has more than %d rows; split it or keep it in a topic", EntriesMax)
			return nil
		}
	}
	if !sound {
		return nil
	}
	return t
}

func (t *Table) checkHeader(file string, problems *diag.List) bool {
	sound := true
	for i, name := range t.columns {
		if first := slices.Index(t.columns, name); first < i {
			problems.Errorf(diag.Position{File: file, Line: 1, Col: 1}, "column %q stands twice in the header; rename one", name)
			sound = false
		}
	}
	return sound
}

func (t *Table) add(file string, r *csv.Reader, row []string, keyColumn int, problems *diag.List) bool {
	key := row[keyColumn]
	if _, ok := t.rows[key]; ok {
		line, col := r.FieldPos(keyColumn)
		problems.Errorf(diag.Position{File: file, Line: line, Col: col}, "key %q stands twice in the table; keep one of its rows", key)
		return false
	}
	t.rows[key] = row
	return true
}

func csvProblem(file string, err error) diag.Problem {
	p := diag.Problem{Position: diag.Position{File: file}, Length: 1, Message: err.Error()}
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		p.Position.Line, p.Position.Col = parse.Line, max(1, parse.Column)
		switch {
		case errors.Is(parse.Err, csv.ErrFieldCount):
			p.Message = "the row has another number of fields than the header; quote a value that holds a comma"
		case errors.Is(parse.Err, csv.ErrQuote), errors.Is(parse.Err, csv.ErrBareQuote):
			p.Message = "a quote is out of place; quote the whole value and double every quote inside it"
		default:
			p.Message = parse.Err.Error()
		}
	}
	return p
}

// Columns returns the names in the order of the file. It must not be changed.
func (t *Table) Columns() []string { return t.columns }

// Column returns the place of a column for Get.
func (t *Table) Column(name string) (column int, ok bool) {
	column = slices.Index(t.columns, name)
	return column, column >= 0
}

// Get returns the value of a column beside the key; ok is false for an absent key. An empty value is a value.
func (t *Table) Get(key string, column int) (value string, ok bool) {
	row, ok := t.rows[key]
	if !ok {
		return "", false
	}
	return row[column], true
}

// GetText is Get for a key that stands in a buffer.
func (t *Table) GetText(key []byte, column int) (value string, ok bool) {
	row, ok := t.rows[string(key)]
	if !ok {
		return "", false
	}
	return row[column], true
}

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.rows) }
