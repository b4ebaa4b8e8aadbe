package expr

import (
	"cmp"
	"math"
	"time"

	"github.com/expr-lang/expr/ast"

	"insolite/internal/event"
)

// earthRadius is the mean radius of the earth in km (IUGG).
const earthRadius = 6371.0088

// point holds the closures of a place.
type point struct {
	lat, lon func(event.Row) (float64, bool)
	at       func(event.Row) (int64, bool)
}

// travel compiles distance_km and speed_kmh.
func (c *checker) travel(f *call) *code {
	timed := f.name == "speed_kmh"
	a, ok := c.point(f.name, f.args[0], timed)
	b, ok2 := c.point(f.name, f.args[1], timed)
	if !ok || !ok2 {
		return nil
	}
	if !timed {
		return numberCode(func(row event.Row) (float64, bool) { return distance(&a, &b, row) })
	}
	return numberCode(func(row event.Row) (float64, bool) {
		x, ok := a.at(row)
		y, ok2 := b.at(row)
		if !ok || !ok2 {
			return 0, false
		}
		d, ok := subInt(max(x, y), min(x, y))
		if !ok || d < int64(time.Second) {
			return 0, false
		}
		km, ok := distance(&a, &b, row)
		return km / (float64(d) / float64(time.Hour)), ok
	})
}

// point checks a group with the members lat and lon and, when timed, the event time.
func (c *checker) point(name string, arg ast.Node, timed bool) (p point, ok bool) {
	path, group, ok := c.resolve(arg)
	if !ok {
		return p, false
	}
	lat, lon := group.Members["lat"], group.Members["lon"]
	number := func(r Ref) bool { return r.Kind == event.KindNumber || r.Kind == event.KindInt }
	if !number(lat) || !number(lon) {
		c.errorf(start(arg), "%s wants a group with the numbers lat and lon, %s has not both; give it event or a feature of several fields", name, path)
		return p, false
	}
	if timed && group.Time == nil {
		c.errorf(start(arg), "%s wants the time too, %s does not hold it; add the event-time field%s to its fields", name, path, spaced(c.scope.TimeField))
		return p, false
	}
	x, y := c.read(lat), c.read(lon)
	p.lat, p.lon = x.asNumber().num, y.asNumber().num
	c.groups[arg] = []named{{path + ".lat", x}, {path + ".lon", y}}
	if timed {
		at := c.read(*group.Time)
		p.at = at.word
		c.groups[arg] = append(c.groups[arg], named{path + "." + cmp.Or(c.scope.TimeField, "time"), at})
	}
	return p, true
}

func spaced(name string) string {
	if name == "" {
		return ""
	}
	return " " + name
}

// distance is the haversine distance in km; float64 keeps products from being fused, so that every machine gives the same.
func distance(a, b *point, row event.Row) (float64, bool) {
	lat1, ok1 := a.lat(row)
	lon1, ok2 := a.lon(row)
	lat2, ok3 := b.lat(row)
	lon2, ok4 := b.lon(row)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return 0, false
	}
	const radian = math.Pi / 180
	s := math.Sin(float64((lat2-lat1)*radian) / 2)
	t := math.Sin(float64((lon2-lon1)*radian) / 2)
	cosines := float64(math.Cos(float64(lat1*radian)) * math.Cos(float64(lat2*radian)))
	h := float64(s*s) + float64(cosines*float64(t*t))
	return real(float64(2 * earthRadius * math.Asin(min(1, math.Sqrt(h)))))
}
