import { Client } from "pg";
import type { SentExposure } from "../camera";
import { CommandError } from "../exit";
import type { Progress } from "../services";
import type { LocalEfd } from "./api";
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
 * Has an exposure summarised now, and reads what became of it. The failure monitor does it: it looks for exposures of the Butler
 * without a row, also in time that the CronJob has done.
 * @throws {@link CommandError} when the exposure has no row after it.
 */
export async function transformExposure(
  client: SupervisorClient,
  efd: LocalEfd,
  instrument: string,
  { exposureId }: SentExposure,
  progress: Progress,
): Promise<ExposureRows> {
  const monitor = efd.monitors[instrument];
  if (!monitor) throw new CommandError(`The stack has no transformed EFD of ${instrument}; see usdf:efd.environments.`);
  progress("summarising telemetry");
  const startedMs = Date.now();
  const result = await client.runNow(monitor.namespace, monitor.name);
  const seconds = (Date.now() - startedMs) / 1000;
  const schema = `efd_${instrument.toLowerCase()}`;
  const rows = await readRows(efd.consdbUrl, schema, exposureId);
  if (rows) return { exposureId, schema, ...rows, seconds };
  throw new CommandError(
    `${monitor.namespace}/${monitor.name}: ${result}, and exposure ${exposureId} has no row in ${schema}.exposure_efd. ` +
      `See: usdf logs ${monitor.namespace}`,
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
