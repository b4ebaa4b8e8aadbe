package loadgen

import (
	"fmt"
	"strconv"
	"time"

	"insolite/internal/event"
)

// Kinds of stories.
const (
	loginBurst = iota
	loginSpray
	loginTravel
	loginNight
	loginDevices
	loginSpraying
	loginKinds
)

const (
	burstFailures = 8  // at which failed-logins-burst alerts
	sprayed       = 5  // addresses at which failures-from-many-addresses alerts
	devices       = 4  // at which many-devices alerts
	spraying      = 10 // users at which password-spraying alerts
	nightEnd      = 5  // o'clock in Paris
	nightLogins   = 5  // log-ins before a first one at night is news

	learning = 14 * 24 * time.Hour // before a device is news
)

// logins knows who works at night and how often each has logged in, and so what first-login-at-night has to say.
type logins struct {
	*Generator
	zone      *time.Location
	succeeded []uint16     // by key, saturating
	nights    []uint16     // by key, saturating
	failed    []event.Time // by key: the last time
	attacks   int          // stories of an address so far
	watched   []event.Time // by key: the first log-in
}

func newLogins(g *Generator) (script, error) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return nil, fmt.Errorf("load the time zone: %w; install tzdata", err)
	}
	n := g.options.Keys
	s := &logins{Generator: g, zone: zone, succeeded: make([]uint16, n), nights: make([]uint16, n), failed: make([]event.Time, n), watched: make([]event.Time, n)}
	for i := range s.failed {
		s.failed[i], s.watched[i] = event.NoTime, event.NoTime
	}
	return s, nil
}

func (s *logins) night(at event.Time) bool { return at.Std().In(s.zone).Hour() < nightEnd }

// owl reports whether the user works at night.
func (s *logins) owl(k int) bool { return s.trait(k, 1)%16 == 0 }

func (s *logins) normal(e *Event) {
	k := s.key(e.At)
	if s.night(e.At) {
		for range 128 {
			if s.owl(k) {
				break
			}
			k = s.key(e.At)
		}
	}
	if s.rand.IntN(32) == 0 {
		s.fail(e, k, nobodys(s.trait(k, 2)))
		return
	}
	s.succeed(e, k, s.trait(k, 3+s.rand.Uint64N(2)), pick(s.Generator, k, 5, homes[:]))
}

// address is an IPv4 address.
type address [4]byte

// nobodys returns an address of 198.18.0.0/15, which is nobody's.
func nobodys(n uint64) address { return address{198, byte(18 + n%2), byte(n >> 8), byte(n >> 16)} }

// carriers returns an address of 100.64.0.0/10, behind which carriers put their customers: only stories log in from there.
func carriers(n uint64) address { return address{100, byte(64 + n>>16%64), byte(n >> 8), byte(n)} }

