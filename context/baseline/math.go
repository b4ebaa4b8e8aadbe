package baseline

import "math"

// The functions of this file are defined by what they compute, step by step, so that they give the same bits everywhere: those of package math
// are assembly on some machines, and what is not may be fused.

// mul is a*b, rounded: what is multiplied here is never fused into a sum. No other product of floats may stand in this package.
func mul(a, b float64) float64 { return float64(a * b) }

const (
	ln2High = 6.93147180369123816490e-01 // the upper 32 bits of ln 2
	ln2Low  = 1.90821492927058770002e-10 // the rest
	sqrt2   = 1.41421356237309504880
)

// ln is the natural logarithm of a positive x: with x = f·2^k, √½ ≤ f < √2, and s = (f-1)/(f+1), it is k·ln 2 + 2(s + s³/3 + s⁵/5 + … + s¹⁷/17).
// Relative error below 1e-14.
func ln(x float64) float64 {
	f, k := math.Frexp(x)
	if f < sqrt2/2 {
		f, k = mul(f, 2), k-1
	}
	return mul(float64(k), ln2High) + (mul(float64(k), ln2Low) + series(f-1))
}

// ln1p is ln(1+x) without loss for small x.
func ln1p(x float64) float64 {
	if -0.25 < x && x < 0.25 {
		return series(x)
	}
	return ln(1 + x)
}

// series is ln(1+x) for x near 0.
func series(x float64) float64 {
	s := x / (2 + x)
	z := mul(s, s)
	sum := 1.0 / 17
	for d := 15.0; d > 0; d -= 2 {
		sum = 1/d + mul(z, sum)
	}
	return mul(mul(2, s), sum)
}

// exp is e^x: with k = round(x/ln 2) and r = x - k·ln 2 it is 2^k (1 + r + r²/2! + … + r¹³/13!).
func exp(x float64) float64 {
	switch {
	case x > 700:
		x = 700
	case x < -700:
		return 0
	}
	k := math.Floor(x/math.Ln2 + 0.5)
	r := (x - mul(k, ln2High)) - mul(k, ln2Low)
	sum := 1.0
	for d := 13.0; d > 0; d-- {
		sum = 1 + mul(r, sum)/d
	}
	return math.Ldexp(sum, int(k))
}

// tail is the probability that a standard normal variable exceeds z ≥ 0, as half of erfc(z/√2) by Numerical Recipes' erfcc; relative error
// below 1.2e-7.
func tail(z float64) float64 {
	x := z / sqrt2
	t := 1 / (1 + mul(x, 0.5))
	sum := 0.17087277
	for _, c := range [...]float64{-0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368} {
		sum = c + mul(t, sum)
	}
	return mul(mul(t, 0.5), exp(-mul(x, x)-1.26551223+mul(t, sum)))
}

func clamp(x, low, high float64) float64 { return max(low, min(high, x)) }
