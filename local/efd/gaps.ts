import { writeFile } from "node:fs/promises";
import colour from "picocolors";
import { exitCodes } from "../exit";
import { type EfdOptions, efdPlace, type EfdPlace, type Settings, settingsOf } from "./connection";
import {
  beginMs,
  type Counts,
  endMs,
  type Hole,
  type HoleState,
  holesOf,
  holeStates,
  listHoles,
  reasonOf,
  type RecordCoverage,
  totalOf,
} from "./coverage";
import { coverageBetween } from "./gapsReading";
import { dayMap, type HeatMap, hourMap, Tally } from "./heatMap";
import { heatMapSvg } from "./heatMapSvg";
import { heatMapLines, legendLines } from "./heatMapText";
import { dayCount, type DayRange, dayRange } from "./range";
import { requeueRecords, type Requeued } from "./requeue";
import { oneLine, table } from "./table";

export interface GapsOptions extends EfdOptions {
  readonly since?: string;
  readonly until?: string;
  /** Fields of the map. Default: hours up to 31 days, days beyond. */
  readonly by?: "hour" | "day";
  /** File for the map as a picture. */
  readonly svg?: string;
  readonly requeue?: boolean;
  /** Requeue also what has its values. */
  readonly all?: boolean;
  /** Only holes of these states. */
  readonly only?: readonly HoleState[];
  /** Minutes after its end in which a record is not missed yet. */
  readonly minAge: number;
  /** Holes that are listed. */
  readonly limit: number;
}

/** What was found. */
interface Gaps {
  readonly range: DayRange;
  readonly tally: Tally;
  readonly holes: readonly Hole[];
  /** Records that `--requeue` queues. */
  readonly again: readonly RecordCoverage[];
  /** Records that cannot be looked at, each with its reason. */
  readonly notes: readonly string[];
}

/** `usdf efd gaps`: exit code 1 while there are holes that were not queued again. */
export async function showGaps(options: GapsOptions): Promise<void> {
  const place = await efdPlace(options);
  const settings = settingsOf(place);
  const range = dayRange(options, 14);
  const gaps = await findGaps(place, settings, range, options);
  const by = options.by ?? (dayCount(range) <= 31 ? "hour" : "day");
  const title = `${settings.INSTRUMENT}, ${range.since} to ${range.until}, by ${by}`;
  const map = (by === "hour" ? hourMap : dayMap)(title, gaps.tally, range.since, range.until);
  const counts = gaps.tally.total();
  if (options.svg !== undefined) await writeFile(options.svg, picture(settings, range, map, counts));
  const requeued = options.requeue ? await requeueRecords(place, settings, gaps.again) : undefined;
  if (options.json) {
    const { holes, notes } = gaps;
    const result = {
      place: place.name,
      instrument: place.instrument,
      ...range,
      counts,
      holes: holes.map(asJson),
      notes,
      requeued,
    };
    console.log(JSON.stringify(result, null, 2));
  } else {
    console.log(
      [...heatMapLines(map, process.stdout.columns ?? 120), ...legendLines(), "", summary(counts)].join("\n"),
    );
    for (const note of gaps.notes) console.log(colour.yellow(note));
    if (gaps.holes.length > 0) console.log(listed(gaps.holes, options.limit));
    if (options.svg !== undefined) console.log(`The map is in ${options.svg}.`);
    if (requeued) console.log(said(requeued));
  }
  if (gaps.holes.length > 0 && !requeued) process.exitCode = exitCodes.failed;
}

async function findGaps(place: EfdPlace, settings: Settings, range: DayRange, options: GapsOptions): Promise<Gaps> {
  const wanted = options.only ?? holeStates;
  const tally = new Tally();
  const holes: Hole[] = [];
  const again: RecordCoverage[] = [];
  const notes: string[] = [];
  const youngMs = Date.now() - options.minAge * 60_000;
  for await (const part of coverageBetween(place, settings, range, youngMs)) {
    for (const each of part.coverage) tally.add(each);
    const found = listHoles(part.coverage).filter(({ state }) => wanted.includes(state));
    holes.push(...found);
    for (const { records } of options.all ? [{ records: part.coverage }] : found) again.push(...records);
    notes.push(...part.notes);
  }
  return { range, tally, holes, again, notes };
}

function picture({ INSTRUMENT }: Settings, { since, until }: DayRange, map: HeatMap, counts: Counts): string {
  const title = `Transformed EFD of ${INSTRUMENT}: exposures and visits with values`;
  const about = `From ${since} to ${until}: ${summary(counts)} A number on a field is how many of its records have a hole.`;
  return heatMapSvg(title, about, [map]);
}

function summary(counts: Counts): string {
  const { filled, missing, empty, partial, waiting } = counts;
  return (
    `${filled} of ${totalOf(counts)} exposures and visits have their values; ` +
    `${holesOf(counts)} holes: ${missing} missing, ${empty} empty, ${partial} partial; ${waiting} wait.`
  );
}

const moment = (ms: number) => new Date(ms).toISOString();

function asJson({ kind, state, dayObs, first, last, records, task }: Hole) {
  const ends = { beginMs: beginMs(first), endMs: endMs(last) };
  return {
    ...{ kind, state, dayObs, firstId: first.id, lastId: last.id, firstSeqNum: first.seqNum, lastSeqNum: last.seqNum },
    ...{ records: records.length, begin: moment(ends.beginMs), end: moment(ends.endMs) },
    ...{ reason: reasonOf(task), task: task?.id ?? null },
  };
}

function listed(holes: readonly Hole[], limit: number): string {
  const rows = holes.slice(0, limit).map(({ kind, state, first, last, records, task }) => {
    const span = [moment(beginMs(first)), moment(endMs(last))].map((text) => text.slice(0, 19));
    const why = oneLine(reasonOf(task)) + (task ? ` (${task.id})` : "");
    return [state, kind === "exposure" ? "exposure" : "visit", first.id, last.id, records.length, ...span, why];
  });
  const more = holes.length > limit ? `\n… ${holes.length - limit} more; --limit shows more` : "";
  return table(["hole", "of", "first", "last", "records", "from", "to", "why"], rows) + more;
}

function said({ windows, queued }: Requeued): string {
  if (windows === 0) return "There is nothing to queue.";
  const others = windows - queued;
  const rest = others > 0 ? `, ${others} wait or run already` : "";
  return `Windows that own them: ${windows}; ${queued} queued${rest}. The failure monitor takes them at its next run.`;
}
