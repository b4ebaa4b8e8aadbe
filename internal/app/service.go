package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"

	"insolite/context/checkpoint"
	"insolite/dashboard"
	"insolite/ingest/kafka"
	"insolite/internal/config"
	"insolite/internal/event"
	"insolite/internal/telemetry"
)

// ServiceOptions configure a Service.
type ServiceOptions struct {
	Project      *Project
	AcceptEngine bool // replay what another engine version has stepped; results may differ
	Drain        bool // commit, checkpoint and stop when every task is at the end of its log
	Logger       *slog.Logger
	Now          func() time.Time // of tasks, health and page; default time.Now
}

// Service is `detector run`: one instance that reads its share of the partitions. Use NewService, Start, Stop.
type Service struct {
	o        ServiceOptions
	config   *config.Config
	log      *slog.Logger
	now      func() time.Time
	registry *telemetry.Registry

	client     *kafka.Client
	fetcher    *kafka.Fetcher
	producer   *kafka.Producer
	store      checkpoint.Store
	bundles    *bundles
	member     *kafka.Membership
	pace       pace
	reloads    reloader
	page       *dashboard.Server
	admin      *adminServer
	bound      net.Listener  // of admin, before it serves
	told       string        // the admin address as the group is told it
	looks      turns         // of those who ask for contexts
	bundlePoll time.Duration // how often the bundles topic is looked at
	filePoll   time.Duration // how often the rules on disk are looked at
	groupPoll  time.Duration // how often the commits of the group are looked at

	stopping context.Context
	stop     context.CancelFunc
	wait     sync.WaitGroup
	cleanUp  []namedStep // what Start has begun, the last one first to end
	renewed  chan struct{}
	turn     chan struct{} // of tasks that step what may end the process

	mu         sync.Mutex
	tasks      map[kafka.TopicPartition]*running
	waiting    map[kafka.TopicPartition]error // claims without a task, and why
	partitions map[string]int                 // of the topics that are read
	past       tally                          // of tasks that have left
	fatal      error
	ended      chan struct{} // closed with fatal set, or when everything is drained
	once       sync.Once
}

// namedStep ends one component.
type namedStep struct {
	name string
	end  func(ctx context.Context) error
}

// Stop has to be over in ten seconds, tasks included. What comes after a part that took all the time still gets a moment each.
const (
	stopGrace  = 8 * time.Second
	stopMoment = 200 * time.Millisecond
)

// NewService returns a service that is not started.
func NewService(o ServiceOptions) *Service {
	s := &Service{o: o, config: o.Project.Config, log: o.Logger, now: o.Now, registry: telemetry.New(), turn: make(chan struct{}, 1), tasks: map[kafka.TopicPartition]*running{},
		bundlePoll: time.Second, filePoll: 2 * time.Second, groupPoll: groupPoll,
		waiting: map[kafka.TopicPartition]error{}, ended: make(chan struct{}), renewed: make(chan struct{}, 1)}
	if s.now == nil {
		s.now = time.Now
	}
	version, _ := Version()
	s.registry.Gauge(telemetry.BuildInfo, version, runtime.Version()).Set(1)
	for _, result := range []string{accepted, refused} {
		s.registry.Counter(telemetry.RuleSets, result)
	}
	s.reloads.turn, s.pace.asked = make(chan struct{}, 1), make(chan struct{}, 1)
	s.stopping, s.stop = context.WithCancel(context.Background())
	return s
}

// Start connects, publishes the rules when they are new, and joins the group. After an error nothing is left running.
func (s *Service) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	for _, begin := range []func(context.Context) error{s.useStore, s.connect, s.prepareTopics, s.publishRules, s.listen, s.join} {
		if err := begin(ctx); err != nil {
			return err
		}
	}
	s.spawn(s.watchGroup)
	if s.o.Drain {
		s.spawn(s.drain)
		return nil
	}
	s.spawn(s.watchBundles)
	s.spawn(s.watchFiles)
	s.spawn(s.feedPage)
	return nil
}

// Ended is closed when the service can't go on, or has drained. Err says which.
func (s *Service) Ended() <-chan struct{} { return s.ended }

