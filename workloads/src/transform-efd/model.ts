/** What the parts of transform-efd hand to each other: records, telemetry, summaries. */

/** A span of time in nanoseconds since 1970-01-01 UTC, as InfluxDB counts: leap seconds are not counted. Both ends belong to it. */
export interface Span {
  readonly beginNs: bigint;
  readonly endNs: bigint;
}

/** Kinds of records that are summarised, as the names of their tables begin. */
export type RecordKind = "exposure" | "visit1";

/** An exposure or a visit of the Butler's registry. */
export interface DimensionRecord {
  readonly kind: RecordKind;
  /** `exposure_id` or `visit_id`; below 2^53. */
  readonly id: number;
  readonly dayObs: number;
  readonly seqNum: number;
  /** The record's true timespan, from TAI. */
  readonly span: Span;
}

/** What a field of a topic holds, as InfluxDB names it. */
export type FieldType = "float" | "integer" | "unsigned" | "boolean" | "string";

/** One question to the EFD: fields of one topic over one span. */
export interface SeriesQuery {
  /** Measurement, e.g. `lsst.sal.ESS.temperature`. */
  readonly topic: string;
  /** Fields to read, in this order; also those of a subset, e.g. `salIndex`. */
  readonly fields: readonly string[];
  readonly span: Span;
  /** Aggregate on the server, in buckets that begin at whole intervals since 1970; a sample's time is its bucket's begin. */
  readonly preAggregate?: { readonly function: "mean" | "max" | "min"; readonly intervalNs: bigint };
}

/** Samples of one topic, ascending in time. */
export interface Series {
  /** Times count from here; nanoseconds since 1970-01-01 UTC. */
  readonly originNs: bigint;
  /** Nanoseconds after the origin, whole numbers: exact up to 104 days. */
  readonly timesNs: Float64Array;
  /** By field, as long as `timesNs`; NaN where there is no value, booleans as 1 and 0. A field without any value is not there. */
  readonly values: ReadonlyMap<string, Float64Array>;
  /** Fields that hold text, which cannot be summarised. Their values are only there where they all are numbers in text form. */
  readonly textFields: ReadonlySet<string>;
}

/** Reads the EFD; the one door to InfluxDB. Safe for concurrent use; bounds its concurrency, time and retries itself. */
export interface EfdClient {
  /** Fields of a topic with their types; empty when the topic is unknown. @throws EfdError */
  fieldsOf(topic: string, signal: AbortSignal): Promise<ReadonlyMap<string, FieldType>>;
  /** Samples; no times when there is no data. @throws EfdError when the answer is not known to be whole. */
  query(query: SeriesQuery, signal: AbortSignal): Promise<Series>;
  /** The texts that `query` sends, one a request: for `usdf efd explain`. */
  textsOf(query: SeriesQuery): readonly string[];
  close(): Promise<void>;
}

/** Tables of the consolidated database, in the schema `efd_<instrument>`. */
export type PivotedTable = "exposure_efd" | "visit1_efd";
export type UnpivotedTable = "exposure_efd_unpivoted" | "visit1_efd_unpivoted";
export type OutputTable = PivotedTable | UnpivotedTable;

/** How the question for a topic ended; one entry a group of columns that share a query. */
export interface TopicOutcome {
  readonly topic: string;
  readonly status: "ok" | "no-data" | "failed";
  /** Columns that it feeds. */
  readonly columns: readonly string[];
  readonly samples: number;
  /** Fields of these columns that gave no value in the window: they were left out. */
  readonly missingFields?: readonly string[];
  /** Why it failed, without any secret. */
  readonly error?: string;
}

/** Rows of one pivoted table. Columns whose topic failed or gave no data at all are not in `columns`: what is stored stays. */
export interface PivotedRows {
  readonly columns: readonly string[];
  readonly rows: readonly { readonly record: DimensionRecord; readonly values: readonly (number | null)[] }[];
}

/** A row of an unpivoted table. */
export interface UnpivotedRow {
  readonly record: DimensionRecord;
  readonly property: string;
  readonly field: string;
  readonly value: number;
}

/** What was computed for a task's records. */
export interface Summary {
  readonly records: readonly DimensionRecord[];
  readonly pivoted: Readonly<Record<PivotedTable, PivotedRows>>;
  readonly unpivoted: Readonly<Record<UnpivotedTable, readonly UnpivotedRow[]>>;
  readonly topics: readonly TopicOutcome[];
}
