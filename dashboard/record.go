package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"insolite/alerts"
)

// entry is an alert that is kept: the record, how it stands in a list, and what filters look at.
type entry struct {
	seq    uint64
	record Alert
	row    []byte // JSON of row

	id     string
	facets [facetCount]string
	key    []string // the key's text, then each of its values
	text   string   // lower case: what q searches
}

// bytes is what the entry holds in memory, roughly.
func (e *entry) bytes() int { return len(e.record.Value) + len(e.row) + len(e.text) + 512 }

// row is an alert in a list and in the stream: the sentence and what the list shows beside it.
type row struct {
	Seq        uint64          `json:"seq"`
	ID         string          `json:"id"`
	State      string          `json:"state"`
	Rule       rule            `json:"rule"`
	Key        json.RawMessage `json:"key"`
	KeyText    string          `json:"key_text"`
	At         string          `json:"at"`
	Emitted    time.Time       `json:"emitted"`
	Summary    string          `json:"summary"`
	Because    json.RawMessage `json:"because"`
	Source     string          `json:"source"`
	Suppressed int64           `json:"suppressed"`
}

type rule struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Severity string   `json:"severity"`
	Mode     string   `json:"mode"`
	Tags     []string `json:"tags"`
}

// readAlert reads what lists and filters need. The rest of the record is shown as it is.
func readAlert(a Alert) (*entry, error) {
	var in struct {
		Schema     int
		ID         string
		State      string
		Rule       rule
		Key        json.RawMessage
		At         string
		Summary    string
		Condition  struct{ Because json.RawMessage }
		Source     string
		Suppressed int64
	}
	if err := json.Unmarshal(a.Value, &in); err != nil {
		return nil, fmt.Errorf("is no alert: %w", err)
	}
	switch {
	case in.Schema > alerts.Schema:
		return nil, fmt.Errorf("is an alert of schema %d, written by a newer version of the program; this version reads up to %d: run the newer one", in.Schema, alerts.Schema)
	case in.Schema < 1:
		return nil, errors.New("is no alert: it names no schema")
	case in.ID == "" || in.Rule.ID == "":
		return nil, errors.New("is no alert: it names no id or no rule")
	}
	values, err := keyValues(in.Key)
	if err != nil {
		return nil, fmt.Errorf("is no alert: key: %w", err)
	}
	key := strings.Join(values, " / ")
	out := row{
		ID: in.ID, State: in.State, Rule: in.Rule, Key: in.Key, KeyText: key, At: in.At, Emitted: a.Timestamp, Summary: in.Summary,
		Because: in.Condition.Because, Source: in.Source, Suppressed: in.Suppressed,
	}
	text := strings.Join(append([]string{in.Summary, in.Rule.ID, in.Rule.Title, in.Rule.Severity, key, in.Source, in.State}, in.Rule.Tags...), "\n")
	e := &entry{record: a, id: in.ID, key: append([]string{key}, values...), text: strings.ToLower(text)}
	e.facets = [facetCount]string{facetSeverity: in.Rule.Severity, facetRule: in.Rule.ID, facetKey: key, facetSource: in.Source}
	e.row, err = json.Marshal(out)
	return e, err
}

// number gives the entry its place in the order of arrival, in its row too. The row begins with {"seq":0.
func (e *entry) number(seq uint64) {
	e.seq = seq
	e.row = append(fmt.Appendf(nil, `{"seq":%d`, seq), bytes.TrimPrefix(e.row, []byte(`{"seq":0`))...)
}

// keyValues returns the values of the key's fields as text, in their order.
func keyValues(object json.RawMessage) ([]string, error) {
	if len(object) == 0 {
		return nil, errors.New("is missing")
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("is no object")
	}
	var values []string
	for d.More() {
		var v json.RawMessage
		if _, err := d.Token(); err != nil {
			return nil, err
		}
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		var s string
		if v[0] != '"' || json.Unmarshal(v, &s) != nil {
			s = string(v)
		}
		values = append(values, s)
	}
	return values, nil
}
