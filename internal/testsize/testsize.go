// Package testsize says how much a test of random cases does: little under -short, what it should otherwise, and many times that in a soak.
//
//	for seed := range testsize.Of(30, 200) { … }
//
// `make soak` sets SOAK to the factor. A test of faults goes on in rounds, in a soak as long as SOAK_ROW says:
//
//	for round := range testsize.Rounds(3) { … }
package testsize

import (
	"fmt"
	"iter"
	"os"
	"strconv"
	"testing"
	"time"
)

// Of returns how many cases to try: short under -short, else full, times SOAK when that is set.
func Of(short, full int) int {
	if testing.Short() {
		return short
	}
	text := os.Getenv("SOAK")
	if text == "" {
		return full
	}
	factor, err := strconv.Atoi(text)
	if err != nil || factor < 1 {
		panic(fmt.Sprintf("SOAK is %q; make it a whole number from 1 on", text)) // only whoever starts a soak sets it
	}
	return full * factor
}

// Row returns how long SOAK_ROW, such as 5m, lets each row of the table of faults go on; 0: it is not set.
func Row() time.Duration {
	text := os.Getenv("SOAK_ROW")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		panic(fmt.Sprintf("SOAK_ROW is %q; make it a time such as 5m", text)) // only whoever starts a soak sets it
	}
	return d
}

// Rounds yields 0, 1, 2 and so on: quick of them times SOAK, or with SOAK_ROW at least quick of them and further ones until that time is over.
func Rounds(quick int) iter.Seq[int] {
	row, began := Row(), time.Now()
	least := quick
	if row == 0 {
		least = Of(quick, quick)
	}
	return func(yield func(int) bool) {
		for n := 0; n < least || time.Since(began) < row; n++ {
			if !yield(n) {
				return
			}
		}
	}
}
