package crash

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The page for contributors lists every point, and each is named once.
func TestPointsAreListed(t *testing.T) {
	page, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Point]bool{}
	for i, p := range Points() {
		if row := fmt.Sprintf("| %d | `%s` | %s | %s |\n", i+1, p.Point, p.Kind, p.Where); !strings.Contains(string(page), row) {
			t.Errorf("docs/faults.md lacks the row:\n%s", row)
		}
		if seen[p.Point] {
			t.Errorf("%s stands twice in the list", p.Point)
		}
		seen[p.Point] = true
	}
}

// At does nothing in an ordinary build, whatever the environment says.
func TestNothingHappens(t *testing.T) {
	for _, p := range Points() {
		t.Setenv(Variable, string(p.Point)+":1")
		At(p.Point)
	}
}
