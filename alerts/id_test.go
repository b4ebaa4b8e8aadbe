package alerts

import (
	"testing"

	"insolite/internal/event"
)

func timer(o Origin, key string, deadline event.Time) Origin {
	o.Timer, o.Key, o.Deadline = true, key, deadline
	return o
}

// What resolves an alert has an identity of its own, and the correlation of what it resolves.
func TestResolvedJoinsFiring(t *testing.T) {
	fired := timer(Origin{Rule: "r", Offset: 1, State: "firing"}, "k", 5)
	closed := timer(Origin{Rule: "r", Offset: 2, State: "resolved", Joins: fired.Correlation()}, "k", 9)
	if closed.Correlation() != fired.Correlation() || closed.ID() == fired.ID() {
		t.Errorf("firing %s of %s, resolved %s of %s", fired.ID(), fired.Correlation(), closed.ID(), closed.Correlation())
	}
}

func TestIDDependsOnEveryPart(t *testing.T) {
	origin := func(rule, version, topic string, p event.Partition, o event.Offset, state string) Origin {
		return Origin{Rule: rule, Version: version, Topic: topic, Partition: p, Offset: o, State: state}
	}
	base := origin("r", "v", "t", 1, 2, "firing")
	same := base
	if base.ID() != same.ID() || len(base.ID()) != 32 {
		t.Fatalf("id %q is not repeatable or not 32 digits", base.ID())
	}
	seen := map[string]Origin{base.ID(): base}
	for _, o := range []Origin{
		origin("rv", "", "t", 1, 2, "firing"), origin("r", "w", "t", 1, 2, "firing"), origin("r", "v", "u", 1, 2, "firing"),
		origin("r", "v", "t", 2, 2, "firing"), origin("r", "v", "t", 1, 3, "firing"), origin("r", "v", "t", 1, 2, "resolved"),
		{Rule: "r", Version: "v", Of: "t", State: "firing"}, {Rule: "r", Version: "v", Of: base.ID(), State: "firing"}, timer(Origin{Rule: "r", Version: "v", Of: base.ID(), State: "firing"}, "k", 1),
		timer(base, "", 0), timer(base, "k", 0), timer(base, "k", 1), timer(base, "firing", 1),
	} {
		if other, ok := seen[o.ID()]; ok {
			t.Errorf("%v and %v share id %s", o, other, o.ID())
		}
		seen[o.ID()] = o
		if same := o.State == "resolved"; (o.Correlation() == base.Correlation()) != same {
			t.Errorf("correlation of %v: equal to the base's is %v, want %v", o, !same, same)
		}
	}
}
