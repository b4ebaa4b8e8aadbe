package baseline

import (
	"encoding/binary"
	"math"

	"insolite/internal/event"
)

var le = binary.LittleEndian

// state is the bytes of one key: little endian, without pointers; all zero is empty.
//
//	  0 newest i64 · 8 began i64: nanoseconds
//	 16 samples u32 · 20 strange u8 · 21 recent's next u8 · 22 bucket of the visit u8
//	 24 samples of the visit u32 · 28 hour of the visit u32, since 1970
//	 32 base · 40 level · 48 total · 56 noise · 64 skew · 72 weight · 80 step · 88 mean of the visit · 96 last: f64
//	104 weight of the noise · 112 lately: f64
//	120 recent, 16 f32 relative to base
//	184 the season: f32 a bucket relative to base, then u8 a bucket, what it weighs
type state []byte

const (
	headBytes  = 184
	recentAt   = 120
	recentKept = 16
)

func (s state) f64(at int) float64       { return math.Float64frombits(le.Uint64(s[at:])) }
func (s state) setF64(at int, v float64) { le.PutUint64(s[at:], math.Float64bits(v)) }
func (s state) f32(at int) float64       { return float64(math.Float32frombits(le.Uint32(s[at:]))) }
func (s state) setF32(at int, v float64) { le.PutUint32(s[at:], math.Float32bits(float32(v))) }

func (s state) newest() event.Time         { return event.Time(le.Uint64(s)) }
func (s state) setNewest(t event.Time)     { le.PutUint64(s, uint64(t)) }
func (s state) began() event.Time          { return event.Time(le.Uint64(s[8:])) }
func (s state) setBegan(t event.Time)      { le.PutUint64(s[8:], uint64(t)) }
func (s state) samples() uint32            { return le.Uint32(s[16:]) }
func (s state) setSamples(n uint32)        { le.PutUint32(s[16:], n) }
func (s state) strange() int               { return int(s[20]) }
func (s state) setStrange(n int)           { s[20] = byte(n) }
func (s state) visited() int               { return int(s[22]) }
func (s state) visits() uint32             { return le.Uint32(s[24:]) }
func (s state) setVisits(n uint32)         { le.PutUint32(s[24:], n) }
func (s state) visitHour() int32           { return int32(le.Uint32(s[28:])) }
func (s state) base() float64              { return s.f64(32) }
func (s state) setBase(v float64)          { s.setF64(32, v) }
func (s state) level() float64             { return s.f64(40) }
func (s state) setLevel(v float64)         { s.setF64(40, v) }
func (s state) total() float64             { return s.f64(48) }
func (s state) setTotal(v float64)         { s.setF64(48, v) }
func (s state) noise() float64             { return s.f64(56) }
func (s state) setNoise(v float64)         { s.setF64(56, v) }
func (s state) skew() float64              { return s.f64(64) }
func (s state) setSkew(v float64)          { s.setF64(64, v) }
func (s state) weight() float64            { return s.f64(72) }
func (s state) setWeight(v float64)        { s.setF64(72, v) }
func (s state) step() float64              { return s.f64(80) }
func (s state) setStep(v float64)          { s.setF64(80, v) }
func (s state) visitMean() float64         { return s.f64(88) }
func (s state) setVisitMean(v float64)     { s.setF64(88, v) }
func (s state) last() float64              { return s.f64(96) }
func (s state) setLast(v float64)          { s.setF64(96, v) }
func (s state) sure() float64              { return s.f64(104) }
func (s state) setSure(v float64)          { s.setF64(104, v) }
func (s state) lately() float64            { return s.f64(112) }
func (s state) setLately(v float64)        { s.setF64(112, v) }
func (s state) offset(b int) float64       { return s.f32(headBytes + 4*b) }
func (s state) setOffset(b int, v float64) { s.setF32(headBytes+4*b, v) }

// known returns where the weights of the season's buckets are.
func (s state) known() []byte {
	buckets := (len(s) - headBytes) / 5
	return s[headBytes+4*buckets:][:buckets]
}

// keep appends to the recent samples; of 17 the first gives way.
func (s state) keep(v float64) {
	s.setF32(recentAt+4*int(s[21]), v)
	s[21] = (s[21] + 1) % recentKept
}

// setVisit notes where the visit is, as one of n samples with a mean.
func (s state) setVisit(bucket int, hour int32, n uint32, mean float64) {
	s[22] = byte(bucket)
	le.PutUint32(s[28:], uint32(hour))
	s.setVisits(n)
	s.setVisitMean(mean)
}
