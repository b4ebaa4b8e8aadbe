package bench

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report gathers the rounds' results.
type report struct {
	payload *payload
	results map[string][]result
	places  []place // where the time goes
}

func newReport(p *payload) *report { return &report{payload: p, results: map[string][]result{}} }

func (r *report) add(c *contender, one result) { r.results[c.name] = append(r.results[c.name], one) }

// median returns the middle of a figure over the rounds.
func (r *report) median(name string, figure func(*result) float64) float64 {
	var all []float64
	for i := range r.results[name] {
		all = append(all, figure(&r.results[name][i]))
	}
	slices.Sort(all)
	if len(all) == 0 {
		return 0
	}
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

func cpu(r *result) float64     { return r.CPUPerEvent }
func elapsed(r *result) float64 { return r.TimePerEvent }
func allocs(r *result) float64  { return r.AllocsPerEvent }
func memory(r *result) float64  { return float64(r.MemoryBytes) }

// verdict is a figure beside its limit.
type verdict struct {
	what  string
	value float64
	limit float64
	most  bool // the limit is the most, else the least
}

func (v verdict) line() string {
	sign, held := "≥", v.value >= v.limit
	if v.most {
		sign, held = "≤", v.value <= v.limit
	}
	answer := "**missed**"
	if held {
		answer = "held"
	}
	return fmt.Sprintf("| %s | %.3g | %s %g | %s |\n", v.what, v.value, sign, v.limit, answer)
}

func (r *report) verdicts() []verdict {
	ours := r.median(service, cpu)
	return []verdict{
		{"CPU per event against an empty sarama claim loop", ours / r.median(claimLoop, cpu), 1.8, true},
		{"cheaper than the straightforward Go worker, times", r.median(plain, cpu) / ours, 5, false},
		{"cheaper than the good Go worker, times", r.median(wellMade, cpu) / ours, 2, false},
		{"CPU per event with two cores against one", ours / r.median(oneCore, cpu), 1.25, true},
		{"events per second with checkpoints against without, with the broker on the same cores", r.median(unswept, elapsed) / r.median(service, elapsed), 0.9, false},
		{"allocations per event", r.median(service, allocs), 0.1, true},
		{"engine alone, million events per second and core", 1e3 / r.median(alone, cpu), 1.5, false},
	}
}

// text is the report as Markdown.
func (r *report) text() string {
	var b strings.Builder
	p := r.payload
	fmt.Fprintf(&b, "%d payments of %d bytes, %d partitions, lz4; %d customers, %d of them (%.1f %%) with over 100 payments, %.0f %% of all;\n",
		p.events, p.bytes/p.events, partitions, p.keys, p.busy, 100*float64(p.busy)/float64(p.keys), 100*p.busyShare)
	fmt.Fprintf(&b, "%.2f %% of the payments alert, for every contender with rules the same ones (%s).\nMedians of %d interleaved rounds, the first %.0f %% of the events not counted; %s, %d cores.\n\n",
		100*float64(p.want.Count)/float64(p.events), p.want, len(r.results[service]), 100*warmShare, runtime.Version(), runtime.NumCPU())
	b.WriteString("| contender | CPU per event, against the empty loop | allocations per event | memory, MB | what it is |\n|---|---|---|---|---|\n")
	for _, c := range contenders {
		fmt.Fprintf(&b, "| %s | %.2f | %.3f | %.0f | %s |\n", c.name, r.median(c.name, cpu)/r.median(claimLoop, cpu), r.median(c.name, allocs), r.median(c.name, memory)/(1<<20), c.about)
	}
	b.WriteString("\n| figure | measured | must | |\n|---|---|---|---|\n")
	for _, v := range r.verdicts() {
		b.WriteString(v.line())
	}
	fmt.Fprintf(&b, "\nWhere each nanosecond of an event goes (of %.0f on this machine; only shares carry over):\n\n| part | ns | share |\n|---|---|---|\n", r.median(service, cpu))
	for _, p := range r.places {
		fmt.Fprintf(&b, "| %s | %.0f | %.1f %% |\n", p.name, p.share*r.median(service, cpu), 100*p.share)
	}
	return b.String()
}

// The results stand between these lines of the page.
const (
	resultsBegin = "<!-- results of make bench, written by it -->\n"
	resultsEnd   = "<!-- end of the results -->\n"
)

func (r *report) update(path string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(page, []byte(resultsBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(resultsEnd))
	if !ok || !ok2 {
		return fmt.Errorf("%s has lost the lines between which results stand", path)
	}
	return os.WriteFile(path, slices.Concat(before, []byte(resultsBegin+"\n"+r.text()+"\n"+resultsEnd), after), 0o644)
}

// place is a part of the service's work.
type place struct {
	name     string
	function *regexp.Regexp // of the innermost function that counts
	share    float64
}

// places are asked in this order for each function of a stack, from the innermost one outwards; runtime functions come last.
func allPlaces() []place {
	var all []place
	for _, p := range [][2]string{
		{"transactions and other producing", `insolite/ingest/kafka\.\(\*(Transaction|Producer|writer|producer)`},
		{"fetch and decompress", `insolite/ingest/kafka\.|pierrec/lz4|IBM/sarama`},
		{"decode", `insolite/ingest/decode\.`},
		{"find the context", `context/store\.\(\*(Keyspace|Batch)`},
		{"windows", `insolite/context/(window|store)\.`},
		{"rules", `insolite/rules|engine\.\(\*Engine\)\.(evaluate|finish|ask|consider)|engine\.\(\*(filing|ruleState)`},
		{"alerts", `insolite/alerts\.|engine\.\(\*Engine\)\.emit`},
		{"checkpoints", `insolite/context/checkpoint|cockroachdb/pebble|task\.\(\*Task\)\.sweep`},
		{"the rest of the engine", `insolite/internal/engine\.`},
		{"task", `insolite/internal/task\.`},
		{"page, metrics", `insolite/(internal/app|internal/telemetry|dashboard)`},
		{"the benchmark's own look at offsets", `insolite/bench\.`},
	} {
		all = append(all, place{name: p[0], function: regexp.MustCompile(p[1])})
	}
	return append(all, place{name: "Go's runtime: garbage, scheduling"})
}

// explain finds out from a CPU profile where the time goes.
func (r *report) explain(profile string) error {
	out, err := exec.Command("go", "tool", "pprof", "-traces", profile).Output()
	if err != nil {
		return fmt.Errorf("go tool pprof: %w", err)
	}
	r.places = attribute(string(out), allPlaces())
	return nil
}

var (
	separator = regexp.MustCompile(`(?m)^-+\+-+\n`)
	duration  = regexp.MustCompile(`(?m)^ *([0-9.]+)(ns|us|µs|ms|s|mins|hrs) +`) // labels of the goroutine may stand before it
)

// attribute adds the samples of `pprof -traces` up by place.
func attribute(traces string, places []place) []place {
	var total float64
	for _, sample := range separator.Split(traces, -1)[1:] {
		m := duration.FindStringSubmatchIndex(sample)
		if m == nil {
			continue
		}
		value, _ := strconv.ParseFloat(sample[m[2]:m[3]], 64) // the pattern has checked it
		value *= float64(units[sample[m[4]:m[5]]])
		total += value
		places[placeOf(sample[m[1]:], places)].share += value
	}
	if total == 0 {
		return nil
	}
	for i := range places {
		places[i].share /= total
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(b.share, a.share) })
	return places
}

var units = map[string]time.Duration{"ns": 1, "us": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "mins": time.Minute, "hrs": time.Hour}

// placeOf finds the innermost function that belongs to a place.
func placeOf(stack string, places []place) int {
	for function := range strings.Lines(stack) {
		for i := range places {
			if places[i].function != nil && places[i].function.MatchString(function) {
				return i
			}
		}
	}
	return len(places) - 1
}
