package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"insolite/internal/event"
	"insolite/loadgen"
)

// generateJob is one call of the command.
type generateJob struct {
	g        *global
	cluster  clusterFlags
	options  loadgen.Options
	start    timeFlag
	rate     string
	forTime  time.Duration
	count    uint64
	stdout   bool
	labels   string
	score    bool
	wait     time.Duration
	scenario loadgen.Scenario

	paced   bool
	pacer   loadgen.Pacer
	shift   time.Duration // from event time to wall time
	sink    eventSink
	line    *progress
	report  generateReport
	elapsed time.Duration
	done    float64 // share of --for
}

// eventSink is where events go. Neither keeps the event.
type eventSink interface {
	// add takes an event that was due at this wall time.
	add(ctx context.Context, e *loadgen.Event, due event.Time) error
	// idle sends what there is while nothing is due for so long, or until ctx ends.
	idle(ctx context.Context, wait time.Duration)
	// finish sends the rest and returns what became of all.
	finish(ctx context.Context, r *generateReport) error
}

// The event times with --stdout begin here, so that the same seed gives the same bytes every day.
const stdoutStart = "2026-01-01T00:00:00Z"

// eventRateMax is the rate of event time at --rate max: so high that event times do not run ahead of the clock.
const eventRateMax = 1e6

func newGenerate(g *global) *cobra.Command {
	j := &generateJob{g: g, start: timeFlag{event.NoTime}}
	var names, described []string
	for _, s := range loadgen.Scenarios() {
		names = append(names, s.Name)
		described = append(described, fmt.Sprintf("  %-10s%s", s.Name, s.Description))
	}
	cmd := &cobra.Command{
		Use:   "generate SCENARIO --brokers HOST:PORT,… | --stdout",
		Short: "Make realistic events with known anomalies",
		Long: "Make the events of a scenario, with anomalies among them and the truth about each, and write them to Kafka or to standard output.\n\n" +
			strings.Join(described, "\n") + "\n\n" +
			"The load is open: an event is due at a time that does not depend on how fast those before it were taken, and what leaves too late is\n" +
			"counted as behind. The same seed with the same --start gives the same bytes; with --stdout the start is " + stdoutStart + " unless told.\n\n" +
			"The anomalies of a scenario make exactly one rule of rules/examples alert each. Their keys have to be calm: far above the scenario's natural\n" +
			"rate all keys are so busy that rules about bursts find much that nobody injected; more --keys make them calmer.\n" +
			"--labels writes for each anomaly which rule is to alert at which event; --score compares with the alerts topic. For both the events want a\n" +
			"topic of their own: history is late where newer events are, and others' events of the same keys change what is usual.",
		Example: "  detector generate payments --stdout --count 100000 --anomalies 0.01 --labels truth.ndjson > payments.ndjson\n" +
			"  detector backtest --input payments=payments.ndjson --labels truth.ndjson\n" +
			"  detector generate pizza --brokers localhost:9092 --create 6 --rate 50 --for 10m\n" +
			"  detector generate payments --brokers localhost:9092 --history 240h --rate 20 --anomalies 0.05 --hasty --for 5m --score\n" +
			"  detector generate logins --brokers localhost:9092 --rate max --count 5000000 -o json",
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return invalid("name one scenario: %s", strings.Join(names, ", "))
			}
			return nil
		},
	}
	j.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return j.run(cmd.Context(), args[0]) }
	return cmd
}

func (j *generateJob) flags(cmd *cobra.Command) {
	f, o := cmd.Flags(), &j.options
	j.cluster.add(cmd)
	f.BoolVar(&j.stdout, "stdout", false, "print the events, one a line, instead of writing them to Kafka")
	f.StringVar(&j.rate, "rate", "", "events a second, `N` or max (default 100; with --stdout: max)")
	f.DurationVar(&j.forTime, "for", 0, "stop after this time behind the history; of event time, with --rate max to Kafka of wall time")
	f.Uint64Var(&j.count, "count", 0, "stop after so many events behind the history")
	f.Uint64Var(&o.Seed, "seed", 1, "what the events depend on")
	f.Var(&j.start, "start", "event time of the first event behind the history (default: now)")
	f.Float64Var(&o.Rate, "event-rate", 0, "events a second of event time at --rate max (default: the natural rate; to Kafka 1e6)")
	f.IntVar(&o.Keys, "keys", 0, "how many customers, sensors… there are (default: the scenario's)")
	f.DurationVar(&o.History, "history", 0, "lay so much history before the start first, as fast as possible")
	f.Float64Var(&o.HistoryRate, "history-rate", 0, "events a second of event time in the history (default: the natural rate)")
	f.Float64Var(&o.Anomalies, "anomalies", 0.005, "share of events at which an anomaly begins")
	f.BoolVar(&o.Hasty, "hasty", false, "let anomalies take a sixtieth of their time, for people who watch")
	f.Float64Var(&o.Disorder, "disorder", 0, "share of events out of order within the lateness")
	f.Float64Var(&o.Late, "late", 0, "share of events that are too late")
	f.Float64Var(&o.Malformed, "malformed", 0, "share of records that are no events")
	f.StringVar(&j.labels, "labels", "", "write the truth to this `TOPIC`; with --stdout: file")
	f.BoolVar(&j.score, "score", false, "compare the alerts with the truth: precision, recall and delay of each rule")
	f.DurationVar(&j.wait, "score-wait", 10*time.Second, "how long to wait for the last alerts")
}

