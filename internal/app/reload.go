package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"insolite/internal/bundle"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/telemetry"
	"insolite/rules"
)

// Reload is what came of reading the rules on disk again, while the service runs.
type Reload struct {
	At       time.Time       `json:"at"`
	By       Trigger         `json:"by"`
	Result   ReloadResult    `json:"result"`
	Bundle   event.Offset    `json:"bundle"`          // the newest one afterwards
	Rules    int             `json:"rules,omitempty"` // of the set on disk
	Note     string          `json:"note,omitempty"`  // what follows from it
	Error    string          `json:"error,omitempty"` // Failed: why, and what to do
	Problems []ReloadProblem `json:"problems,omitempty"`
	More     int             `json:"more,omitempty"` // problems that are not told

	err error // Failed
}

// Trigger is who wanted a reload.
type Trigger string

// The triggers.
const (
	ByFile   Trigger = "file" // one of the files has changed
	BySignal Trigger = "signal"
	ByAPI    Trigger = "api"
)

// ReloadResult says what came of a reload.
type ReloadResult string

// The results. After Refused and Failed everything runs as before.
const (
	Published ReloadResult = "published" // the set is the newest bundle; tasks activate it between two commits
	Unchanged ReloadResult = "unchanged" // it is what was read before
	Refused   ReloadResult = "refused"   // it has errors
	Failed    ReloadResult = "failed"    // it could not be published
)

// ReloadProblem is one error of a refused set.
type ReloadProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	Message string `json:"message"` // what is wrong, and the cure
	Snippet string `json:"snippet,omitempty"`
}

// place is file:line:col.
func (p *ReloadProblem) place() string {
	return diag.Position{File: p.File, Line: p.Line, Col: p.Col}.String()
}

// reloadProblemsMax is how many problems an answer, /readyz and the page tell. The log has all.
const reloadProblemsMax = 20

// reloadWait bounds a reload that somebody waits for.
const reloadWait = 30 * time.Second

// reloader remembers what was read from disk. What has no word of its own belongs to whoever has turn.
type reloader struct {
	turn    chan struct{}
	disk    *Project    // as it was last read without errors
	known   bundle.Hash // of it
	done    stamp       // of the files when they were last dealt with
	told    string      // the errors that the log has
	publish *trouble
	refused atomic.Pointer[Reload] // the disk has errors; nil: it has none
	unfit   atomic.Pointer[string] // why the newest bundle can't be used here; nil: it can
}

// prepareReload begins to remember: what is on disk now is in the topic, or older than what is.
func (s *Service) prepareReload() error {
	_, known, err := s.o.Project.hashed()
	if err != nil {
		return err
	}
	s.reloads.disk, s.reloads.known = s.o.Project, known
	s.reloads.publish = &trouble{log: s.log, what: "the changed rules can't be published and are tried again", over: "the changed rules could be published"}
	for _, by := range []Trigger{ByFile, BySignal, ByAPI} {
		for _, result := range []ReloadResult{Published, Unchanged, Refused, Failed} {
			s.registry.Counter(telemetry.ReloadAttempts, string(by), string(result))
		}
	}
	s.reloaded(true)
	return nil
}

func (s *Service) reloaded(well bool) {
	if !well {
		s.registry.Gauge(telemetry.ReloadSuccessful).Set(0)
		return
	}
	s.registry.Gauge(telemetry.ReloadSuccessful).Set(1)
	s.registry.Gauge(telemetry.ReloadTime).Set(float64(s.now().UnixMilli()) / 1000)
}

// watchFiles reloads when the files change.
func (s *Service) watchFiles(ctx context.Context) {
	tick := time.NewTicker(s.filePoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.reload(ctx, ByFile)
		}
	}
}

// Reload reads the configuration's sources, lookups and rules on disk again, and publishes them as a bundle when they have changed since they
// were read last. Everything is built before anything is published, so a set with errors leaves the running one alone. It may be called
// concurrently, and ends with the context.
func (s *Service) Reload(ctx context.Context, by Trigger) *Reload {
	ctx, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	return s.reload(ctx, by)
}

// reload is Reload; by file it returns nil when nothing has changed.
func (s *Service) reload(ctx context.Context, by Trigger) *Reload {
	r := &Reload{At: s.now(), By: by, Bundle: -1}
	if s.o.Drain {
		return r.failed(errors.New("this instance drains, with the rules that it began with; publish others with `detector apply`"))
	}
	x := &s.reloads
	select {
	case x.turn <- struct{}{}:
		defer func() { <-x.turn }()
	case <-ctx.Done():
		return r.failed(fmt.Errorf("another reload has not ended: %w", ctx.Err()))
	}
	now := x.disk.stamp()
	if by == ByFile && now == x.done {
		return nil
	}
	p, list := LoadProject(s.config.Path, s.o.Project.rulePaths, rules.Options{})
	if p == nil {
		x.done = now
		r.refuse(list)
		x.refused.Store(r)
	} else {
		s.publishChange(ctx, p, r)
		x.publish.is(r.err)
	}
	if r.err == nil && p != nil {
		x.refused.Store(nil)
		x.disk, x.told, x.done = p, "", now
	}
	if ctx.Err() == nil || r.err == nil {
		s.tellReload(r, list)
	}
	return r
}