// Err returns why the service ended by itself; nil when it drained.
func (s *Service) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fatal
}

func (s *Service) end(err error) {
	s.once.Do(func() {
		s.mu.Lock()
		s.fatal = err
		s.mu.Unlock()
		close(s.ended)
	})
}

// Stop ends everything in order, within ten seconds: tasks commit and sweep, the member leaves its group. It may be called again.
func (s *Service) Stop() {
	deadline := time.Now().Add(stopGrace)
	s.stop()
	s.cleanUp = append([]namedStep{{"service", func(context.Context) error { s.wait.Wait(); return nil }}}, s.cleanUp...)
	for _, step := range slices.Backward(s.cleanUp) {
		if err := endIn(step, max(time.Until(deadline), stopMoment)); err != nil {
			s.log.Warn("stop", "part", step.name, "error", err)
		}
	}
	s.cleanUp = nil
}

// endIn ends a part, or leaves it behind when it takes too long: it may wait for a broker that does not answer.
func endIn(step namedStep, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- step.end(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("it has not ended within %s", limit.Round(time.Millisecond))
	}
}

func (s *Service) onStop(name string, end func(ctx context.Context) error) {
	s.cleanUp = append(s.cleanUp, namedStep{name, end})
}

// spawn runs work until the service stops.
func (s *Service) spawn(work func(ctx context.Context)) {
	s.wait.Go(func() { work(s.stopping) })
}

func (s *Service) connect(ctx context.Context) error {
	if err := s.bindAdmin(); err != nil {
		return err
	}
	o := KafkaOptions(s.config)
	o.AdminAddress = s.told
	client, err := kafka.Dial(ctx, o)
	if err != nil {
		return err
	}
	s.client = client
	s.onStop("Kafka client", func(context.Context) error { return client.Close() })
	s.producer = client.NewProducer()
	s.onStop("producer", func(context.Context) error { s.producer.Close(); return nil })
	s.fetcher = client.NewFetcher()
	s.onStop("fetcher", func(context.Context) error { s.fetcher.Close(); return nil })
	return nil
}

// KafkaOptions turns the configuration into the client's options.
func KafkaOptions(c *config.Config) kafka.Options {
	o := kafka.Options{Brokers: c.Kafka.Brokers, App: c.App, StaticID: c.Kafka.StaticID, AdminAddress: c.Admin}
	if t := c.Kafka.TLS; t != nil {
		o.TLS = &kafka.TLS{CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName}
	}
	if l := c.Kafka.SASL; l != nil {
		o.SASL = &kafka.SASL{Mechanism: l.Mechanism, Username: l.Username, Password: l.Password.Reveal(), TokenFile: l.TokenFile}
	}
	return o
}

// publishRules makes the rules on disk a bundle when the topic has never seen them; otherwise the topic's newest bundle goes before the disk.
func (s *Service) publishRules(ctx context.Context) error {
	s.bundles = newBundles(s.client, s.producer, s.config, s.log)
	if err := s.bundles.refresh(ctx); err != nil {
		return err
	}
	mine, err := s.o.Project.Bundle()
	if err != nil {
		return err
	}
	number, seen, err := s.bundles.find(mine)
	if err != nil {
		return err
	}
	switch {
	case !seen:
		if err := s.sameApplication(ctx); err != nil {
			return err
		}
		if err := s.bundles.stages.ensure(ctx, s.o.Project.Set); err != nil {
			return err
		}
		if number, err = s.bundles.publish(ctx, mine); err != nil {
			return err
		}
		s.log.Info("rules published", "bundle", number, "rules", len(s.o.Project.Set.Rules))
	case number != s.bundles.Newest():
		s.log.Warn("the rules on disk are older than the ones in force, which are followed; publish these with `detector apply`", "disk", number, "in_force", s.bundles.Newest())
	}
	s.bundles.changed = func() {
		select {
		case s.renewed <- struct{}{}:
		default:
		}
	}
	if _, err = s.bundles.set(ctx, s.bundles.Newest()); err != nil {
		return err
	}
	return s.prepareReload()
}

