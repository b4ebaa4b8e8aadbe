package store

import "sort"

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

// slab is all blocks of one class: chunks without pointers and a list of free blocks. Small slabs start with small chunks, so that a
// thousand keyspaces with few keys stay small.
type slab struct {
	size   int
	shift  uint // blocks a chunk, as a power of two
	chunks [][]byte
	free   []block
	next   block // the first block that was never used
}

func newSlab(size int) slab {
	s := slab{size: size}
	for size<<(s.shift+1) <= chunkBytes {
		s.shift++
	}
	return s
}

// get returns a block; its bytes are whatever they were.
func (s *slab) get() (block, []byte) {
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b, s.bytes(b)
	}
	if int(s.next)>>s.shift == len(s.chunks) {
		s.chunks = append(s.chunks, make([]byte, s.size<<s.shift))
	}
	b := s.next
	s.next++
	return b, s.bytes(b)
}

func (s *slab) put(b block) { s.free = append(s.free, b) }

func (s *slab) bytes(b block) []byte {
	at := int(b) & (1<<s.shift - 1) * s.size
	return s.chunks[b>>s.shift][at : at+s.size : at+s.size]
}
