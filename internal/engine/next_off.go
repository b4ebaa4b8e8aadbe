//go:build !nextengine

package engine

// next is 1 in a program that is built with the tag `nextengine`, which stands for the next version of the engine in tests of an upgrade.
const next = 0

// computed shows in a test which version an alert comes from. In an ordinary build nothing is left of it.
func computed(summary string) string { return summary }