// sameApplication sees that the rules in force read some topic which those on disk read, too. Rules of another deployment that has been given the
// same `app` by mistake must not replace them.
func (s *Service) sameApplication(ctx context.Context) error {
	if s.bundles.Newest() < 0 {
		return nil
	}
	var theirs, ours []string
	if set, err := s.bundles.set(ctx, s.bundles.Newest()); err == nil { // else those on disk may heal it
		for _, source := range set.Sources {
			theirs = append(theirs, source.Topic)
		}
	}
	for _, source := range s.config.Sources {
		if ours = append(ours, source.Topic); slices.Contains(theirs, source.Topic) {
			return nil
		}
	}
	if len(theirs) == 0 {
		return nil
	}
	return fmt.Errorf("the application %q reads the topics %q, and these sources read %q: another deployment has this `app`; give this one an `app` of its own, or replace the other one's rules by `detector apply`",
		s.config.App, theirs, ours)
}

// join joins the group for the topics that are to be read.
func (s *Service) join(ctx context.Context) error {
	if err := s.bundles.stages.find(ctx); err != nil {
		return err
	}
	told, _, err := s.readCommits(ctx)
	if err != nil {
		return err
	}
	partitions, missing, err := s.partitionsOf(ctx, s.reading(ctx, told))
	switch {
	case err != nil:
		return err
	case missing != nil:
		return missing
	case len(partitions) == 0:
		return errNoTopic
	}
	topics := slices.Sorted(maps.Keys(partitions))
	if err := s.alone(ctx); err != nil {
		return err
	}
	member, err := s.client.Join(topics, s.runClaim)
	if err != nil {
		return fmt.Errorf("join the consumer group %s: %w", s.client.Group(), err)
	}
	s.mu.Lock()
	s.member, s.partitions = member, partitions
	s.mu.Unlock()
	s.onStop("membership", member.Stop)
	s.log.Info("joined", "group", s.client.Group(), "topics", topics)
	return nil
}

// The results of reading rules.
const (
	accepted = "accepted"
	refused  = "refused"
)

// watchBundles follows the bundles topic.
func (s *Service) watchBundles(ctx context.Context) {
	tick := time.NewTicker(s.bundlePoll)
	defer tick.Stop()
	read := &trouble{log: s.log, what: "the bundles topic can't be read; tasks go on with the rules that they have", over: "the bundles topic can be read again"}
	member := &trouble{log: s.log, what: "the membership of the consumer group is in trouble", over: "the consumer group has a new assignment"}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		member.is(s.membership().Trouble())
		err := s.bundles.refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if read.is(err); err != nil {
			continue
		}
		select {
		case <-s.renewed:
			s.followBundle(ctx)
		default:
		}
	}
}

// followBundle tells of a new bundle. Tasks switch by themselves; which topics are read is seen to by watchGroup.
func (s *Service) followBundle(ctx context.Context) {
	number := s.bundles.Newest()
	set, err := s.bundles.set(ctx, number)
	if err != nil {
		s.registry.Counter(telemetry.RuleSets, refused).Inc()
		s.log.Error("the newest rules can't be used; tasks go on with the ones that they have", "bundle", number, "error", err)
		why := fmt.Sprintf("the newest rules can't be used, and tasks go on with the ones that they have: %v; publish others, or start a version that knows them", err)
		s.reloads.unfit.Store(&why)
		return
	}
	s.reloads.unfit.Store(nil)
	s.registry.Counter(telemetry.RuleSets, accepted).Inc()
	s.log.Info("new rules", "bundle", number, "rules", len(set.Rules))
}

// startOf is where a topic's tasks begin: sources that share it begin with the first of them.
func startOf(set []*event.Source, topic string) (from string, warmUp time.Duration) {
	from = "latest"
	for _, s := range set {
		if s.Topic != topic {
			continue
		}
		warmUp = max(warmUp, s.WarmUp)
		if from == "latest" || s.Start == "earliest" || from != "earliest" && s.Start != "latest" && s.Start < from {
			from = s.Start
		}
	}
	return from, warmUp
}
