// Package doctor examines a deployment before or while it runs: each check says what is well, what may give a wrong result and what keeps the
// service from working, with cause and cure.
//
//	doctor.Run(ctx, doctor.Options{Config: c, Set: set, Problems: list, Dial: dial}, func(f doctor.Finding) { … })
//
// Checks are a table. Nothing that it does changes anything: it reads the newest records of the sources' topics, takes over a transactional
// id of its own, and makes and removes one file in the store's folder. [Grants] is the least that the login has to be allowed, and
// [Grant.Command] grants it.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/config"
	"insolite/internal/diag"
	"insolite/rules"
)

// Status says how grave a finding is.
type Status string

// The statuses.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, but a result may be wrong, or something be lost, at a bad moment
	Fail Status = "fail" // it does not work
)

// Finding is one thing that was examined.
type Finding struct {
	Check   string `json:"check"`
	Subject string `json:"subject,omitempty"` // the topic, broker, file or folder
	Status  Status `json:"status"`
	Message string `json:"message"`
	Cure    string `json:"cure,omitempty"`
}

// Options are what is examined.
type Options struct {
	Config   *config.Config
	Set      *rules.Set // nil: the rules cannot be used
	Problems *diag.List // of configuration, lookups and rules
	Dial     func(ctx context.Context) (*kafka.Client, error)
	Redis    func(ctx context.Context, warn func(format string, args ...any)) (io.Closer, error) // opens the store, when it is Redis
	Now      func() time.Time                                                                    // default time.Now
	Patience time.Duration                                                                       // of a check; default 10s
}

// check is one row of the table.
type check struct {
	name  string
	kafka bool // it needs brokers
	run   func(p *patient, ctx context.Context)
}

// checks stand in the order in which they are told.
var checks = []check{
	{"rules", false, (*patient).rules},
	{"store", false, (*patient).store},
	{"brokers", true, (*patient).brokers},
	{"acls", true, (*patient).acls},
	{"topics", true, (*patient).topics},
	{"retention", true, (*patient).retention},
	{"records", true, (*patient).records},
	{"clock", true, (*patient).clock},
	{"transactions", true, (*patient).transactions},
	{"group", true, (*patient).group},
}

// patient is a deployment that is examined.
type patient struct {
	Options
	client  *kafka.Client
	check   string
	tell    func(Finding)
	known   map[string]described // topics that were asked for
	samples map[string]*sample   // by topic
}

type described struct {
	topic *kafka.Topic
	err   error
}

// Run makes every check and tells each finding as it comes, in an order that does not change. Without a broker, what needs one is not
// examined, which is a failure too.
func Run(ctx context.Context, o Options, tell func(Finding)) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	p := &patient{Options: o, tell: tell, known: map[string]described{}, samples: map[string]*sample{}}
	var missed []string
	for _, c := range checks {
		p.check = c.name
		if c.kafka && p.client == nil && len(missed) == 0 {
			if err := p.dial(ctx); err != nil {
				p.fail("", err.Error(), "see above for each broker; the checks that follow need one")
				missed = append(missed, c.name)
				continue
			}
			defer func() { _ = p.client.Close() }() // only read
		}
		if c.kafka && len(missed) > 0 {
			p.fail("", "not examined: no broker answers", "let "+missed[0]+" succeed first")
			continue
		}
		p.make(ctx, c)
	}
}

func (p *patient) dial(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, p.Patience)
	defer cancel()
	p.client, err = p.Dial(ctx)
	return err
}

func (p *patient) make(ctx context.Context, c check) {
	ctx, cancel := context.WithTimeout(ctx, p.Patience)
	defer cancel()
	c.run(p, ctx)
}

func (p *patient) ok(subject, format string, args ...any) {
	p.tell(Finding{p.check, subject, OK, fmt.Sprintf(format, args...), ""})
}

func (p *patient) warn(subject, message, cure string) {
	p.tell(Finding{p.check, subject, Warn, message, cure})
}

