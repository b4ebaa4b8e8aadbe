package expr

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"

	"insolite/internal/event"
)

func (c *checker) length(f *call) *code {
	k := c.only(f, "string", isString)
	if k == nil {
		return nil
	}
	return wordCode(event.KindInt, func(row event.Row) (int64, bool) {
		s, ok := k.str(row)
		return int64(utf8.RuneCountInString(s)), ok
	})
}

// letters compiles lower and upper, which allocate only when the text changes.
func (c *checker) letters(f *call) *code {
	k := c.only(f, "string", isString)
	if k == nil {
		return nil
	}
	change := strings.ToLower
	if f.name == "upper" {
		change = strings.ToUpper
	}
	return stringCode(func(row event.Row) (string, bool) {
		s, ok := k.str(row)
		return change(s), ok
	})
}

func (c *checker) abs(f *call) *code {
	k := c.only(f, "int, number and duration", func(k *code) bool { return k.numeric() || k.kind == event.KindDuration })
	switch {
	case k == nil:
		return nil
	case k.kind == event.KindNumber:
		return numberCode(func(row event.Row) (float64, bool) {
			x, ok := k.num(row)
			return math.Abs(x), ok
		})
	}
	return wordCode(k.kind, func(row event.Row) (int64, bool) {
		i, ok := k.word(row)
		return max(i, -i), ok && i != math.MinInt64
	})
}

// round compiles round, floor and ceil.
func (c *checker) round(f *call) *code {
	k := c.only(f, "int and number", (*code).numeric)
	if k == nil || k.kind == event.KindInt {
		return k
	}
	round := map[string]func(float64) float64{"round": math.Round, "floor": math.Floor, "ceil": math.Ceil}[f.name]
	return numberCode(func(row event.Row) (float64, bool) {
		x, ok := k.num(row)
		return round(x), ok
	})
}

// mathematics compiles log and sqrt.
func (c *checker) mathematics(f *call) *code {
	k := c.only(f, "int and number", (*code).numeric)
	if k == nil {
		return nil
	}
	x := k.asNumber().num
	if f.name == "log" {
		return numberCode(func(row event.Row) (float64, bool) {
			y, ok := x(row)
			return math.Log(y), ok && y > 0
		})
	}
	return numberCode(func(row event.Row) (float64, bool) {
		y, ok := x(row)
		return math.Sqrt(y), ok && y >= 0
	})
}

// extreme compiles min and max.
func (c *checker) extreme(f *call) *code {
	var k *code
	sound := true
	for _, arg := range f.args {
		next := c.check(arg)
		if next != nil && !next.numeric() {
			next = c.errorf(start(arg), "%s does not apply to %s; it is for int and number", f.name, article(next.kind))
		}
		switch {
		case next == nil:
			sound = false
		case k == nil:
			k = next
		default:
			k = extremeOf(f.name, k, next)
		}
	}
	if !sound {
		return nil
	}
	return k
}

func extremeOf(name string, a, b *code) *code {
	a, b, _ = unify(a, b)
	switch {
	case a.kind == event.KindInt && name == "min":
		return wordCode(event.KindInt, lift(a.word, b.word, func(x, y int64) (int64, bool) { return min(x, y), true }))
	case a.kind == event.KindInt:
		return wordCode(event.KindInt, lift(a.word, b.word, func(x, y int64) (int64, bool) { return max(x, y), true }))
	case name == "min":
		return numberCode(lift(a.num, b.num, func(x, y float64) (float64, bool) { return min(x, y), true }))
	}
	return numberCode(lift(a.num, b.num, func(x, y float64) (float64, bool) { return max(x, y), true }))
}

// calendar compiles hour and weekday, in UTC unless a zone follows the time.
func (c *checker) calendar(f *call) *code {
	zone := time.UTC
	if len(f.args) == 2 {
		zone = c.zone(f.args[1])
	}
	k := c.only(f, "time", func(k *code) bool { return k.kind == event.KindTime })
	if k == nil || zone == nil {
		return nil
	}
	part := func(t time.Time) int { return t.Hour() }
	if f.name == "weekday" {
		part = func(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }
	}
	return wordCode(event.KindInt, func(row event.Row) (int64, bool) {
		ns, ok := k.word(row)
		if !ok {
			return 0, false
		}
		return int64(part(time.Unix(0, ns).In(zone))), true
	})
}

// zone loads a literal zone; Local is refused because it depends on the machine.
func (c *checker) zone(arg ast.Node) *time.Location {
	s, ok := arg.(*ast.StringNode)
	if !ok {
		c.errorf(start(arg), `the zone is a literal; write it like "Europe/Rome"`)
		return nil
	}
	zone, err := time.LoadLocation(s.Value)
	if err != nil || s.Value == "" || s.Value == "Local" {
		c.errorf(s.Location(), `%q is not a known time zone; write it like "Europe/Rome" or "UTC"`, s.Value)
		return nil
	}
	return zone
}
