package decode

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"insolite/internal/event"
)

// judge decodes a record with encoding/json into a map: slow, plain, and right by definition. It shares no code with the decoder.
type judge struct {
	sources []*event.Source
}

// verdict is what a record comes to.
type verdict struct {
	source int
	reason string // empty: no error
	field  string
	row    event.Row
}

func (j *judge) decode(value []byte, timestamp event.Time) verdict {
	if len(value) > 1<<20 {
		return verdict{source: -1, reason: "too_large"}
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	var root any
	if !json.Valid(value) || dec.Decode(&root) != nil {
		return verdict{source: -1, reason: "malformed_json"}
	}
	if nesting(value) > 64 {
		return verdict{source: -1, reason: "too_deep"}
	}
	object, ok := root.(map[string]any)
	if !ok {
		return verdict{source: -1, reason: "not_an_object"}
	}
	i := j.source(object)
	if i < 0 {
		return verdict{source: -1}
	}
	v := verdict{source: i, row: make(event.Row, len(j.sources[i].Fields))}
	for k, f := range j.sources[i].Fields {
		if j.sources[i].Time == event.NoSlot && event.Slot(k) == j.sources[i].EventTime {
			v.row[k] = event.TimeValue(timestamp, 0)
			continue
		}
		x := lookUp(object, f.Path)
		if x == nil {
			if !f.Optional {
				return verdict{source: i, reason: "missing_field", field: f.Name}
			}
			continue
		}
		if v.row[k], v.reason = typed(x, f); v.reason != "" {
			v.field, v.row = f.Name, nil
			return v
		}
	}
	return v
}

// nesting counts the containers inside each other in valid JSON.
func nesting(b []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

func (j *judge) source(object map[string]any) int {
	rest := -1
	for i, s := range j.sources {
		if s.Match == nil {
			rest = i
		} else if text, ok := lookUp(object, s.Match.Path).(string); ok && text == s.Match.Equals {
			return i
		}
	}
	return rest
}

func lookUp(object map[string]any, path []string) any {
	x := any(object)
	for _, key := range path {
		m, _ := x.(map[string]any)
		x = m[key]
	}
	return x
}

// strictTime is RFC 3339 without what time.Parse lets pass beyond it.
var strictTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func typed(x any, f event.Field) (v event.Value, reason string) {
	text, isText := x.(string)
	number, isNumber := x.(json.Number)
	truth, isTruth := x.(bool)
	switch {
	case f.Kind == event.KindString && isText:
		return event.StringValue(text), ""
	case f.Kind == event.KindBool && isTruth:
		return event.BoolValue(truth), ""
	case f.Kind == event.KindNumber && isNumber:
		n, err := number.Float64()
		if err != nil {
			return v, "out_of_range"
		}
		return event.NumberValue(n), ""
	case f.Kind == event.KindInt && isNumber:
		n := rational(number)
		if n == nil || n.IsInt() && !n.Num().IsInt64() {
			return v, "out_of_range"
		}
		if !n.IsInt() {
			return v, "wrong_type"
		}
		return event.IntValue(n.Num().Int64()), ""
	case f.Kind == event.KindTime && f.Unit != 0 && isNumber:
		n := rational(number)
		if n == nil {
			return v, "out_of_range"
		}
		n.Mul(n, new(big.Rat).SetInt64(int64(f.Unit)))
		whole := new(big.Int).Quo(n.Num(), n.Denom())
		if !whole.IsInt64() || whole.Int64() == math.MinInt64 {
			return v, "out_of_range"
		}
		return event.TimeValue(event.Time(whole.Int64()), 0), ""
	case f.Kind == event.KindTime && f.Unit == 0 && isText:
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || !strictTime.MatchString(text) {
			return v, "wrong_type"
		}
		t, ok := event.TimeOf(at)
		if !ok {
			return v, "out_of_range"
		}
		_, offset := at.Zone()
		return event.TimeValue(t, offset), ""
	case f.Kind == event.KindIP && isText:
		a, err := netip.ParseAddr(text)
		if err != nil || len(text) > 128 {
			return v, "wrong_type"
		}
		return event.IPValue(a.Unmap()), ""
	}
	return v, "wrong_type"
}

// rational returns a number exactly; nil stands for one far beyond 64 bits, and one far below 1 becomes a tiny one.
func rational(n json.Number) *big.Rat {
	digits, exponent, _ := strings.Cut(strings.ToLower(string(n)), "e")
	r, _ := new(big.Rat).SetString(digits)
	if r.Sign() == 0 || exponent == "" {
		return r
	}
	e, ok := new(big.Int).SetString(strings.TrimPrefix(exponent, "+"), 10)
	if !ok {
		panic("exponent " + exponent)
	}
	limit := int64(len(digits) + 100)
	if e.Cmp(big.NewInt(limit)) > 0 {
		return nil
	}
	if e.Cmp(big.NewInt(-limit)) < 0 {
		e.SetInt64(-limit)
	}
	power := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), new(big.Int).Abs(e), nil))
	if e.Sign() < 0 {
		return r.Quo(r, power)
	}
	return r.Mul(r, power)
}
