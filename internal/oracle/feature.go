package oracle

// absorb adds the event to the feature's samples if it is one.
func (e *evaluation) absorb(rule *Rule, f *Feature, key string, r *row) {
	if f.Source != "" && e.options.WhereOfOthers && !rule.Where.holds(r.value, e.options) {
		return
	}
	if s, ok := f.sample(r, e.options); ok {
		id := f.id(rule, key)
		e.samples[id] = append(e.samples[id], s)
	}
}

// id names what a feature has absorbed of a key.
func (f *Feature) id(rule *Rule, key string) string {
	return rule.ID + "\x00" + f.Name + "\x00" + key
}

// read writes the feature's value for an event of the rule's source, which it absorbs if its samples are of this source.
func (e *evaluation) read(rule *Rule, f *Feature, key string, r *row, readings map[string]Reading) {
	seen := e.samples[f.id(rule, key)]
	if f.Baseline != nil {
		f.judge(seen, r, e.options, readings)
		e.absorb(rule, f, key, r)
		return
	}
	if f.Source == "" {
		e.absorb(rule, f, key, r)
		if !f.ExcludeCurrent && f.Agg != "time_since" && (len(f.By) == 0 || !e.options.ByBefore) {
			seen = e.samples[f.id(rule, key)]
		}
	}
	e.show(rule, f, seen, r.at, readings)
}

// show writes the feature's value at an instant, of what it has absorbed.
func (e *evaluation) show(rule *Rule, f *Feature, seen []sample, t int64, readings map[string]Reading) {
	switch f.Agg {
	case "first", "last", "delta", "time_since":
		f.readKept(f.Window.kept(seen, t, e.options), t, readings)
	default:
		whole := f.folded(seen, t, e.options)
		f.put(readings, f.Name, whole.value(e.job.samplesOf(rule, f).kindOf(f.Field), e.options), whole.n)
	}
}

// sample tells whether the event counts for the feature: its where holds, and its field, or one of its fields, is present.
func (f *Feature) sample(r *row, o Options) (sample, bool) {
	if !f.Where.holds(r.value, o) {
		return sample{}, false
	}
	s := sample{at: r.at, log: r.offset, values: map[string]Value{}}
	if f.Window.Kind == "calendar" {
		s.bucket = o.zones.bucket(r.at, f.Window.Unit, f.Window.Zone)
	}
	members := f.members()
	for _, name := range members {
		if v := r.value(name); v.Known() {
			s.values[name] = v
			s.first = v
			if f.Agg == "percentile" && !f.Exact && f.Window.Kind != "exact" && f.Window.Kind != "events" {
				s.first = v.binned(o)
			}
		}
	}
	return s, len(members) == 0 || len(s.values) > 0
}

// put writes a reading: unknown with fewer samples than the feature asks for.
func (f *Feature) put(readings map[string]Reading, name string, v Value, samples int) {
	if samples < f.MinSamples {
		v = Value{}
	}
	readings[name] = Reading{Value: v, Samples: samples}
}

// readKept reads first, last, delta or time_since from the kept samples in the window, which are in the order of (time, log).
func (f *Feature) readKept(kept []sample, t int64, readings map[string]Reading) {
	n := len(kept)
	switch f.Agg {
	case "delta":
		var v Value
		if n >= 2 {
			v = arithmetic("-", kept[n-1].first, kept[n-2].first)
		}
		f.put(readings, f.Name, v, n)
		return
	case "time_since":
		var v Value
		if n >= 1 {
			v = exactly("-", t, kept[n-1].at, Duration)
		}
		f.put(readings, f.Name, v, n)
		return
	}
	chosen := map[string]Value{}
	if n > 0 && f.Agg == "first" {
		chosen = kept[0].values
	} else if n > 0 {
		chosen = kept[n-1].values
	}
	if len(f.Fields) == 0 {
		f.put(readings, f.Name, chosen[f.Field], n)
	}
	for _, name := range f.Fields {
		f.put(readings, f.Name+"."+name, chosen[name], n)
	}
}
