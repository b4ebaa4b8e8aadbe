// Package examples carries complete small deployments, each a folder with its configuration, rules and lists: what newcomers read, what
// the demo runs and what tests and benchmarks take as real rules.
//
//   - pizza: one topic, one key; counts of a calendar day, averages, pauses
//
//   - payments: two keys that contain the customer; spread, velocity, tries of a card, travel, sessions
//
//   - logins: two kinds of event in one topic; distinct addresses and devices, lists of exceptions
//
//   - sensors: windows by number of events, deltas, drift, exact windows, baselines, silence, what lasts; time as a number
//
//   - carts: four kinds of event in one topic; what does not happen in time, alerts that say when they are over
//
//   - patients: baselines of a patient, several signs together, what lasts, monitors that fall silent
//
//   - rooms: three topics that meet by room; sums of steps in and out, features of another source, the hour of the day
//
//   - traffic: the last few events against a week, stuck and silent counters, distance and time between cameras
//
//   - bananas: a market; two keys, first and last, orders of two sources, a rule on alerts
//
// insolite.yaml beside them is those that the demo has events for in one deployment: the first four.
//
// Every rule has tests beside it, at least one of which has to stay silent.
package examples

import "embed"

// FS holds insolite.yaml and the folders, as in payments/insolite.yaml, payments/rules.yaml and payments/lists/moving_terminals.txt.
//
//go:embed insolite.yaml pizza payments logins sensors carts patients rooms traffic bananas
var FS embed.FS
