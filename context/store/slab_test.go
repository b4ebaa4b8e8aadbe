package store

import "testing"

// No two blocks of a slab share bytes, none moves, and a slab with few blocks is small.
func TestSlabBlocks(t *testing.T) {
	for _, size := range []int{64, 80, 1 << 10, 100 << 10, chunkBytes, 3 * chunkBytes} {
		s := newSlab(size)
		n := 3<<s.shift + 5
		blocks := make([][]byte, n)
		for i := range blocks {
			b, bytes := s.get()
			if int(b) != i || len(bytes) != size || cap(bytes) != size {
				t.Fatalf("size %d: block %d is %d, with %d bytes", size, i, b, len(bytes))
			}
			blocks[i] = bytes
			bytes[0], bytes[size-1] = byte(i), byte(i>>8)
		}
		total := 0
		for _, c := range s.chunks {
			total += len(c)
		}
		if most := (n + 1<<s.shift) * size; total > most {
			t.Errorf("size %d: %d blocks take %d bytes, more than %d", size, n, total, most)
		}
		for i := range blocks {
			if b := s.bytes(block(i)); &b[0] != &blocks[i][0] || size > 1 && (b[0] != byte(i) || b[size-1] != byte(i>>8)) {
				t.Fatalf("size %d: block %d was changed or moved", size, i)
			}
		}
		s = newSlab(size)
		s.get()
		if got := len(s.chunks[0]); got > max(size, chunkBytes>>growths) {
			t.Errorf("size %d: the first block takes %d bytes", size, got)
		}
	}
}
