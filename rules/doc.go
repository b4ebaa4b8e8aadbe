// Package rules turns what people declare in YAML into typed values that inner code can trust.
//
// [ParseSources] reads the mapping below `sources:`, in a configuration or in a bundle: topic, match, key, time, lateness, max_ahead,
// dedupe, start, warm_up and the schema of fields, with the defaults of the documentation. Every problem is reported at its place, all of
// them at once; what this version does not support is an error that says so. A source that declares no time has one more field behind the
// declared ones, [EventTimeField], without a path: the reader fills it from the record's own timestamp.
//
// In the layers, rules stands above context/window, rules/expr and rules/lookup, and below the configuration, which reuses ParseSources.
package rules
