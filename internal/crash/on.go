//go:build crash

package crash

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// armed is the point at which the process ends, and how often it is passed until then.
type armed struct {
	point Point
	left  atomic.Int64
}

// arm reads the variable, once: it is that of the process.
var arm = sync.OnceValue(func() *armed {
	text := os.Getenv(Variable)
	if text == "" {
		return &armed{}
	}
	name, n, _ := strings.Cut(text, ":")
	passages, err := strconv.Atoi(n)
	for _, p := range Points() {
		if p.Point == Point(name) && err == nil && passages > 0 {
			a := &armed{point: p.Point}
			a.left.Store(int64(passages))
			return a
		}
	}
	panic(fmt.Sprintf("%s is %q; write it as in %s:3, with a point of internal/crash", Variable, text, AlertsSent)) // only a test sets it
})

// At ends the process when the point is the armed one and is passed for the n-th time.
func At(p Point) {
	a := arm()
	if a.point != p || a.left.Add(-1) != 0 {
		return
	}
	fmt.Fprintln(os.Stderr, "crash at", p)
	die()
}

// Killer returns what ends the process when it is shown a record's value with the text that RecordVariable holds; nil: there is none.
func Killer() func(value []byte) {
	text := []byte(os.Getenv(RecordVariable))
	if len(text) == 0 {
		return nil
	}
	return func(value []byte) {
		if bytes.Contains(value, text) {
			fmt.Fprintln(os.Stderr, "crash of a record")
			die()
		}
	}
}

func die() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {} // the signal is on its way
}
