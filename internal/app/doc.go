// Package app wires the components to what the commands do. It is the only place that knows all of them.
//
// [LoadProject] reads a configuration with its rules and lookups, for every command that works on them.
package app
