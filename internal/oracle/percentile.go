package oracle

import (
	"cmp"
	"math"
	"math/big"
	"slices"
)

const (
	binParts  = 16  // bins to a power of two
	binLeast  = -32 // a magnitude below 2 to this counts as zero
	binMost   = 62  // e of the outermost bins
	hundred   = 100_000
	coarsened = 8 // binParts of a mutation
)

// nearest is the percentile of so many thousandths: the sample of rank ⌈p·n/100⌉.
func (f *fold) nearest(o Options) Value {
	if len(f.values) == 0 {
		return Value{}
	}
	values := slices.Clone(f.values)
	slices.SortFunc(values, func(a, b Value) int {
		if a.Kind == Int {
			return cmp.Compare(a.I, b.I)
		}
		if c := cmp.Compare(a.F, b.F); c != 0 {
			return c
		}
		return cmp.Compare(math.Copysign(1, a.F), math.Copysign(1, b.F)) // the negative zero first
	})
	rank := f.p * len(values) / hundred
	if f.p*len(values)%hundred > 0 && !o.RankFloor {
		rank++
	}
	return values[max(rank, 1)-1]
}

// binned is what the bin of a value gives.
func (v Value) binned(o Options) Value {
	parts := int64(binParts)
	if o.CoarseBins {
		parts = coarsened
	}
	x, _ := new(big.Rat).SetString("0")
	if v.Kind == Int {
		x.SetInt64(v.I)
	} else {
		x.SetFloat64(v.F)
	}
	sign := x.Sign()
	x.Abs(x)
	if x.Cmp(power(binLeast)) < 0 {
		return Value{Kind: v.Kind}
	}
	e, i := binMost, parts-1
	if x.Cmp(power(binMost+1)) < 0 {
		for e = binLeast; x.Cmp(power(e+1)) >= 0; e++ {
		}
		over := new(big.Rat).Quo(x, power(e)) // 1 to below 2
		over.Sub(over, big.NewRat(1, 1)).Mul(over, big.NewRat(parts, 1))
		i = new(big.Int).Quo(over.Num(), over.Denom()).Int64()
	}
	edge := func(i int64) *big.Rat { return new(big.Rat).Mul(power(e), big.NewRat(parts+i, parts)) }
	if v.Kind == Int {
		first, last := ceiling(edge(i)), ceiling(edge(i+1))-1
		return integer(int64(sign) * int64((first+last)/2))
	}
	middle, _ := new(big.Rat).Quo(new(big.Rat).Add(edge(i), edge(i+1)), big.NewRat(2, 1)).Float64()
	return number(float64(sign) * middle)
}

// power is 2 to the e.
func power(e int) *big.Rat {
	if e < 0 {
		return new(big.Rat).Inv(power(-e))
	}
	return new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(e)))
}

// ceiling is the least whole number that is not below x, which is not negative. Its uint64 holds 2^63, the end of the outermost bin.
func ceiling(x *big.Rat) uint64 {
	q, rest := new(big.Int).QuoRem(x.Num(), x.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		return q.Uint64() + 1
	}
	return q.Uint64()
}
