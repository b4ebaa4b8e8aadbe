//go:build nextengine

package engine

const next = 1

func computed(summary string) string { return summary + " (next)" }
