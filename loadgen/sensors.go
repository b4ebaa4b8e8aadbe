package loadgen

import (
	"math"
	"strconv"
	"time"

	"insolite/internal/event"
)

// Kinds of stories.
const (
	sensorStuck = iota
	sensorSpike
	sensorDrift
	sensorSilent
	sensorDrain
	sensorKinds
)

const (
	stuckReadings = 10            // at which sensor-stuck alerts
	driftReadings = 3             // at which sensor-drift alerts
	drainReadings = 3             // at which battery-drains alerts
	silence       = 2 * time.Hour // beyond which sensor-was-silent alerts
	hour          = event.Time(36e11)
)

// sensors gives each sensor a temperature of its own that goes with the hour of the day, and a battery that lasts for a year.
type sensors struct{ *Generator }

func newSensors(g *Generator) (script, error) { return &sensors{g}, nil }

func (s *sensors) celsius(k int, at event.Time) float64 {
	return 15 + 10*s.share(k, 1) + 0.5*math.Sin(2*math.Pi*float64(at%(24*hour))/float64(24*hour))
}

// battery falls from 100 to 15 per cent, then it is changed.
func (s *sensors) battery(k int, at event.Time) int64 {
	const life = 400 * 24 * hour
	age := (int64(at) + int64(s.trait(k, 2)%uint64(life))) % int64(life)
	return 100 - int64(85*float64(age)/float64(life))
}

func (s *sensors) normal(e *Event) {
	k := s.key(e.At)
	s.write(e, k, s.celsius(k, e.At)+0.2*s.rand.NormFloat64(), s.battery(k, e.At))
}

// write fills the event and notes it.
func (s *sensors) write(e *Event, k int, celsius float64, battery int64) {
	e.Source = "sensor.reading"
	e.Key = padded(append(e.Key, "s-"...), uint64(k), 5)
	b := strconv.AppendInt(field(e.Value, "at"), int64(e.At)/1e6, 10)
	b = named(b, "sensor_id", "s-", uint64(k), 5)
	b = decimal(b, "celsius", celsius, 2)
	b = strconv.AppendInt(field(b, "battery"), battery, 10)
	b = named(b, "site", "site-", s.trait(k, 3)%20, 2)
	e.Value = append(b, '}')
	if e.counts() && s.last[k] != event.NoTime && e.At-s.last[k] > event.Time(silence) {
		e.Label = "sensor-was-silent"
	}
	s.seen(k, e)
}

func (s *sensors) start(at event.Time) {
	kind := s.rand.IntN(sensorKinds)
	k, ok := s.victim(at, 20, always)
	if !ok || s.last[k] < at.Add(-10*time.Minute) {
		return
	}
	steps, wait, gap, free := 1, time.Duration(0), time.Duration(0), 48*time.Hour
	switch kind {
	case sensorStuck:
		steps, gap = stuckReadings, 5*time.Minute
	case sensorDrift: // behind an hour without readings, so that the hour's average is the story's alone
		steps, wait, gap = driftReadings, 70*time.Minute, 15*time.Minute
	case sensorSilent:
		wait = 3 * time.Hour
	case sensorDrain:
		steps, gap, free = drainReadings, 110*time.Minute, 15*24*time.Hour
		ok = s.battery(k, at) > 40
	}
	if !ok {
		return
	}
	if kind != sensorDrift { // which is about an hour
		gap = s.pace(gap)
	}
	for i := range steps {
		s.plan(plan{due: at.Add(wait + time.Duration(i)*gap), key: k, kind: kind, step: i})
	}
	s.hold(k, at.Add(wait+time.Duration(steps-1)*gap+1), at.Add(free))
}

func (s *sensors) act(p plan, e *Event) {
	celsius, battery, label := s.celsius(p.key, e.At), s.battery(p.key, e.At), ""
	switch p.kind {
	case sensorStuck:
		celsius = 16.23 + 10*s.share(p.key, 1)
		if p.step == stuckReadings-1 {
			label = "sensor-stuck"
		}
	case sensorSpike:
		celsius += 9.5
		label = "sensor-spike"
	case sensorDrift:
		celsius += 6
		if p.step == driftReadings-1 {
			label = "sensor-drift"
		}
	case sensorDrain:
		battery -= int64(8 * (p.step + 1))
		if p.step == drainReadings-1 {
			label = "battery-drains"
		}
	}
	s.write(e, p.key, celsius, battery)
	if label != "" {
		e.Label = label
	}
}
