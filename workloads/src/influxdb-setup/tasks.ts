import type { Deadman, DesiredState, Rung } from "./contract";

/** A Flux task as it is declared. */
export interface TaskSource {
  readonly name: string;
  readonly flux: string;
}

/** Points that come later than this after their time are in no rung; a run by hand for a past time takes them too. */
const latenessSeconds = 30 * 60;
/** Shortest time between two runs, so that a point is read a few times at most. */
const minPeriodSeconds = 10 * 60;

/** Statistics that a rung keeps of each numeric field, with the function that joins those of shorter windows. */
const statistics = [
  { name: "sum", joined: "sum" },
  { name: "count", joined: "sum" },
  { name: "min", joined: "min" },
  { name: "max", joined: "max" },
] as const;

/** Events, commands and their acknowledgements of SAL: their values are states, of which a mean says nothing. */
const statesOfSal = String.raw`/^lsst\.sal\.[^.]+\.(logevent_|command_|ackcmd$)/`;

/** All tasks of a declared state. */
export function tasksOf({ rungs, deadmen }: Pick<DesiredState, "rungs" | "deadmen">): TaskSource[] {
  return [...rungs.map((rung) => rungTask(rung, rungs)), ...deadmen.map(deadmanTask)];
}

/** How far back a run of a rung looks, seconds: its period, and what the rung before it may still change. */
export function lookBackSeconds(rung: Rung, rungs: readonly Rung[]): number {
  const before = rungs.find(({ to }) => to === rung.from);
  const back = periodSeconds(rung) + (before ? lookBackSeconds(before, rungs) : latenessSeconds);
  return Math.ceil(back / rung.everySeconds) * rung.everySeconds;
}

function periodSeconds({ everySeconds }: Rung): number {
  return Math.ceil(minPeriodSeconds / everySeconds) * everySeconds;
}

/**
 * One rung. Of a field `x` of the raw points it keeps `x_sum`, `x_count`, `x_min` and `x_max`: sums and counts of longer
 * windows are those of the shorter ones added, so that sum / count is the true mean on each rung, where a mean of means
 * is not. Windows are whole and aligned, so a repeated run writes the same points again.
 */
function rungTask(rung: Rung, rungs: readonly Rung[]): TaskSource {
  const { from, to, everySeconds } = rung;
  const before = rungs.find((one) => one.to === from);
  const level = levelOf(rung, rungs);
  const name = `downsample ${from} to ${to}`;
  const window = `every: ${everySeconds}s, createEmpty: false, timeSrc: "_start"`;
  const raw = [
    `numbers = points`,
    `    |> filter(fn: (r) => r._measurement !~ ${statesOfSal})`,
    // Only numbers compare with a number: text and booleans, which have no sum, stay in the storage.
    `    |> filter(fn: (r) => r._value < 0.0 or r._value >= 0.0)`,
    // A sum of large integers would wrap; and a field whose type changes keeps one type here.
    `    |> toFloat()`,
    ...statistics.map(({ name: statistic }) =>
      [
        `numbers`,
        `    |> aggregateWindow(fn: ${statistic}, ${window})`,
        `    |> map(fn: (r) => ({r with _field: r._field + "_${statistic}"}))`,
        `    |> to(bucket: ${quoted(to)})`,
        `    |> yield(name: "${statistic}")`,
      ].join("\n"),
    ),
  ];
  const joined = statistics.map(({ name: statistic, joined: fn }) =>
    [
      `points`,
      `    |> filter(fn: (r) => r._field =~ /_${statistic}$/)`,
      `    |> aggregateWindow(fn: ${fn}, ${window})`,
      `    |> to(bucket: ${quoted(to)})`,
      `    |> yield(name: "${statistic}")`,
    ].join("\n"),
  );
  const flux = [
    `import "date"`,
    `option task = {name: ${quoted(name)}, every: ${periodSeconds(rung)}s, offset: ${level}m}`,
    `stop = date.truncate(t: now(), unit: ${everySeconds}s)`,
    `start = date.sub(d: ${lookBackSeconds(rung, rungs)}s, from: stop)`,
    `points = from(bucket: ${quoted(from)}) |> range(start: start, stop: stop)`,
    ...(before ? joined : raw),
    "",
  ].join("\n");
  return { name, flux };
}

/** 1 for a rung of raw points; a rung runs after the one before it. */
function levelOf(rung: Rung, rungs: readonly Rung[]): number {
  const before = rungs.find(({ to }) => to === rung.from);
  return before ? levelOf(before, rungs) + 1 : 1;
}

/** A measurement counts as alive, and so is told of when it falls silent, for this many times the silence. */
const remembered = 12;

/** Tells, in bucket `_monitoring`, of measurements that fell silent; of SAL only telemetry is due at all times. */
function deadmanTask({ bucket, afterSeconds }: Deadman): TaskSource {
  const name = `deadman ${bucket}`;
  const flux = [
    `import "date"`,
    `import "influxdata/influxdb/monitor"`,
    `option task = {name: ${quoted(name)}, every: ${Math.max(60, Math.floor(afterSeconds / 2 / 60) * 60)}s, offset: 30s}`,
    `from(bucket: ${quoted(bucket)})`,
    `    |> range(start: date.sub(d: ${afterSeconds * remembered}s, from: now()), stop: now())`,
    `    |> filter(fn: (r) => r._measurement !~ ${statesOfSal})`,
    `    |> last()`,
    `    |> keep(columns: ["_measurement", "_time"])`,
    `    |> max(column: "_time")`,
    `    |> monitor.deadman(t: date.sub(d: ${afterSeconds}s, from: now()))`,
    `    |> monitor.check(`,
    `        data: {_check_id: ${quoted(checkId(bucket))}, _check_name: ${quoted(name)}, _type: "deadman", tags: {bucket: ${quoted(bucket)}}},`,
    `        messageFn: (r) => "\${r._source_measurement} in bucket ${bucket}: " + (if r._level == "ok" then "is written" else "silent for ${afterSeconds} s"),`,
    `        crit: (r) => r.dead,`,
    `    )`,
    "",
  ].join("\n");
  return { name, flux };
}

/** Statuses are found by an id of 16 hexadecimal digits, the same at each run. */
function checkId(bucket: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(bucket)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
