package app

import (
	"context"
	"os"
	"strconv"
	"time"

	"insolite/internal/bundle"
	"insolite/internal/telemetry"
	"insolite/rules"
)

// watchFiles publishes the rules on disk when they change while the service runs. A broken set leaves the running one alone.
func (s *Service) watchFiles(ctx context.Context) {
	tick := time.NewTicker(s.filePoll)
	defer tick.Stop()
	_, known, err := s.o.Project.hashed()
	if err != nil {
		s.log.Error("the rules on disk can't be watched", "error", err)
		return
	}
	told, done := "", stamp("")
	publish := &trouble{log: s.log, what: "the changed rules can't be published and are tried again", over: "the changed rules could be published"}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := s.o.Project.stamp()
		if now == done {
			continue
		}
		p, list := LoadProject(s.config.Path, s.o.Project.rulePaths, rules.Options{})
		if p == nil {
			done = now
			if text := list.Err().Error(); text != told {
				s.registry.Counter(telemetry.RuleSets, refused).Inc()
				s.log.Error("the changed rules have errors; the running ones stay", "error", text)
				told = text
			}
			continue
		}
		told = ""
		if known, err = s.publishChange(ctx, p, known); ctx.Err() == nil {
			publish.is(err)
		}
		if err == nil {
			done = now
		}
	}
}

// stamp tells one state of files from another: their names, sizes and times.
type stamp string

// stamp returns the present state of the files that the project is read from. A file that can't be looked at counts as one without size.
func (p *Project) stamp() stamp {
	paths := []string{p.Config.Path}
	for _, l := range p.Config.Lookups {
		paths = append(paths, l.File)
	}
	named := p.rulePaths
	if len(named) == 0 {
		named = p.Config.Rules
	}
	for _, path := range named {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			found, _ := ruleFiles(path) // what can't be read is told when the project is loaded
			paths = append(paths, found...)
			continue
		}
		paths = append(paths, path)
	}
	var b []byte
	for _, path := range paths {
		b = append(append(b, path...), 0)
		if info, err := os.Stat(path); err == nil {
			b = strconv.AppendInt(b, info.Size(), 10)
			b = strconv.AppendInt(append(b, ' '), info.ModTime().UnixNano(), 10)
		}
		b = append(b, 0)
	}
	return stamp(b)
}

// publishChange publishes a project's bundle unless it is the known one.
func (s *Service) publishChange(ctx context.Context, p *Project, known bundle.Hash) (bundle.Hash, error) {
	b, hash, err := p.hashed()
	if err != nil || hash == known {
		return known, err
	}
	if err := s.bundles.refresh(ctx); err != nil {
		return known, err
	}
	if is, err := s.bundles.inForce(b); err != nil {
		return known, err
	} else if is {
		return hash, nil // another instance saw it first
	}
	if err := s.bundles.stages.ensure(ctx, p.Set); err != nil {
		return known, err
	}
	number, err := s.bundles.publish(ctx, b)
	if err != nil {
		return known, err
	}
	s.log.Info("rules published", "bundle", number, "rules", len(p.Set.Rules))
	return hash, nil
}
