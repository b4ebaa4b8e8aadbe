package testsize

import "testing"

func TestOf(t *testing.T) {
	if testing.Short() {
		if got := Of(3, 10); got != 3 {
			t.Errorf("short: %d", got)
		}
		return
	}
	for soak, want := range map[string]int{"": 10, "1": 10, "7": 70} {
		t.Setenv("SOAK", soak)
		if got := Of(3, 10); got != want {
			t.Errorf("SOAK=%s: %d, want %d", soak, got, want)
		}
	}
}
