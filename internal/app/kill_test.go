package app

import (
	"math/rand/v2"
	"time"

	"insolite/internal/testsize"
)

// The program is killed at any moment, again and again, while payments come in.
func killedAtRandom(r *rig) {
	end := r.pour(4000)
	r.killed(5, rand.New(rand.NewPCG(1, 2)), 500*time.Millisecond, 3000*time.Millisecond)
	end()
	r.drain()
	r.judge()
	r.closed()
}

// killed starts and kills the program some times, each after a time between two.
func (r *rig) killed(times int, random *rand.Rand, least, most time.Duration) {
	r.t.Helper()
	for range testsize.Rounds(times) {
		r.start("run")
		time.Sleep(least + time.Duration(random.Int64N((most-least).Milliseconds()))*time.Millisecond)
		r.kill()
	}
}
