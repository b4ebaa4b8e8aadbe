package app

import (
	"math/rand/v2"
	"time"

	"insolite/internal/testsize"
)

// The program is killed at any moment, again and again, while payments come in.
func killedAtRandom(r *rig) {
	end := r.pour(4000)
	random := rand.New(rand.NewPCG(1, 2))
	for range testsize.Rounds(5) {
		r.start("run")
		time.Sleep(500*time.Millisecond + time.Duration(random.IntN(2500))*time.Millisecond)
		r.kill()
	}
	end()
	r.drain()
	r.judge()
	r.closed()
}
