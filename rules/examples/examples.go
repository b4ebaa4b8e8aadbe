// Package examples carries complete small deployments, each a folder with its configuration, rules and lists: what newcomers read, what
// the demo runs and what tests and benchmarks take as real rules.
//
//   - pizza: one topic, one key; counts of a calendar day, averages, pauses
//   - payments: two keys that contain the customer; spread, velocity, tries of a card, travel, sessions
//   - logins: two kinds of event in one topic; distinct addresses and devices, lists of exceptions
//   - sensors: windows by number of events, deltas, drift, exact windows; time as a number
//
// insolite.yaml beside them is all of them in one deployment.
//
// Every rule has tests beside it, at least one of which has to stay silent.
package examples

import "embed"

// FS holds insolite.yaml and the folders, as in payments/insolite.yaml, payments/rules.yaml and payments/lists/moving_terminals.txt.
//
//go:embed insolite.yaml pizza payments logins sensors
var FS embed.FS
