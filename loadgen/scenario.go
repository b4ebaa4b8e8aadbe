package loadgen

import (
	"fmt"
	"strings"
	"time"

	"insolite/internal/event"
)

// Scenario describes one kind of events for people.
type Scenario struct {
	Name        string
	Description string
	Topics      []string
	Rules       []string      // that its labels name
	Keys        int           // how many keys there are by default
	PerKeyDay   float64       // natural rate: events of one key in a day
	Lateness    time.Duration // of its sources
}

// script is a scenario at work.
type script interface {
	// normal fills the event with what an ordinary key does at e.At.
	normal(e *Event)
	// start begins an anomaly at that instant, if it finds a key for one.
	start(at event.Time)
	// act fills the event with one step of an anomaly.
	act(p plan, e *Event)
}

type entry struct {
	Scenario
	script func(*Generator) (script, error)
}

// scenarios is the table; a new scenario is a file and a row.
func scenarios() []entry {
	return []entry{
		{Scenario{"pizza", "Orders of pizzas: mostly one a day and customer, sometimes a second one or a very dear one.", []string{"pizzas"},
			[]string{"two-pizzas-one-day", "dearer-than-usual", "back-after-a-month"}, 5_000, 1.0 / 3, time.Minute}, newPizza},
		{Scenario{"payments", "Card payments of 14 fields with eight kinds of fraud: large amounts (of a customer, of a card online), bursts, sprees, tried cards, two places at once, many countries, a terminal of stolen cards.", []string{"payments"},
			[]string{"amount-far-above-usual", "many-payments-in-minutes", "card-testing", "card-in-two-places", "three-countries-in-a-day", "cards-declined-at-terminal", "online-amount-far-above-most", "spending-spree"}, 10_000, 3, time.Minute}, newPayments},
		{Scenario{"logins", "Log-ins that succeed or fail: guessed passwords of one user and of many, from one and from many addresses, travel, nights, devices.", []string{"logins"},
			[]string{"failed-logins-burst", "failures-from-many-addresses", "impossible-travel", "first-login-at-night", "many-devices", "new-device", "password-spraying"}, 5_000, 4, time.Minute}, newLogins},
		{Scenario{"sensors", "Temperatures every five minutes: stuck, jumping, drifting and silent sensors, and broken batteries.", []string{"readings"},
			[]string{"sensor-stuck", "sensor-spike", "sensor-drift", "sensor-was-silent", "battery-drains"}, 500, 288, 5 * time.Minute}, newSensors},
	}
}

// Scenarios returns what New knows, in the order in which help shows it.
func Scenarios() []Scenario {
	var list []Scenario
	for _, e := range scenarios() {
		list = append(list, e.Scenario)
	}
	return list
}

func find(name string) (entry, error) {
	var names []string
	for _, e := range scenarios() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return entry{}, fmt.Errorf("there is no scenario %q; choose one of %s", name, strings.Join(names, ", "))
}
