package testsize

import (
	"testing"
	"testing/synctest"
	"time"
)

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

func TestRounds(t *testing.T) {
	t.Setenv("SOAK", "")
	for row, want := range map[string]int{"": 3, "1s": 3, "5s": 5} {
		t.Setenv("SOAK_ROW", row)
		synctest.Test(t, func(t *testing.T) {
			got := 0
			for n := range Rounds(3) {
				if n != got {
					t.Errorf("round %d is called %d", got, n)
				}
				got++
				time.Sleep(time.Second)
			}
			if got != want {
				t.Errorf("SOAK_ROW=%s: %d rounds of a second, want %d", row, got, want)
			}
		})
	}
}
