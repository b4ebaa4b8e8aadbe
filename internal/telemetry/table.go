package telemetry

// ID names a metric. It is an index into the table.
type ID int

// The metrics, in the order of docs/metrics.md.
const (
	BuildInfo ID = iota
	Tasks
	FetchedRecords
	FetchedBytes
	LagRecords
	LagSeconds
	FetchPauses
	Rebalances
	Tombstones
	Unmatched
	WrongKey
	Decoded
	Events
	EventsLate
	EventsAhead
	EventsDuplicate
	EventsSkipped
	Watermark
	BundleNumber
	JournalNumber
	RowsSent
	RowsRepeated
	RowsUnsent
	FramesSent
	FrameBytesSent
	RuleOutcomes
	RuleSets
	ReloadAttempts
	ReloadSuccessful
	ReloadTime
	Alerts
	DeadLetters
	Commits
	CommitSeconds
	CommitFailures
	TransactionsInDoubt
	Recoveries
	RecoverySeconds
	ReplayedRecords
	Sweeps
	SweepSeconds
	SweepFailures
	CheckpointAge
	ContextsWritten
	ContextBytesWritten
	Contexts
	ContextBytes
	ContextsDirty
	ContextsEvicted
	ContextsExpired
	ContextsLoaded
	ContextsWarmed
	ContextWarm
	LimitDrops
	TimersPending
	TimersArmed
	TimersFired
	TimersLoaded
	TimersTicks
	Clients
	ClientDrops
	AlertsHeld
	ids // how many there are
)

// Type is what a metric may do.
type Type string

// The types.
const (
	TypeCounter   Type = "counter"   // only rises
	TypeGauge     Type = "gauge"     // rises and falls
	TypeHistogram Type = "histogram" // counts observations in buckets
)

// Def describes one metric.
type Def struct {
	Name   string
	Type   Type
	Help   string   // one sentence: what is counted, and what a reader does about it where that is not plain
	Labels []string // in the order of the values that constructors take
}

// secondsBuckets spans a commit on one fast broker to a recovery that reads for minutes.
var secondsBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}

var (
	perTopic     = []string{"topic"}
	perTask      = []string{"topic", "partition"}
	perTaskSpace = []string{"topic", "partition", "keyspace"}
	perSpace     = []string{"topic", "keyspace"}
)

