package checkpointtest

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"insolite/context/checkpoint"
)

// sideBySide works on several tasks at once, two owners contending for each; run it with the race detector too. Every flip that is
// acknowledged raises Y by one, so none of them may be lost to the other owner, or made from a Y that was not the present one.
func sideBySide(t *testing.T, s checkpoint.Store) {
	const tasks, owners, rounds = 3, 2, 60
	var wait sync.WaitGroup
	var flips [tasks]atomic.Int64
	for n := range tasks {
		for range owners {
			wait.Go(func() {
				id := checkpoint.TaskID{App: "side", Topic: fmt.Sprint(n)}
				for mine := 0; mine < rounds && !t.Failed(); {
					made := contend(t, s, id, rounds/6)
					mine += made
					flips[n].Add(int64(made))
				}
			})
		}
	}
	wait.Wait()
	for n := range tasks {
		task := mustOpen(t, s, checkpoint.TaskID{App: "side", Topic: fmt.Sprint(n)})
		m, err := task.Meta(t.Context())
		if err != nil || m == nil || int64(m.Y.Offset) != flips[n].Load() {
			t.Fatalf("task %d: %+v, %v after %d flips", n, m, err, flips[n].Load())
		}
		expectContents(t, task, map[string]string{"k": fmt.Sprintf("%s %d", m.Y, m.Y.Offset)})
	}
}

// contend owns a task for up to n flips, or until it is fenced, and returns how many it made.
func contend(t *testing.T, s checkpoint.Store, id checkpoint.TaskID, n int) (flips int) {
	task, err := s.Open(t.Context(), id)
	if err != nil {
		t.Error(err)
		return 0
	}
	for flips < n {
		y := int64(0)
		m, err := task.Meta(t.Context())
		if m != nil {
			y = int64(m.Y.Offset)
		}
		if err == nil {
			err = task.Write(t.Context(), []checkpoint.Item{item("k", y+1, fmt.Append(nil, y+1))})
		}
		runtime.Gosched() // so that the owners do get in each other's way
		if err == nil {
			err = task.Flip(t.Context(), &checkpoint.Meta{Y: pos(y + 1)})
		}
		if err != nil {
			if !errors.Is(err, checkpoint.ErrFenced) {
				t.Errorf("an owner that another one has followed gets %v", err)
			}
			return flips
		}
		flips++
	}
	return flips
}
