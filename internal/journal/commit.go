package journal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"insolite/internal/event"
)

// Commit is what a task says with its committed offset, whose step it completes to a position. It has to fit 256 bytes.
type Commit struct {
	Step      uint32       // of the position; the offset is the committed one
	Bundle    event.Offset // in force
	Journal   uint64       // number of the last entry written, which may stand at this very position and not be applied yet
	Watermark event.Time
	Engine    uint32     // version of the engine that came to it
	Swept     bool       // a checkpoint has been completed at least once: a store without one is lost, not young
	Firing    bool       // the task stands amid many timers that are due at once
	Fired     event.Time // then those with a deadline before it have fired; else zero
}

// Amid timers that are due the version is 2, else 1, which has no word of them: a program that knows no timers reads it.
const (
	commitVersion = "2"
	commitAlone   = "1"
)

var errCommit = errors.New("malformed commit metadata; another program has committed for this consumer group")

// Text returns the metadata: words separated by spaces, for people who describe the consumer group.
func (c *Commit) Text() string {
	swept := "young"
	if c.Swept {
		swept = "swept"
	}
	version, fired := commitAlone, ""
	if c.Firing {
		version, fired = commitVersion, fmt.Sprintf(" fired=%d", c.Fired)
	}
	return fmt.Sprintf("insolite %s step=%d bundle=%d journal=%d watermark=%d engine=%d %s%s", version, c.Step, c.Bundle, c.Journal, c.Watermark, c.Engine, swept, fired)
}

// ParseCommit reads what Text wrote.
func ParseCommit(text string) (Commit, error) {
	words := strings.Split(text, " ")
	if len(words) < 2 || words[0] != "insolite" {
		return Commit{}, errCommit
	}
	if words[1] != commitVersion && words[1] != commitAlone {
		return Commit{}, fmt.Errorf("commit metadata of format %s: %w", words[1], ErrNewer)
	}
	firing := words[1] == commitVersion
	if len(words) != 8 && !firing || len(words) != 9 && firing {
		return Commit{}, errCommit
	}
	var numbers [6]int64
	for i, name := range [...]string{2: "step=", 3: "bundle=", 4: "journal=", 5: "watermark=", 6: "engine=", 8: "fired="} {
		if name == "" || i >= len(words) {
			continue
		}
		digits, ok := strings.CutPrefix(words[i], name)
		n, err := strconv.ParseInt(digits, 10, 64)
		if !ok || err != nil {
			return Commit{}, errCommit
		}
		numbers[min(i-2, 5)] = n
	}
	c := Commit{Step: uint32(numbers[0]), Bundle: event.Offset(numbers[1]), Journal: uint64(numbers[2]), Watermark: event.Time(numbers[3]), Engine: uint32(numbers[4]), Swept: words[7] == "swept",
		Firing: firing, Fired: event.Time(numbers[5])}
	if c.Text() != text {
		return Commit{}, errCommit
	}
	return c, nil
}