func (a address) append(b []byte) []byte {
	for i, n := range a {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	return b
}

// begin writes what both kinds of event have.
func (s *logins) begin(e *Event, k int, kind string, from address) []byte {
	e.Key = padded(append(e.Key, "u-"...), uint64(k), 6)
	b := text(e.Value, "type", kind)
	b = instant(b, "at", e.At)
	b = named(b, "user_id", "u-", uint64(k), 6)
	return append(from.append(append(field(b, "ip"), '"')), '"')
}

func (s *logins) fail(e *Event, k int, from address) {
	e.Source = "login.failed"
	e.Value = append(text(s.begin(e, k, "failed", from), "reason", "bad_password"), '}')
	if e.counts() {
		s.failed[k] = max(s.failed[k], e.At)
	}
	s.seen(k, e)
}

func (s *logins) succeed(e *Event, k int, device uint64, c city) {
	e.Source = "login.succeeded"
	b := s.begin(e, k, "succeeded", nobodys(s.trait(k, 2)))
	b = named(b, "device_id", "d-", device%1e9, 9)
	lat, lon := s.near(c)
	e.Value = append(position(b, lat, lon), '}')
	s.seen(k, e)
	if !e.counts() {
		return
	}
	if s.watched[k] == event.NoTime {
		s.watched[k] = e.At
	}
	if s.night(e.At) {
		if s.nights[k] == 0 && s.succeeded[k] >= nightLogins {
			e.Label = "first-login-at-night"
		}
		s.nights[k] = min(s.nights[k]+1, 1000)
	}
	s.succeeded[k] = min(s.succeeded[k]+1, 1000)
}

func (s *logins) start(at event.Time) {
	kind := s.rand.IntN(loginKinds)
	if kind == loginSpraying {
		s.startSpraying(at)
		return
	}
	k, ok := s.victim(at, 6, always)
	evening := 20 // a story ends before the night
	if s.pace(time.Hour) < time.Hour {
		evening = 23
	}
	if !ok || s.night(at) != (kind == loginNight) || at.Std().In(s.zone).Hour() >= evening {
		return
	}
	steps, gap, quiet, free := 1, time.Duration(0), time.Duration(1), 48*time.Hour
	switch kind {
	case loginBurst:
		steps, gap, quiet = burstFailures, 20*time.Second, 4*time.Minute
	case loginSpray:
		steps, gap, quiet = sprayed, 40*time.Minute, 3*time.Hour
	case loginTravel:
		steps, gap, quiet = 2, 30*time.Minute, travelHold
	case loginDevices:
		steps, gap, quiet = devices, 10*time.Minute, travelHold
	case loginNight:
		free = 31 * 24 * time.Hour
	}
	// Earlier failures would bring the alert of a story of failures before its time.
	if (kind == loginBurst || kind == loginSpray) && s.failed[k] > at.Add(-7*time.Hour) {
		return
	}
	other, gap := s.rand.IntN(1<<24), s.pace(gap)
	for i := range steps {
		s.plan(plan{due: at.Add(time.Duration(i) * gap), key: k, kind: kind, step: i, other: other})
	}
	s.hold(k, at.Add(quiet), at.Add(free))
}

// startSpraying begins a story of an address: one password is tried there on many users. To each of them it is one failure.
func (s *logins) startSpraying(at event.Time) {
	if !s.draw(at, spraying) {
		return
	}
	s.inOnePane(at, 30*time.Second, 2*time.Second, plan{kind: loginSpraying, other: s.attacks})
	s.attacks++
}

func (s *logins) act(p plan, e *Event) {
	home := pick(s.Generator, p.key, 5, homes[:])
	switch p.kind {
	case loginBurst:
		s.fail(e, p.key, nobodys(uint64(p.other)))
		if p.step == burstFailures-1 {
			e.Label = "failed-logins-burst"
		}
	case loginSpray:
		s.fail(e, p.key, nobodys(uint64(p.other)+uint64(p.step)<<8))
		if p.step == sprayed-1 {
			e.Label = "failures-from-many-addresses"
		}
	case loginSpraying:
		s.fail(e, p.key, carriers(uint64(p.other)))
		if p.step == spraying-1 {
			e.Label, e.Entity = "password-spraying", carriers(uint64(p.other)).append(e.Entity)
		}
	case loginTravel:
		if p.step == 1 {
			home = far[p.other%len(far)]
		}
		s.succeed(e, p.key, s.trait(p.key, 3), home)
		if p.step == 1 {
			e.Label = "impossible-travel"
		}
	case loginNight:
		s.succeed(e, p.key, s.trait(p.key, 3), home)
	case loginDevices:
		device := s.trait(p.key, 3+uint64(p.step))
		if p.step > 1 {
			device = uint64(p.other + p.step)
		}
		s.succeed(e, p.key, device, home)
		switch {
		case p.step == devices-1:
			e.Label = "many-devices"
		case p.step == 2 && s.watched[p.key] != event.NoTime && e.At >= s.watched[p.key].Add(learning):
			e.Label = "new-device"
		}
	}
}
