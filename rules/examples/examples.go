// Package examples carries complete small deployments, each a folder with its configuration, rules and lists: what newcomers read, what
// the demo runs and what tests and benchmarks take as real rules.
//
//   - pizza: one topic, one key; counts of a calendar day, averages, pauses
//   - payments: two keys that contain the customer; spread, velocity, tries of a card, travel, sessions
//   - logins: two kinds of event in one topic; distinct addresses and devices, lists of exceptions
//   - sensors: windows by number of events, deltas, drift, exact windows, baselines, silence, what lasts; time as a number
//   - carts: four kinds of event in one topic; what does not happen in time, alerts that say when they are over
//
// insolite.yaml beside them is those that the demo has events for in one deployment: all but carts.
//
// Every rule has tests beside it, at least one of which has to stay silent.
package examples

import "embed"

// FS holds insolite.yaml and the folders, as in payments/insolite.yaml, payments/rules.yaml and payments/lists/moving_terminals.txt.
//
//go:embed insolite.yaml pizza payments logins sensors carts
var FS embed.FS
