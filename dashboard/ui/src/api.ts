// What the server's API answers. TestTypesOfTheAPI of package dashboard has tsc compare real answers with these types.

// Value is any JSON value of an event, a key or a rule's expression.
export type Value = string | number | boolean | null | Value[] | { [name: string]: Value };

// Operand is one comparison that made a condition true; without op it is a plain truth value.
export interface Operand {
  expr: string;
  op?: string;
  value: Value;
  limit?: Value;
}

export interface RuleOfRow {
  id: string;
  title: string;
  severity: string;
  mode: string;
  tags: string[] | null;
}

// Row is an alert in a list and in the stream.
export interface Row {
  seq: number;
  id: string;
  state: string;
  rule: RuleOfRow;
  key: Record<string, Value>;
  key_text: string;
  at: string;
  emitted: string;
  summary: string;
  because: Operand[] | null;
  source: string;
  suppressed: number;
}

export type FacetName = 'severity' | 'rule' | 'key' | 'source';

// Facets says for each facet and value how many alerts choosing it would show.
export type Facets = Record<FacetName, Record<string, number>>;

// Hour counts alerts by severity and minute, the oldest minute first.
export interface Hour {
  until: string;
  counts: Record<string, number[]>;
}

// List answers GET /api/v1/alerts.
export interface List {
  alerts: Row[];
  more: boolean;
  total: number;
  facets: Facets;
  hour: Hour;
  stream: string;
  kept: number;
  kept_max: number;
}

export interface Position {
  topic: string;
  partition: number;
  offset: number;
}

export interface Feature {
  value: Value;
  agg: string;
  p?: number; // of a percentile
  window: string;
  season?: string; // of a baseline
  samples: number;
  from: string | null;
  to: string | null;
}

// Alert is the record as it is on the alerts topic.
export interface Alert {
  schema: number;
  id: string;
  state: string;
  correlation: string;
  rule: { id: string; version: string; title: string; severity: string; mode: string; tags: string[] };
  key: Record<string, Value>;
  at: string;
  summary: string;
  description?: string;
  runbook?: string;
  condition: { text: string; because: Operand[] };
  context: Record<string, Feature>;
  event: Value;
  source: string;
  position: Position;
  evidence: (Position & { at: string | null })[];
  suppressed: number;
  labels?: Record<string, string>;
  links: Record<string, string>;
}

// Found answers GET /api/v1/alerts/ID.
export interface Found {
  seq: number;
  partition: number;
  offset: number;
  emitted: string;
  key_text: string;
  event_text: string;
  alert: Alert;
}

// A figure that is null is not known.
export interface Partition {
  topic: string;
  partition: number;
  task: string;
  stage: boolean;
  phase: string;
  why: string;
  events_per_second: number | null;
  end: number | null;
  lag: number | null;
  lag_seconds: number | null;
  watermark_delay_seconds: number | null;
  late: number;
}

export interface DeadLetter {
  reason: string;
  topic: string;
  count: number;
  last: string;
}

export interface RunningRule {
  id: string;
  title: string;
  severity: string;
  mode: string;
  source: string;
  evaluated: number;
  alerts: number;
  suppressed: number;
}

export interface Pipeline {
  at: string;
  kafka: string;
  events_per_second: number | null;
  partitions: Partition[] | null;
  dead_letters: DeadLetter[] | null;
  rules: RunningRule[] | null;
  state: { keys: number | null; bytes: number | null; bytes_max: number | null; checkpoint_age_seconds: number | null };
  problems: string[] | null;
}

export interface Counters {
  published: number;
  repeated: number;
  malformed: number;
  evicted: number;
  kept: number;
  clients: number;
  refused: number;
  dropped: number;
  resets: number;
  missed: number;
}

// Status answers GET /api/v1/status.
export interface Status {
  app: string;
  pipeline: Pipeline;
  page: Counters;
  alerts: { kept: number; kept_max: number; oldest: string | null; stream: string };
}

// Refusal is what any request may be answered with instead.
export interface Refusal {
  error: { code: string; message: string; cure: string };
}
