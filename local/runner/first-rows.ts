import { Client } from "pg";
import type { SentExposure } from "../camera";
import { CommandError } from "../exit";
import type { Progress } from "../services";
import { transformEfdContract } from "../../workloads/src/transform-efd/contract";
import type { LocalEfd, LocalInstrument } from "./api";
import type { SupervisorClient } from "./client";

/** What the transformed EFD has of one exposure. */
export interface ExposureRows {
  readonly exposureId: number;
  /** Schema of the tables, e.g. `efd_lsstcam`. */
  readonly schema: string;
  /** Columns of `exposure_efd`, and how many of them have a value. */
  readonly columns: number;
  readonly filled: number;
  /** Rows of `exposure_efd_unpivoted`. */
  readonly unpivoted: number;
  /** How long the transform took, its start included. */
  readonly seconds: number;
}

/** Longest statement, ms. */
const statementMs = 10_000;

/**
 * When an exposure ended that is in the newest window which is summarised now: the transformed EFD takes a window when late
 * telemetry had its time to come. Another moment each time, since the name of an exposure's group follows from it.
 */
export function endOfNewest({ chunkMinutes }: LocalInstrument, nowMs: number): Date {
  const marginMs = transformEfdContract.env.shape.CRON_MARGIN.parse(undefined) * 1000;
  const windowMs = chunkMinutes * 60_000;
  return new Date(Math.floor((nowMs - marginMs) / windowMs) * windowMs - 1_000 - (nowMs % 60_000));
}

/** The environment of an instrument. @throws {@link CommandError} when the stack has none. */
export function instrumentOf(efd: LocalEfd, instrument: string): LocalInstrument {
  const found = efd.instruments[instrument];
  if (!found) throw new CommandError(`The stack has no transformed EFD of ${instrument}; see usdf:efd.environments.`);
  return found;
}

/**
 * Has an exposure summarised now, and reads what became of it. The failure monitor looks for exposures of the Butler without a
 * row. It leaves a window alone that is the CronJob's business at this moment: then that one comes first, and the monitor sees
 * to what it had no knowledge of.
 * @throws {@link CommandError} when the exposure has no row after it.
 */
export async function transformExposure(
  client: SupervisorClient,
  efd: LocalEfd,
  instrument: string,
  { exposureId }: SentExposure,
  progress: Progress,
): Promise<ExposureRows> {
  const { namespace, cronJob, failureMonitor } = instrumentOf(efd, instrument);
  const schema = `efd_${instrument.toLowerCase()}`;
  const startedMs = Date.now();
  const results: string[] = [];
  for (const name of [failureMonitor, cronJob, failureMonitor]) {
    progress(`summarising telemetry: ${namespace}/${name}`);
    results.push(`${name} ${await client.runNow(namespace, name)}`);
    const rows = await readRows(efd.consdbUrl, schema, exposureId);
    if (rows) return { exposureId, schema, ...rows, seconds: (Date.now() - startedMs) / 1000 };
  }
  throw new CommandError(
    `Exposure ${exposureId} has no row in ${schema}.exposure_efd (${results.join(", ")}). See: usdf logs ${namespace}`,
  );
}

/** `undefined` when there is no row. */
async function readRows(
  url: string,
  schema: string,
  exposureId: number,
): Promise<Pick<ExposureRows, "columns" | "filled" | "unpivoted"> | undefined> {
  const client = new Client({
    connectionString: url,
    statement_timeout: statementMs,
    connectionTimeoutMillis: statementMs,
  });
  client.on("error", () => {}); // the statement in hand tells it
  await client.connect();
  try {
    const made = await client.query("select to_regclass($1) is not null as made", [`${schema}.exposure_efd`]);
    if (!(made.rows[0] as { made: boolean }).made) return undefined;
    const { rows } = await client.query<{ columns: string; filled: string; unpivoted: string }>(
      `select count(value) as columns, count(*) filter (where value <> 'null') as filled,
              (select count(*) from ${schema}.exposure_efd_unpivoted where exposure_id = $1) as unpivoted
         from ${schema}.exposure_efd t, jsonb_each(to_jsonb(t))
        where t.exposure_id = $1 and key not in ('day_obs', 'seq_num', 'exposure_id', 'created_at')`,
      [exposureId],
    );
    const { columns, filled, unpivoted } = rows[0]!;
    if (Number(columns) === 0) return undefined;
    return { columns: Number(columns), filled: Number(filled), unpivoted: Number(unpivoted) };
  } finally {
    await client.end();
  }
}
