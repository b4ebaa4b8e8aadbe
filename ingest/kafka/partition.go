package kafka

import (
	"encoding/binary"

	"insolite/internal/event"
)

// PartitionOf returns the partition of so many that Java's producers choose for a key: murmur2 without its sign, modulo their number.
func PartitionOf(key []byte, partitions int) event.Partition {
	return event.Partition(int(murmur2(key)&0x7fffffff) % partitions)
}

// murmur2 is MurmurHash2 (Austin Appleby) with the seed of org.apache.kafka.common.utils.Utils.murmur2.
func murmur2(b []byte) uint32 {
	const seed, m, r = 0x9747b28c, 0x5bd1e995, 24
	h := uint32(seed) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		k = (k ^ k>>r) * m
		h = h*m ^ k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
