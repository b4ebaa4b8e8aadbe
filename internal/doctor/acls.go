package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"insolite/ingest/kafka"
	"insolite/internal/config"
)

// Grant is something that the login has to be allowed. What is implied is left out: who may read or write may describe.
type Grant struct {
	Resource   string   `json:"resource"` // topic, group, transactional-id or cluster
	Name       string   `json:"name,omitempty"`
	Prefixed   bool     `json:"prefixed"` // Name is the beginning of names
	Operations []string `json:"operations"`
	Why        string   `json:"why"`
	Redrive    bool     `json:"only_for_redrive"` // `detector run` does without
}

// Grants is the least that a configuration needs.
func Grants(c *config.Config) []Grant {
	own := []string{"Create", "DescribeConfigs", "Read", "Write"}
	blind := []string{"Create", "DescribeConfigs", "Write"}
	var all, redrive []Grant
	for _, topic := range sourceTopics(c) {
		all = append(all, Grant{Resource: "topic", Name: topic, Operations: []string{"DescribeConfigs", "Read"}, Why: "events are read"})
		redrive = append(redrive, Grant{Resource: "topic", Name: topic, Operations: []string{"Write"}, Why: "dlq redrive sends records back", Redrive: true})
	}
	all = append(all,
		Grant{Resource: "topic", Name: c.Alerts, Operations: own, Why: "alerts are written, and read by the page"},
		Grant{Resource: "topic", Name: c.ShadowTopic(), Operations: blind, Why: "findings of shadow rules are written"},
		Grant{Resource: "topic", Name: c.DeadLetters, Operations: blind, Why: "records that are no events are written"},
		Grant{Resource: "topic", Name: c.JournalTopic(), Operations: own, Why: "what a recovery needs is written, and read by it"},
		Grant{Resource: "topic", Name: c.BundlesTopic(), Operations: own, Why: "rules are published, and followed"},
		Grant{Resource: "topic", Name: c.App + ".by.", Prefixed: true, Operations: []string{"Create", "Delete", "DescribeConfigs", "Read", "Write"},
			Why: "rules whose group_by does not hold their source's key send rows through topics of their own, which are read, and trimmed"},
		Grant{Resource: "group", Name: c.App, Operations: []string{"Read"}, Why: "instances share the partitions, and commit"},
		Grant{Resource: "transactional-id", Name: c.App + "/", Prefixed: true, Operations: []string{"Write"}, Why: "each task has a transactional producer"},
		Grant{Resource: "cluster", Operations: []string{"IdempotentWrite"}, Why: "brokers before 2.8 want it of producers without transactions"},
		Grant{Resource: "topic", Name: c.DeadLetters, Operations: []string{"Read"}, Why: "dlq ls and redrive read it", Redrive: true})
	return append(all, redrive...)
}

// Command is the line that grants it.
func (g *Grant) Command(bootstrap, principal string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka-acls.sh --bootstrap-server %s --add --allow-principal %s", shell(bootstrap), shell(principal))
	for _, op := range g.Operations {
		b.WriteString(" --operation " + op)
	}
	if g.Prefixed {
		b.WriteString(" --resource-pattern-type prefixed")
	}
	b.WriteString(" --" + g.Resource)
	if g.Name != "" {
		b.WriteString(" " + shell(g.Name))
	}
	return b.String()
}

// shell quotes what a shell would take apart.
func shell(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/,@=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// acls compares what the brokers say that the login may do with what it needs. Of transactional ids they tell nothing, and of the cluster to
// few; another check tries to produce.
func (p *patient) acls(ctx context.Context) {
	asked, untold, failed := 0, []string{}, false
	for _, g := range Grants(p.Config) {
		if g.Resource == "transactional-id" || g.Resource == "cluster" || g.Redrive || g.Prefixed {
			continue
		}
		name := strings.TrimSpace(g.Resource + " " + g.Name)
		allowed, told, err := p.client.Allowed(ctx, kafka.Resource(g.Resource), g.Name)
		asked++
		switch {
		case err != nil:
			failed = true
			p.fail(name, err.Error(), kafka.Cure(err))
			continue
		case !told:
			untold = append(untold, name)
			continue
		}
		var lacks []string
		for _, op := range g.Operations {
			if !slices.Contains(allowed, op) && op != "Create" { // a topic that is there need not be created
				lacks = append(lacks, op)
			}
		}
		if len(lacks) > 0 {
			failed = true
			p.fail(name, "the login lacks "+strings.Join(lacks, ", ")+": "+g.Why, g.Command(strings.Join(p.Config.Kafka.Brokers, ","), "User:NAME"))
		}
	}
	if !failed {
		p.ok("", "what the brokers tell of %d of %d resources is enough%s", asked-len(untold), asked, without(untold))
	}
}

func without(untold []string) string {
	if len(untold) == 0 {
		return ""
	}
	return "; they do not tell of " + strings.Join(untold, ", ")
}
