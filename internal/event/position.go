package event

import "fmt"

// Partition is the number of a partition of a topic.
type Partition int32

// Offset is a Kafka offset: the number of a record, or the next one to read.
type Offset int64

// Position is how far a task has come in its log: the next offset to read, and how many steps (journal entries, slices of due timers)
// have been taken at it. Positions are ordered by offset, then step.
type Position struct {
	Offset Offset
	Step   uint32
}

// Before reports whether p comes before q.
func (p Position) Before(q Position) bool {
	return p.Offset < q.Offset || p.Offset == q.Offset && p.Step < q.Step
}

// String returns "offset" or "offset+step".
func (p Position) String() string {
	if p.Step == 0 {
		return fmt.Sprint(int64(p.Offset))
	}
	return fmt.Sprintf("%d+%d", int64(p.Offset), p.Step)
}

// Upstream is what a task of a repartition topic knows of one of the tasks that send to it.
type Upstream struct {
	Topic     string
	Partition Partition // -1: the topic's partitions are not known yet
	Next      Position  // what is below has been seen: an offset, and the number of a row of it
	Watermark Time      // NoTime: none yet
	Idle      bool      // nothing has come for a while: it is not waited for
}
