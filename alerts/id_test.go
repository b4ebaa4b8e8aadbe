package alerts

import "testing"

func TestIDDependsOnEveryPart(t *testing.T) {
	base := Origin{"r", "v", "t", 1, 2, "firing"}
	if base.ID() != (&Origin{"r", "v", "t", 1, 2, "firing"}).ID() || len(base.ID()) != 32 {
		t.Fatalf("id %q is not repeatable or not 32 digits", base.ID())
	}
	seen := map[string]Origin{base.ID(): base}
	for _, o := range []Origin{
		{"rv", "", "t", 1, 2, "firing"}, {"r", "w", "t", 1, 2, "firing"}, {"r", "v", "u", 1, 2, "firing"},
		{"r", "v", "t", 2, 2, "firing"}, {"r", "v", "t", 1, 3, "firing"}, {"r", "v", "t", 1, 2, "resolved"},
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
