// Package rules turns what people declare in YAML into typed values that inner code can trust.
//
// [ParseSources] reads the mapping below `sources:`, in a configuration or in a bundle: topic, match, key, time, lateness, max_ahead,
// dedupe, start, warm_up and the schema of fields, with the defaults of the documentation. Every problem is reported at its place, all of
// them at once; what this version does not support is an error that says so. A source that declares no time has one more field behind the
// declared ones, [EventTimeField], without a path: the reader fills it from the record's own timestamp.
//
// What rule files may say is in docs/rules/rules.md, and what it means in docs/rules/semantics.md.
// [Load] reads rule files against the sources and lookups into a [Set], which cannot be invalid: expressions are compiled, features that
// mean the same are one [Read] with its slots in the row, and the [Plan] of each topic says what a task has to compute for an event:
//
//	for each Stream of the event's SourcePlan: find the key's context (Stream.Key)
//		evaluate Stream.Wheres
//		read Stream.Before into the row, absorb the event into Stream.Cells, read Stream.After
//	for each Rule of the SourcePlan whose where holds: NewValue or Sequence, then Condition, then Exceptions, then Suppress
//
// A rule whose key lacks a field by which its source's records are keyed runs in a [Stage]: its events are sent on by the Plan of the
// source's topic ([Route]), through a topic that is partitioned by the fields of the key, and are seen there by a Plan of their own.
//
// A rule with a Sequence is a rule of the SourcePlan of each of its steps' sources. An event of another source than the rule's own that completes a
// match is judged as one of the rule's own source: [Rule.Fields] says which of its fields stand for which.
//
// The hashes of definitions ([FeatureID], Rule.Version, the identities) depend on what is defined only, so that state is found again after
// a reload, by whatever rules use it then.
//
// In the layers, rules stands above context/window, rules/expr and rules/lookup, and below the configuration, which reuses ParseSources.
package rules
