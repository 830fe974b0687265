import colour from "picocolors";
import { type EfdOptions, efdPlace } from "./connection";
import { placeOf, reading } from "./database";
import { type QueueState, queuedInstruments, queueState } from "./queueState";
import { oneLine, table } from "./table";

/** Statuses in the order of a task's life. */
const statuses = ["pending", "idle", "running", "completed", "failed", "stale"];

/** `usdf efd status`: the queue of each instrument of the consolidated database. */
export async function showStatus(options: EfdOptions): Promise<void> {
  const place = await efdPlace(options, true);
  const queues = await reading("reading the queue", place.env.CONSDB_URL, async (client) => {
    const known = await queuedInstruments(client);
    const wanted = options.instrument === undefined ? known : known.filter((name) => name === place.instrument);
    const states: QueueState[] = [];
    for (const instrument of wanted) states.push(await queueState(client, instrument));
    return states;
  });
  const database = placeOf(place.env.CONSDB_URL);
  if (options.json) return console.log(JSON.stringify({ place: place.name, database, queues }, null, 2));
  console.log(`${place.name}: ${database}`);
  if (queues.length === 0) console.log("No queue yet: transform-efd makes it at its first start.");
  for (const queue of queues) console.log(`\n${text(queue)}`);
}

function text(queue: QueueState): string {
  const { held, failed, lastFailure, topics, behind } = queue;
  const lines = [colour.bold(queue.instrument), counts(queue)];
  lines.push(`completed until ${queue.completedUntil ?? "never"}`);
  for (const [status, { task, end, waitingSeconds }] of Object.entries(queue.oldest)) {
    lines.push(`oldest ${status}: task ${task}, window to ${end}, waits ${duration(waitingSeconds)}`);
  }
  for (const { id, start, end, owner, attempt, runningSeconds, heartbeatSeconds, leaseSeconds } of held) {
    const who = owner === null ? "a worker without leases" : `${owner}, attempt ${attempt}`;
    const lease =
      leaseSeconds === null
        ? ""
        : leaseSeconds < 0
          ? colour.red(`, lease over for ${duration(-leaseSeconds)}: the next worker takes it`)
          : `, heartbeat ${duration(heartbeatSeconds)} ago, lease for ${duration(leaseSeconds)}`;
    lines.push(`running: task ${id} (${start} to ${end}) for ${duration(runningSeconds)}: ${who}${lease}`);
  }
  if (failed.due + failed.later + failed.givenUp > 0) {
    lines.push(
      `failed: ${failed.due} due to be tried again, ${failed.later} later, ` +
        `${failed.givenUp} given up (put back: usdf efd gaps --requeue)`,
    );
  }
  if (lastFailure) {
    lines.push(
      `last failure: task ${lastFailure.task}, ${lastFailure.at ?? "time unknown"}: ${shown(lastFailure.error)}`,
    );
  }
  for (const { topic, tasks, task, error } of topics) {
    lines.push(`  ${topic}: ${tasks} task${tasks === 1 ? "" : "s"}, last ${task}: ${shown(error)}`);
  }
  for (const { target, tasks, sinceSeconds, error } of behind) {
    lines.push(colour.yellow(`behind: ${target} lacks rows of ${tasks} task${tasks === 1 ? "" : "s"} for ${duration(sinceSeconds)}: ${shown(error)}`)); // prettier-ignore
  }
  return lines.join("\n");
}

function counts({ tasks }: QueueState): string {
  const used = Object.values(tasks).flatMap((byStatus) => Object.keys(byStatus));
  const heads = [...new Set([...statuses, ...used])];
  const rows = Object.entries(tasks).map(([mode, byStatus]) => [mode, ...heads.map((status) => byStatus[status] ?? 0)]);
  return rows.length > 0 ? table(["made by", ...heads], rows) : "no task";
}

const shown = (error: string | null) => (error ? oneLine(error, 200) : "no reason was noted");

/** Two units at most, e.g. `3 h 5 min`. */
function duration(seconds: number | null): string {
  if (seconds === null) return "an unknown time";
  const units = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]] as const; // prettier-ignore
  const at = Math.max(
    0,
    units.findIndex(([length]) => seconds >= length),
  );
  const [length, unit] = seconds < 1 ? units[3] : units[at]!;
  const next = units[at + 1];
  const rest = next && seconds >= 1 ? Math.floor((seconds % length) / next[0]) : 0;
  return `${Math.floor(seconds / length)} ${unit}${rest > 0 ? ` ${rest} ${next![1]}` : ""}`;
}
