package store

import (
	"math/bits"
	"sort"
)

// classes are the sizes of blocks: four a power of two, so that a block wastes a fifth of its bytes at most.
var classes = makeClasses()

const (
	smallestBlock = 64
	chunkBytes    = 256 << 10
	largestBlock  = 1 << 30
)

func makeClasses() (sizes []int) {
	for n := smallestBlock; n < largestBlock; n *= 2 {
		step := max(n/4, 16)
		for s := n; s < 2*n; s += step {
			sizes = append(sizes, s)
		}
	}
	return append(sizes, largestBlock)
}

// classOf returns the smallest class whose blocks hold n bytes.
func classOf(n int) int { return sort.SearchInts(classes, n) }

// block names a block within the slab of its class.
type block uint32

// slab is all blocks of one class: chunks without pointers and a list of free blocks. The first chunk is small, and those behind it double
// what there is until one has its full size, so that a thousand keyspaces with few keys stay small.
type slab struct {
	size   int
	shift  uint // blocks in a full chunk, as a power of two
	first  uint // blocks in the first one
	chunks [][]byte
	free   []block
	next   block // the first block that was never used
}

// growths is how often a slab doubles before its chunks have their full size.
const growths = 5

func newSlab(size int) slab {
	s := slab{size: size}
	for size<<(s.shift+1) <= chunkBytes {
		s.shift++
	}
	s.first = s.shift - min(s.shift, growths)
	return s
}

// get returns a block; its bytes are whatever they were.
func (s *slab) get() (block, []byte) {
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b, s.bytes(b)
	}
	b := s.next
	if chunk, _ := s.place(b); chunk == len(s.chunks) {
		blocks := 1 << s.first
		if b > 0 {
			blocks = min(int(b), 1<<s.shift)
		}
		s.chunks = append(s.chunks, make([]byte, s.size*blocks))
	}
	s.next++
	return b, s.bytes(b)
}

// place returns a block's chunk, and which of its blocks it is.
func (s *slab) place(b block) (chunk, at int) {
	if full := int(b >> s.shift); full > 0 {
		return full + int(s.shift-s.first), int(b & (1<<s.shift - 1))
	}
	chunk = bits.Len32(uint32(b >> s.first))
	if chunk == 0 {
		return 0, int(b)
	}
	return chunk, int(b) - 1<<(int(s.first)+chunk-1)
}

func (s *slab) put(b block) { s.free = append(s.free, b) }

func (s *slab) bytes(b block) []byte {
	chunk, at := s.place(b)
	at *= s.size
	return s.chunks[chunk][at : at+s.size : at+s.size]
}
