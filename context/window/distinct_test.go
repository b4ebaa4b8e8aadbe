package window

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// What is done eight registers at a time is what is done one by one.
func TestRegisters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 2000 {
		highest := []int{3, 45, 58}[i%3]
		a, b := make([]byte, registers), make([]byte, registers)
		sum, zeros := 0.0, 0
		for j := range a {
			a[j], b[j] = byte(r.IntN(highest)), byte(r.IntN(highest))
			if a[j] == 0 {
				zeros++
			}
			sum += 1 / float64(uint64(1)<<a[j])
		}
		if gotSum, gotZeros := harmonic(a); gotSum != sum || gotZeros != zeros {
			t.Fatalf("sum %v with %d zeros, want %v with %d", gotSum, gotZeros, sum, zeros)
		}
		want := bytes.Clone(a)
		for j := range want {
			want[j] = max(want[j], b[j])
		}
		if maxBytes(a, b); !bytes.Equal(a, want) {
			t.Fatalf("got %d, want %d", a, want)
		}
	}
}