// complete checks the flags and puts in what is absent.
func (j *generateJob) complete() error {
	switch {
	case j.stdout && (len(j.cluster.brokers) > 0 || j.score):
		return invalid("--stdout does not go with --brokers and --score")
	case !j.stdout && len(j.cluster.brokers) == 0 && j.cluster.config == "":
		return invalid("where to? Name --brokers, a --config with brokers, or --stdout")
	case j.rate == "" && j.stdout:
		j.rate = "max"
	case j.rate == "":
		j.rate = "100"
	}
	if j.rate != "max" {
		n, err := strconv.ParseFloat(j.rate, 64)
		if err != nil || !(n > 0 && n <= 1e9) {
			return invalid("--rate %s: write a number of events a second above 0, or max", j.rate)
		}
		j.paced, j.options.Rate = true, n
	} else if j.options.Rate == 0 && !j.stdout {
		j.options.Rate = eventRateMax
	}
	switch {
	case j.start.at != event.NoTime:
	case j.stdout:
		if err := j.start.Set(stdoutStart); err != nil {
			return err
		}
	default:
		j.start.at = wallTime()
	}
	j.options.Start = j.start.at
	return nil
}

func wallTime() event.Time { return event.Time(time.Now().UnixNano()) }

func (j *generateJob) run(ctx context.Context, name string) error {
	if err := j.complete(); err != nil {
		return err
	}
	g, err := loadgen.New(name, j.options)
	if err != nil {
		return invalid("%w", err)
	}
	j.scenario = g.Scenario()
	j.report = generateReport{Scenario: j.scenario.Name, Seed: j.options.Seed, Topic: j.topic()}
	if j.stdout {
		j.sink, err = newLineSink(j.g.out, j.labels)
	} else {
		j.sink, err = j.openKafka(ctx)
	}
	if err != nil {
		return err
	}
	j.line = newProgress(j.g.err)
	err = j.generate(ctx, g)
	if last := j.sink.finish(ctx, &j.report); err == nil {
		err = last
	}
	j.line.end(func(time.Duration) string { return "" })
	if err != nil {
		return err
	}
	return j.tell()
}

// topic is where the events go.
func (j *generateJob) topic() string {
	if j.cluster.topic != "" {
		return j.cluster.topic
	}
	return j.scenario.Topics[0]
}

// generate makes events until the end.
func (j *generateJob) generate(ctx context.Context, g *loadgen.Generator) error {
	begin := time.Now()
	defer func() { j.elapsed = time.Since(begin) }()
	var e loadgen.Event
	live := time.Time{} // when the history ended
	for {
		if g.Next(&e); !e.History && live.IsZero() {
			live = time.Now()
			j.shift = time.Duration(live.UnixNano() - int64(j.options.Start))
		}
		if ctx.Err() != nil || !e.History && j.over(&e, live) {
			return nil
		}
		due := event.Time(time.Now().UnixNano())
		if j.paced && !e.History {
			due = e.Due.Add(j.shift)
			for wait := j.pacer.Wait(due, wallTime()); wait > 0; wait = j.pacer.Wait(due, wallTime()) {
				j.sink.idle(ctx, wait)
				if ctx.Err() != nil {
					return nil
				}
			}
		}
		if err := j.sink.add(ctx, &e, due); err != nil {
			return err
		}
		j.report.note(&e)
		j.line.tell(j.progress)
	}
}

// over reports whether the event comes after the end.
func (j *generateJob) over(e *loadgen.Event, live time.Time) bool {
	if j.count > 0 && j.report.Events >= j.count {
		return true
	}
	if j.forTime == 0 {
		return false
	}
	gone := time.Duration(e.Due - j.options.Start)
	if !j.paced && !j.stdout {
		gone = time.Since(live)
	}
	j.done = gone.Seconds() / j.forTime.Seconds()
	return gone >= j.forTime
}

func (j *generateJob) progress(elapsed time.Duration) string {
	r := &j.report
	all := r.History + r.Events
	s := fmt.Sprintf("%s  %s  %s labels  %.0fs", count(all, "event"), perSecond(all, elapsed), thousands(r.Labels), elapsed.Seconds())
	switch {
	case r.Events == 0 && r.History > 0:
		s += "  (history)"
	case j.count > 0:
		s = fmt.Sprintf("%3.0f %%  ", 100*float64(r.Events)/float64(j.count)) + s
	case j.forTime > 0:
		s = fmt.Sprintf("%3.0f %%  ", 100*j.done) + s
	}
	if j.pacer.Behind > 0 {
		s += fmt.Sprintf("  %s behind", thousands(j.pacer.Behind))
	}
	return s
}
