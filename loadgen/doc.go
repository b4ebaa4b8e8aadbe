// Package loadgen makes events: realistic JSON of a [Scenario], the same bytes for the same [Options], with anomalies among them and the
// truth about each.
//
//	g, err := loadgen.New("payments", loadgen.Options{Seed: 1, Start: now, History: 14 * 24 * time.Hour, Rate: 20})
//	var e loadgen.Event
//	for {
//		g.Next(&e) // e.Key and e.Value are good until the next call
//		…
//	}
//
// # Time
//
// A generator has a clock of event time only. It lays History before Start, at HistoryRate, and goes on from Start at Rate. Rate is how
// many events a second of event time has, whatever the speed at which they are taken: who wants the events at the pace of their own times
// waits as a [Pacer] says, who wants them as fast as possible does not.
//
// A scenario has a natural rate (a few payments a day for each customer). Far above it all keys are so busy that rules about bursts and
// sums find much that nobody injected.
//
// # Anomalies
//
// Each scenario belongs to the deployment of that name in rules/examples. An anomaly is a short story of one key (tiny payments, then a
// large one; a log-in far away) that makes exactly one of its rules alert; the event that has to bring the alert carries the rule's id as
// its Label. Some stories are of another key than the record's: cards of many customers that are declined at one terminal. Their Entity is
// that key, by which the alert is found whichever of the story's events comes last to the rule. While a story runs its key does nothing else,
// and afterwards it is left alone until no window knows of it. When no key is free there is no anomaly, so few keys at a high rate have few.
//
// Stories take their time, up to hours. Options.Hasty makes those that begin after Start sixty times as fast, for a demonstration:
//
//	loadgen.Options{Start: now, History: 12 * 24 * time.Hour, Rate: 5, Keys: 3000, Anomalies: 0.1, Hasty: true}
//
// # Disorder
//
// Shares of the events are out of order within the lateness, or late beyond it, or no valid events at all (cut off, wrong types, missing
// fields). These never belong to a story.
//
// # Cost
//
// Next allocates nothing once Key and Value have grown. A generator keeps some 60 bytes for each key.
package loadgen
