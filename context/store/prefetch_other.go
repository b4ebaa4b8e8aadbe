//go:build !amd64 && !arm64

package store

// prefetch does nothing where Go's assembler has not been taught: everything else waits a little longer for memory.
func prefetch(*byte, int) {}
