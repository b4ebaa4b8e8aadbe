package decode

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzDecode compares the fast path, the strict scanner and encoding/json on the same bytes, for every topic. The learning decoders live
// through the whole run, so that what they learnt from one record meets the next.
func FuzzDecode(f *testing.F) {
	var benches []*bench
	for _, tp := range topics() {
		benches = append(benches, newBench(f, tp))
		for _, s := range tp.seeds {
			f.Add([]byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, b := range benches {
			b.check(t, value)
		}
	})
}

// pieces are what mutations splice in: all that JSON is made of, and the near misses.
var pieces = []string{
	`"`, `\`, `{`, `}`, `[`, `]`, `,`, `:`, ` `, "\n", "\t", "\x00", "\x1f", "\x7f", "\xff", "\xc3\xa9", "\xed\xa0\x80", `\u00e9`, `\ud83d`, `\ude00`, `\ud83d\ude00`, `\n`, `\q`, `\u12`,
	`0`, `1`, `9`, `-`, `.`, `e`, `E+`, `1e3`, `1.0`, `e-2`, `99999999999999999999`, `1e999`, `0.1`, `null`, `true`, `false`, `"s"`, `"m":`, `"name":"q"`, `,"s":null`, `,"x":1`, `"type":"a",`, `"type":"b",`,
	`{}`, `[]`, `[[1],{"a":2}]`, `"2026-10-15T20:00:00Z"`, `"1.2.3.4"`, `"extra":"value",`,
}

func mutate(r *rand.Rand, value []byte, other []byte) []byte {
	value = slices.Clone(value)
	for range 1 + r.IntN(3) {
		i := r.IntN(len(value) + 1)
		j := min(len(value), i+r.IntN(12))
		switch r.IntN(6) {
		case 0: // a piece put in
			value = slices.Insert(value, i, []byte(pieces[r.IntN(len(pieces))])...)
		case 1: // a piece instead of something
			value = slices.Replace(value, i, j, []byte(pieces[r.IntN(len(pieces))])...)
		case 2: // something left out
			value = slices.Delete(value, i, j)
		case 3: // one byte changed
			if i < len(value) {
				value[i] = byte(r.IntN(256))
			}
		case 4: // something from the record itself again
			value = slices.Insert(value, r.IntN(len(value)+1), slices.Clone(value[i:j])...)
		case 5: // the tail of another record
			value = append(value[:i], other[min(i, len(other)):]...)
		}
	}
	return value
}

// TestMutations is the fuzz test's short form for every run: the seeds, then mutations of them and of mutations that were accepted.
func TestMutations(t *testing.T) {
	const rounds = 4000
	records, accepted := 0, 0
	for n, tp := range topics() {
		r := rand.New(rand.NewPCG(20261015, uint64(n)))
		b := newBench(t, tp)
		var pool [][]byte
		for _, s := range tp.seeds {
			b.check(t, []byte(s))
			pool = append(pool, []byte(s))
		}
		for range rounds {
			value := mutate(r, pool[r.IntN(len(pool))], pool[r.IntN(len(pool))])
			b.check(t, value)
			records++
			if b.judge.decode(value, timestamp).reason == "" {
				accepted++
				if len(value) < 600 && len(pool) < 500 {
					pool = append(pool, value)
				}
			}
		}
		left := []string{"two match fields", "one path twice", "match on an address"} // to the strict scanner
		if s := b.fast.Stats(); !slices.Contains(left, tp.name) && s.Fast < rounds/20 {
			t.Errorf("%s: only %d records went the fast way, %d the strict one: the comparison says little", tp.name, s.Fast, s.Generic)
		}
	}
	if records < 20_000 || accepted < records/10 {
		t.Errorf("%d records, %d accepted: too few to say much", records, accepted)
	}
	t.Logf("%d records, %d of them accepted", records, accepted)
}

// TestRecombinations feeds valid records with keys in any order, absent, null, repeated and of other types: paths through the graph that
// no record took before.
func TestRecombinations(t *testing.T) {
	for n, tp := range topics() {
		r := rand.New(rand.NewPCG(7, uint64(n)))
		b := newBench(t, tp)
		members := []string{
			`"s":"x"`, `"s":"\u00e9"`, `"s":null`, `"n":1.25`, `"n":null`, `"i":7`, `"i":7.0`, `"b":true`, `"m":{"name":"ann"}`, `"m":{"x":{"y":1},"name":null}`, `"m":{}`, `"m":null`, `"m":"text"`, `"m":{"x":{}}`,
			`"type":"a"`, `"type":"b"`, `"type":"c"`, `"type":2`, `"x":1`, `"x":"s"`, `"x":2.5`, `"o":{"kind":"b","y":3}`, `"o":{"y":1}`, `"o":[]`, `"z":[{"s":1}]`, `"z":"q"`,
			`"m":{"name":"a","s":1,"i":"x"}`, `"m":{"x":{"y":1,"s":2},"s":"q"}`, `"o":{"y":1,"x":{}}`, `"o":{"x":[],"y":2}`, `"type":{"sub":"q"}`, `"type":{"sub":7}`, `"type":"\u0061"`, `"type":null`,
		}
		for range 3000 {
			value := []byte{'{'}
			for i := range 1 + r.IntN(7) {
				if i > 0 {
					value = append(value, ',')
				}
				value = append(value, members[r.IntN(len(members))]...)
			}
			b.check(t, append(value, '}'))
		}
	}
}