var table = [ids]Def{
	BuildInfo: {"insolite_build_info", TypeGauge, "Always 1; the labels say which build runs.", []string{"version", "go"}},
	Tasks:     {"insolite_tasks", TypeGauge, "Tasks of this instance by state: recovering, replaying, live, stopped or refused.", []string{"state"}},

	FetchedRecords: {"insolite_ingest_fetched_records_total", TypeCounter, "Records read from source topics, those of a replay included.", perTopic},
	FetchedBytes:   {"insolite_ingest_fetched_bytes_total", TypeCounter, "Bytes of the keys, values and headers of the records read.", perTopic},
	LagRecords:     {"insolite_ingest_lag_records", TypeGauge, "Offsets between the last record committed and the end of the partition.", perTask},
	LagSeconds:     {"insolite_ingest_lag_seconds", TypeGauge, "Age of the oldest record that is not committed yet, by its timestamp; 0 when there is none, NaN when it is not known yet.", perTask},
	FetchPauses:    {"insolite_ingest_fetch_pauses_total", TypeCounter, "Times that a partition was left out of fetching, by reason: credit (its task has not worked off what it was given) or environment (its broker is away, its leader moves).", []string{"topic", "reason"}},
	Rebalances:     {"insolite_ingest_rebalances_total", TypeCounter, "Generations of the consumer group that this instance took part in.", nil},

	Tombstones: {"insolite_decode_tombstones_total", TypeCounter, "Records without a value; they are passed over.", perTopic},
	Unmatched:  {"insolite_decode_unmatched_records_total", TypeCounter, "Records that no source of the topic matches; they are passed over.", perTopic},
	WrongKey:   {"insolite_decode_wrong_key_records_total", TypeCounter, "Records whose Kafka key is not the field that the source declares as its key: their context may be spread over partitions.", []string{"source"}},
	Decoded:    {"insolite_decode_records_total", TypeCounter, "Records decoded, by path: fast (the learnt shape), generic (the strict scanner) or failed (a dead letter).", []string{"topic", "path"}},

	Events:          {"insolite_engine_events_total", TypeCounter, "Events that rules may see: neither ahead nor late.", []string{"source"}},
	EventsLate:      {"insolite_engine_late_events_total", TypeCounter, "Events below the watermark: neither absorbed nor evaluated. Raise the source's lateness when there are many.", []string{"source"}},
	EventsAhead:     {"insolite_engine_ahead_events_total", TypeCounter, "Events further ahead of their record's timestamp than max_ahead; each is a dead letter.", []string{"source"}},
	EventsDuplicate: {"insolite_engine_duplicate_events_total", TypeCounter, "Events whose id had been seen within the source's dedupe time, by each keyspace that refused one.", []string{"source"}},
	EventsSkipped:   {"insolite_engine_skipped_events_total", TypeCounter, "Events that a rule passed over because a field of its group_by is missing.", []string{"rule"}},
	Watermark:       {"insolite_engine_watermark_seconds", TypeGauge, "The task's watermark as a Unix time; NaN before the first event.", perTask},
	BundleNumber:    {"insolite_engine_bundle_number", TypeGauge, "Number of the bundle of rules that the task runs.", perTask},
	JournalNumber:   {"insolite_engine_journal_number", TypeGauge, "Number of the last journal entry that the task applied.", perTask},

	RowsSent:       {"insolite_stage_sent_rows_total", TypeCounter, "Rows of events sent on, by the topic that they were read from, because a rule's key is not that of the records; again after a transaction that failed.", perTopic},
	RowsRepeated:   {"insolite_stage_repeated_rows_total", TypeCounter, "Rows of a stage's topic that had been seen before, and were dropped: with delivery at least once, what was sent again after a crash.", perTopic},
	RowsUnsent:     {"insolite_stage_unsent_rows_total", TypeCounter, "Events that were not sent on, because a field of the key was missing, by each stage.", []string{"source"}},
	FramesSent:     {"insolite_stage_sent_frames_total", TypeCounter, "Records sent to the topic of a stage; each has rows of many events, or none and tells how far its task has come.", perTopic},
	FrameBytesSent: {"insolite_stage_sent_bytes_total", TypeCounter, "Bytes of the records sent to the topic of a stage, before compression.", perTopic},

	RuleOutcomes: {"insolite_rules_outcomes_total", TypeCounter, "Evaluations of a rule by outcome: matched, not_matched, insufficient_data, missing_field, excepted, suppressed, alerted or panicked. A matched one is also excepted, suppressed or alerted.", []string{"rule", "outcome"}},
	RuleSets:     {"insolite_rules_loads_total", TypeCounter, "Sets of rules read after a change, by result: accepted or refused. A refused one leaves the running set as it is.", []string{"result"}},

	ReloadAttempts:   {"insolite_rules_reload_attempts_total", TypeCounter, "Times that the rules on disk were read again while running, by what caused it (file, signal or api) and result: published, unchanged, refused (they have errors) or failed (no broker takes them).", []string{"by", "result"}},
	ReloadSuccessful: {"insolite_rules_reload_successful", TypeGauge, "1 when the rules on disk had no errors when they were read last, and were published if they were new; else 0, and the ones before are in force.", nil},
	ReloadTime:       {"insolite_rules_reload_success_seconds", TypeGauge, "Unix time at which the rules on disk were last read without errors, and published if they were new.", nil},

	Alerts:              {"insolite_output_alerts_total", TypeCounter, "Alerts sent, by mode: live or shadow; again after a transaction that failed.", []string{"rule", "mode"}},
	DeadLetters:         {"insolite_output_dead_letters_total", TypeCounter, "Records sent to the dead-letter topic; again after a transaction that failed.", []string{"stage", "reason"}},
	Commits:             {"insolite_output_commits_total", TypeCounter, "Transactions committed; with delivery at least once, offsets.", perTopic},
	CommitSeconds:       {"insolite_output_commit_seconds", TypeHistogram, "Time that a commit takes, from its first request to the last answer.", perTopic},
	CommitFailures:      {"insolite_output_commit_failures_total", TypeCounter, "Transactions that failed and surely left nothing; each is followed by a recovery.", perTopic},
	TransactionsInDoubt: {"insolite_output_in_doubt_transactions_total", TypeCounter, "Transactions whose outcome is unknown; each is followed by a recovery, which finds out.", perTopic},

	Recoveries:      {"insolite_recovery_recoveries_total", TypeCounter, "Recoveries of tasks that began, by reason: assigned, doubt (about a transaction), fenced, store (the checkpoints), log (the partition can't be read) or other.", []string{"topic", "reason"}},
	RecoverySeconds: {"insolite_recovery_seconds", TypeHistogram, "Time from the begin of a recovery to the end of its replay.", perTopic},
	ReplayedRecords: {"insolite_recovery_replayed_records_total", TypeCounter, "Records stepped again in recoveries, their output discarded.", perTopic},

	Sweeps:              {"insolite_checkpoint_sweeps_total", TypeCounter, "Checkpoints completed.", perTopic},
	SweepSeconds:        {"insolite_checkpoint_sweep_seconds", TypeHistogram, "Time from the begin of a checkpoint to its durable end.", perTopic},
	SweepFailures:       {"insolite_checkpoint_failures_total", TypeCounter, "Checkpoints that failed.", perTopic},
	CheckpointAge:       {"insolite_checkpoint_age_records", TypeGauge, "Records that a recovery would have to replay now: the committed offset minus the checkpoint's.", perTask},
	ContextsWritten:     {"insolite_checkpoint_written_contexts_total", TypeCounter, "Contexts written to the store.", perTopic},
	ContextBytesWritten: {"insolite_checkpoint_written_bytes_total", TypeCounter, "Bytes of the contexts written to the store.", perTopic},

	Contexts:        {"insolite_context_contexts", TypeGauge, "Contexts in memory.", perTaskSpace},
	ContextBytes:    {"insolite_context_bytes", TypeGauge, "Memory that contexts take: their blocks, handles and table.", perTaskSpace},
	ContextsDirty:   {"insolite_context_dirty", TypeGauge, "Contexts changed since they were last written to the store.", perTaskSpace},
	ContextsEvicted: {"insolite_context_evicted_total", TypeCounter, "Contexts moved out of memory; the store keeps them.", perSpace},
	ContextsExpired: {"insolite_context_expired_total", TypeCounter, "Contexts forgotten because their longest window is past.", perSpace},
	ContextsLoaded:  {"insolite_context_loaded_total", TypeCounter, "Contexts read from the store on first touch.", perSpace},
	ContextsWarmed:  {"insolite_context_warmed_total", TypeCounter, "Contexts read from the store before an event asked for them, after a take-over.", perSpace},
	ContextWarm:     {"insolite_context_warm", TypeGauge, "1 while every context is in memory, so that the store is not asked; else 0: contexts are still being read, or memory is full.", perTask},
	LimitDrops:      {"insolite_context_limit_drops_total", TypeCounter, "What gave way to a limit of a context, by limit: panes, rows, sessions, samples, text, ids, cool_downs, values, matches or timers.", []string{"topic", "keyspace", "limit"}},

	TimersPending: {"insolite_timers_pending", TypeGauge, "Contexts in memory that are looked at when an instant comes, because something waits in them, or did; others wait in the store.", perTaskSpace},
	TimersArmed:   {"insolite_timers_armed_total", TypeCounter, "Waits that a rule began: absences, conditions that have to hold.", []string{"rule"}},
	TimersFired:   {"insolite_timers_fired_total", TypeCounter, "Waits of a rule that came to their deadline, whether or not an alert was raised.", []string{"rule"}},
	TimersLoaded:  {"insolite_timers_loaded_contexts_total", TypeCounter, "Contexts read from the store because something in them was due.", perSpace},
	TimersTicks:   {"insolite_timers_ticks_total", TypeCounter, "Ticks: journal entries by which time passes while the input is silent.", perTopic},

	Clients:     {"insolite_dashboard_clients", TypeGauge, "Browsers that follow the live alerts.", nil},
	ClientDrops: {"insolite_dashboard_dropped_alerts_total", TypeCounter, "Alerts that a client was not sent because it was too slow; it is told how many.", nil},
	AlertsHeld:  {"insolite_dashboard_alerts", TypeGauge, "Alerts that the dashboard holds in memory.", nil},
}

// Table returns the description of every metric, in the order of their IDs.
func Table() []Def { return append([]Def(nil), table[:]...) }
