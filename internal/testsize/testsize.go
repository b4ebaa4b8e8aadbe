// Package testsize says how much a test of random cases does: little under -short, what it should otherwise, and many times that in a soak.
//
//	for seed := range testsize.Of(30, 200) { … }
//
// `make soak` sets SOAK to the factor.
package testsize

import (
	"fmt"
	"os"
	"strconv"
	"testing"
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
