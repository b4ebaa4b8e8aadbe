package dashboard

import "time"

// Status is the pipeline at one moment. A nil pointer says that the figure is not known, which is shown as "–", never as 0.
type Status struct {
	At              time.Time    `json:"at"`
	Kafka           string       `json:"kafka"`             // the brokers, as configured
	EventsPerSecond *float64     `json:"events_per_second"` // of all sources
	Partitions      []Partition  `json:"partitions"`        // of all topics that are read
	DeadLetters     []DeadLetter `json:"dead_letters"`      // since the start
	Rules           []Rule       `json:"rules"`
	State           State        `json:"state"`
	Problems        []string     `json:"problems"` // what keeps the pipeline from running, and rules from coming into force, one sentence each, with its cure
}

// Partition is one partition of a topic and the task that reads it.
type Partition struct {
	Topic                 string   `json:"topic"`
	Partition             int32    `json:"partition"`
	Task                  string   `json:"task"`              // the task's name; empty: nobody here reads it
	Stage                 bool     `json:"stage"`             // the topic is the service's own: what rules by another key are sent through
	Phase                 string   `json:"phase"`             // "running", "warming" (it runs, and reads what it remembers into memory beside that), "careful" (the process has died where it is, so it steps slowly), "recovering", "replaying", "waiting", "refused", "idle"
	Why                   string   `json:"why"`               // why it does not run, and the cure; empty: it does
	EventsPerSecond       *float64 `json:"events_per_second"` // of the last ten seconds or so
	End                   *int64   `json:"end"`               // offset that the next record will get
	Lag                   *int64   `json:"lag"`               // committed records not read yet
	LagSeconds            *float64 `json:"lag_seconds"`       // age of the first of them
	WatermarkDelaySeconds *float64 `json:"watermark_delay_seconds"`
	Late                  uint64   `json:"late"` // events behind the watermark, since the start
}

// DeadLetter counts the records that were put aside for one reason.
type DeadLetter struct {
	Reason string    `json:"reason"`
	Topic  string    `json:"topic"` // of the source
	Count  uint64    `json:"count"`
	Last   time.Time `json:"last"` // when the last one was put aside
}

// Rule counts what one running rule did since the start.
type Rule struct {
	ID         string `json:"id"`
	Title      string `json:"title"`
	Severity   string `json:"severity"`
	Mode       string `json:"mode"`
	Source     string `json:"source"`
	Evaluated  uint64 `json:"evaluated"`
	Alerts     uint64 `json:"alerts"`
	Suppressed uint64 `json:"suppressed"`
}

// State is what the pipeline remembers, and how fresh its copy is.
type State struct {
	Keys                 *int64   `json:"keys"` // contexts in memory
	Bytes                *int64   `json:"bytes"`
	BytesMax             *int64   `json:"bytes_max"`
	CheckpointAgeSeconds *float64 `json:"checkpoint_age_seconds"`
}
