package app

import (
	"context"
	"time"

	"insolite/internal/bundle"
	"insolite/internal/telemetry"
	"insolite/rules"
)

// watchFiles publishes the rules on disk when they change while the service runs. A broken set leaves the running one alone.
func (s *Service) watchFiles(ctx context.Context) {
	tick := time.NewTicker(s.filePoll)
	defer tick.Stop()
	b, err := s.o.Project.Bundle()
	if err != nil {
		s.log.Error("the rules on disk can't be watched", "error", err)
		return
	}
	known, err := b.Hash()
	if err != nil {
		s.log.Error("the rules on disk can't be watched", "error", err)
		return
	}
	told := ""
	publish := &trouble{log: s.log, what: "the changed rules can't be published and are tried again", over: "the changed rules could be published"}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p, list := LoadProject(s.config.Path, s.o.Project.rulePaths, rules.Options{})
		if p == nil {
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
	}
}

// publishChange publishes a project's bundle unless it is the known one.
func (s *Service) publishChange(ctx context.Context, p *Project, known bundle.Hash) (bundle.Hash, error) {
	b, err := p.Bundle()
	if err != nil {
		return known, err
	}
	hash, err := b.Hash()
	if err != nil || hash == known {
		return known, err
	}
	if err := s.bundles.refresh(ctx); err != nil {
		return known, err
	}
	if s.bundles.inForce(hash) {
		return hash, nil // another instance saw it first
	}
	number, err := s.bundles.publish(ctx, b)
	if err != nil {
		return known, err
	}
	s.log.Info("rules published", "bundle", number, "rules", len(p.Set.Rules))
	return hash, nil
}
