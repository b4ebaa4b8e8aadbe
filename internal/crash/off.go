//go:build !crash

package crash

// Killer returns nil.
func Killer() func(value []byte) { return nil }

// At marks a place. It does nothing, and the compiler leaves nothing of it.
func At(Point) {}