func (p *patient) fail(subject, message, cure string) {
	p.tell(Finding{p.check, subject, Fail, message, cure})
}

// rules tells what is wrong with configuration, lookups and rules.
func (p *patient) rules(context.Context) {
	for _, x := range p.Problems.Sorted() {
		message, cure, _ := strings.Cut(x.Message, "; ")
		if x.Severity == diag.Lint {
			p.warn(x.Position.String(), message, cure)
			continue
		}
		p.fail(x.Position.String(), message, cure)
	}
	switch {
	case p.Set == nil && len(p.Problems.Sorted()) == 0:
		p.fail("", "the rules cannot be read", "see `detector check`")
	case p.Set == nil:
	case len(p.Set.Plans) == 0:
		p.fail("", "no enabled rule reads any topic", "add rules, or enable one")
	default:
		p.ok("", "%d rules, %d topics are read", len(p.Set.Rules), len(p.Set.Plans))
	}
}

// brokers asks every broker of the cluster, not only those that are configured: partitions are led by all of them.
func (p *patient) brokers(ctx context.Context) {
	all, err := p.client.Brokers(ctx)
	if err != nil {
		p.fail("", err.Error(), kafka.Cure(err))
		return
	}
	answered := 0
	releases := map[string]bool{}
	for _, b := range all {
		name := fmt.Sprintf("%d at %s", b.ID, b.Address)
		switch {
		case b.Err != nil:
			p.fail(name, "it does not answer: "+b.Err.Error(), "this is the address in the broker's advertised.listeners: it must be reachable from here; "+kafka.Cure(b.Err))
		case !b.Fences:
			p.fail(name, "it is older than Kafka 2.5 and takes the offsets of an instance that has left the group, so that an event could be counted twice", "use Kafka 2.5 or later")
		default:
			answered++
			releases["Kafka "+b.Release+" or later"] = true
		}
	}
	if answered > 0 {
		var names []string
		for name := range releases {
			names = append(names, name)
		}
		slices.Sort(names)
		p.ok("", "%d of %d answer, %s", answered, len(all), strings.Join(names, " and "))
	}
}

// transactions takes over an id that no task has.
func (p *patient) transactions(ctx context.Context) {
	t := p.client.NewNamedTransaction("doctor")
	err := t.Init(ctx)
	err = errors.Join(err, t.Close(ctx))
	if err != nil {
		p.fail(t.ID(), err.Error(), "allow the login to write to transactional ids that begin with "+p.Config.App+"/ (see `detector doctor --acls`), and see that the topic __transaction_state has its replicas in sync")
		return
	}
	p.ok(t.ID(), "the coordinator gives it to us")
}

// group asks the coordinator of the consumer group.
func (p *patient) group(ctx context.Context) {
	members, err := p.client.Members(ctx)
	if err != nil {
		p.fail(p.client.Group(), err.Error(), "allow the login to read the group (see `detector doctor --acls`), and see that the topic __consumer_offsets has its replicas in sync")
		return
	}
	if len(members) == 0 {
		p.ok(p.client.Group(), "the coordinator answers; no instance runs")
		return
	}
	var hosts []string
	for _, m := range members {
		hosts = append(hosts, strings.TrimPrefix(m.Host, "/"))
	}
	p.ok(p.client.Group(), "the coordinator answers; members: %d, at %s", len(members), strings.Join(slices.Compact(hosts), ", "))
}

// describe asks for a topic once.
func (p *patient) describe(ctx context.Context, name string) (*kafka.Topic, error) {
	d, ok := p.known[name]
	if !ok {
		d.topic, d.err = p.client.DescribeTopic(ctx, name)
		p.known[name] = d
	}
	return d.topic, d.err
}

// sourceTopics are the topics of the sources, in their order.
func sourceTopics(c *config.Config) []string {
	var all []string
	for _, s := range c.Sources {
		if !slices.Contains(all, s.Topic) {
			all = append(all, s.Topic)
		}
	}
	return all
}