// refuse takes the errors of a set.
func (r *Reload) refuse(list *diag.List) {
	r.Result = Refused
	r.More = list.Dropped()
	for _, p := range list.Sorted() {
		switch {
		case p.Severity != diag.Error:
		case len(r.Problems) == reloadProblemsMax:
			r.More++
		default:
			r.Problems = append(r.Problems, ReloadProblem{p.Position.File, p.Position.Line, p.Position.Col, p.Message, p.Snippet})
		}
	}
}

func (r *Reload) failed(err error) *Reload {
	r.Result, r.err, r.Error = Failed, err, err.Error()
	return r
}

// publishChange publishes a project's bundle unless it was known.
func (s *Service) publishChange(ctx context.Context, p *Project, r *Reload) {
	r.Rules, r.Result = len(p.Set.Rules), Unchanged
	b, hash, err := p.hashed()
	if err == nil {
		err = s.bundles.refresh(ctx)
	}
	if err != nil {
		r.failed(err)
		return
	}
	r.Bundle = s.bundles.Newest()
	inForce, err := s.bundles.inForce(b)
	switch {
	case err != nil:
		r.failed(err)
	case inForce: // it was before, or another instance saw it first
		s.reloads.known = hash
	case hash == s.reloads.known:
		r.Note = fmt.Sprintf("the files are as they were, and older than bundle %d, which is followed; publish them with `detector apply`", r.Bundle)
	default:
		if err = s.bundles.stages.ensure(ctx, p.Set); err == nil {
			r.Bundle, err = s.bundles.publish(ctx, b)
		}
		if err != nil {
			r.failed(err)
			return
		}
		s.reloads.known, r.Result = hash, Published
	}
}

// tellReload tells the log and the metrics. list is of the set.
func (s *Service) tellReload(r *Reload, list *diag.List) {
	s.registry.Counter(telemetry.ReloadAttempts, string(r.By), string(r.Result)).Inc()
	s.reloaded(r.Result == Published || r.Result == Unchanged)
	switch r.Result {
	case Published:
		s.log.Info("rules published", "bundle", int64(r.Bundle), "rules", r.Rules, "by", string(r.By))
	case Unchanged:
		if r.By != ByFile {
			s.log.Info("rules read again, nothing is new", "in_force", int64(r.Bundle), "rules", r.Rules, "by", string(r.By))
		}
	case Refused:
		text := list.Err().Error()
		if text == s.reloads.told && r.By == ByFile {
			return
		}
		if text != s.reloads.told {
			s.registry.Counter(telemetry.RuleSets, refused).Inc()
		}
		s.log.Error("the changed rules have errors; the running ones stay", "by", string(r.By), "error", text)
		s.reloads.told = text
	}
}

// notices say what is wrong with rules that are not in force. The instance does all of its work, with others.
func (s *Service) notices() []string {
	var all []string
	if r := s.reloads.refused.Load(); r != nil {
		all = append(all, fmt.Sprintf("the rules on disk have errors since %s; bundle %d stays in force", r.At.UTC().Format(time.RFC3339), s.bundles.Newest()))
		for i := range r.Problems {
			all = append(all, r.Problems[i].place()+": "+r.Problems[i].Message)
		}
		if r.More > 0 {
			all = append(all, fmt.Sprintf("and %d more; `detector check` tells all", r.More))
		}
	}
	if why := s.reloads.unfit.Load(); why != nil {
		all = append(all, *why)
	}
	return all
}

// serveReload is POST /reload. It has no body. A browser may send a POST from any site, so one that is not from here is turned away.
func (s *Service) serveReload(w http.ResponseWriter, r *http.Request) {
	var protection http.CrossOriginProtection
	if err := protection.Check(r); err != nil || s.rebound(r) {
		answerJSON(w, http.StatusForbidden, map[string]string{"error": "another site's page asked for this; ask for localhost or the address, from a program"})
		return
	}
	answer := s.Reload(r.Context(), ByAPI)
	status := http.StatusOK
	switch answer.Result {
	case Refused:
		status = http.StatusUnprocessableEntity
	case Failed:
		status = http.StatusServiceUnavailable
	}
	answerJSON(w, status, answer)
}
