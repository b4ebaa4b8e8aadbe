//go:build amd64 || arm64

package store

// prefetch asks for the n bytes at p to be brought into the cache, and does not wait for them as a load does.
//
//go:noescape
func prefetch(p *byte, n int)
