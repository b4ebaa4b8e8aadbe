package expr

import (
	"fmt"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// call is a call of a function.
type call struct {
	name string
	loc  file.Location
	args []ast.Node
}

// function is a row of the table of functions, from which the checker and the reference are made.
type function struct {
	name        string
	least, most int // arguments
	compile     func(*checker, *call) *code
	form        string // how it is written
	doc         string // what it gives, when it is unknown
	example     string // over the fields of the reference
}

// functions returns the table, sorted by name.
func functions() []function {
	return []function{
		{"abs", 1, 1, (*checker).abs, "abs(x)", "the distance of an int, a number or a duration from zero; of the same kind. Unknown for the least int.", "abs(amount - 200)"},
		{"ceil", 1, 1, (*checker).round, "ceil(x)", "the next integer that is not below x; an int stays an int, a number a number.", "ceil(amount)"},
		{"distance_km", 2, 2, (*checker).travel, "distance_km(a, b)", "the great-circle distance in km between two groups with the numbers lat and lon in degrees (haversine, radius 6371.0088 km); a group is event, or a feature of several fields.", "round(distance_km(prev, event))"},
		{"duration", 1, 1, (*checker).duration, `duration("5m")`, "a literal duration with the units h, m, s, ms, us and ns.", `duration("1h30m")`},
		{"floor", 1, 1, (*checker).round, "floor(x)", "the next integer that is not above x; an int stays an int, a number a number.", "floor(amount)"},
		{"has", 1, 1, (*checker).has, "has(x)", "whether x is known; itself always true or false.", "has(nickname)"},
		{"hour", 1, 2, (*checker).calendar, `hour(t, "Europe/Rome")`, "the hour of the day of a time, 0 to 23, as an int; in UTC unless a zone is given.", `hour(at, "Europe/Rome")`},
		{"len", 1, 1, (*checker).length, "len(x)", "the number of characters of a string, as an int.", "len(country)"},
		{"list", 1, 1, (*checker).bareList, `x in list("name")`, "only behind in: the list with that name in the configuration's lookups. A string, or the text of an int, a bool or an ip, is in it when it equals one of its lines byte by byte.", `ip in list("vpn_egress")`},
		{"log", 1, 1, (*checker).mathematics, "log(x)", "the natural logarithm, as a number. Unknown for x ≤ 0.", "log(0)"},
		{"lookup", 2, 2, (*checker).bareLookup, `lookup("table", key).column`, "the string in that column of a table of the configuration's lookups, in the row with that key: a string, or the text of an int, a bool or an ip. Unknown for an absent key; an empty value is known.", `lookup("merchants", merchant_id).country`},
		{"lower", 1, 1, (*checker).letters, "lower(x)", "a string in lower case.", "lower(country)"},
		{"max", 2, 16, (*checker).extreme, "max(x, y, …)", "the largest of int or number; an int when all are int. Unknown when any is.", "max(items, amount)"},
		{"min", 2, 16, (*checker).extreme, "min(x, y, …)", "the smallest of int or number; an int when all are int. Unknown when any is.", "min(items, 10)"},
		{"round", 1, 1, (*checker).round, "round(x)", "the nearest integer, halves away from zero; an int stays an int, a number a number.", "round(amount)"},
		{"speed_kmh", 2, 2, (*checker).travel, "speed_kmh(a, b)", "distance_km(a, b) over the time between the two, in km/h; the groups must also hold the event time. Unknown when they are less than a second apart.", "round(speed_kmh(prev, event))"},
		{"sqrt", 1, 1, (*checker).mathematics, "sqrt(x)", "the square root, as a number. Unknown for x < 0.", "sqrt(16)"},
		{"upper", 1, 1, (*checker).letters, "upper(x)", "a string in upper case.", `upper("it")`},
		{"weekday", 1, 2, (*checker).calendar, `weekday(t, "Europe/Rome")`, "the ISO day of the week of a time, 1 for Monday to 7 for Sunday, as an int; in UTC unless a zone is given.", "weekday(at)"},
	}
}

func (c *checker) call(name string, loc file.Location, args []ast.Node) *code {
	table := functions()
	names := make([]string, len(table))
	for i, f := range table {
		names[i] = f.name
		if f.name != name {
			continue
		}
		if !c.arity(&f, loc, args) {
			return nil
		}
		return f.compile(c, &call{name, loc, args})
	}
	return c.errorf(loc, "function %s is not supported%s", name, didYouMeanOr(name, names, "; rules have "))
}

// didYouMeanOr suggests the name that was meant, or else tells some of the candidates.
func didYouMeanOr(name string, candidates []string, otherwise string) string {
	if cure := diag.DidYouMean(name, candidates); cure != "" || len(candidates) == 0 {
		return cure
	}
	return otherwise + some(candidates)
}

// some returns the names, or the first of them when there are many.
func some(names []string) string {
	const most = 20
	text := ""
	for i, name := range names[:min(most, len(names))] {
		if i > 0 {
			text += ", "
		}
		text += name
	}
	if len(names) > most {
		text += ", …"
	}
	return text
}

// arity reports whether a function has as many arguments as it wants.
func (c *checker) arity(f *function, loc file.Location, args []ast.Node) bool {
	if len(args) >= f.least && len(args) <= f.most {
		return true
	}
	wanted := fmt.Sprint(f.least)
	switch {
	case f.most == f.least+1:
		wanted = fmt.Sprintf("%d or %d", f.least, f.most)
	case f.most > f.least:
		wanted = fmt.Sprintf("%d to %d", f.least, f.most)
	}
	plural := "s"
	if len(args) == 1 {
		plural = ""
	}
	c.errorf(loc, "%s has %d argument%s, %s wanted; write %s", f.name, len(args), plural, wanted, f.form)
	return false
}

// only checks the single argument of a call; wanted says which kinds the function is for.
func (c *checker) only(f *call, wanted string, fits func(*code) bool) *code {
	k := c.check(f.args[0])
	if k != nil && !fits(k) {
		return c.errorf(start(f.args[0]), "%s does not apply to %s; it is for %s", f.name, article(k.kind), wanted)
	}
	return k
}

func isString(k *code) bool { return k.kind == event.KindString }

func (c *checker) has(f *call) *code {
	k := c.check(f.args[0])
	if k == nil {
		return nil
	}
	c.lintRequired(f.args[0], "has is always true")
	return boolCode(k.known())
}

func (c *checker) duration(f *call) *code {
	s, ok := f.args[0].(*ast.StringNode)
	if !ok {
		return c.errorf(start(f.args[0]), `duration wants a literal; write duration("5m")`)
	}
	d, err := time.ParseDuration(s.Value)
	if err != nil {
		return c.errorf(s.Location(), `%q is not a duration; write it like "90s", "5m" or "1h30m"`, s.Value)
	}
	return wordCode(event.KindDuration, func(event.Row) (int64, bool) { return int64(d), true })
}

func (c *checker) bareList(f *call) *code {
	return c.errorf(f.loc, `list stands on the right of in only; write x in list("name")`)
}

func (c *checker) bareLookup(f *call) *code {
	return c.errorf(f.loc, `lookup gives a row; name one of its columns: lookup("table", key).column`)
}
