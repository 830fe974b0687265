import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Pool } from "pg";
import { to as copyTo } from "pg-copy-streams";
import { telemetry, type Topic, writeTelemetry } from "../../local/efd/telemetry";
import { type RunningInfluxdb, type RunningPostgres, startInfluxdb, startPostgres } from "../../local/services";
import { taiNsOf } from "../../workloads/src/lib/tai";
import type { Span } from "../../workloads/src/transform-efd/model";
import { testAddress, testFolder } from "../support/network";
import { buildWorkloads, root } from "../support/pod";
import { rssMb } from "./harness";

const password = "bench-efd-1";
const token = "bench-efd-token";
const tables = ["exposure_efd", "visit1_efd", "exposure_efd_unpivoted", "visit1_efd_unpivoted"];
/** Longest time of one run. */
const runLimitMs = 9 * 60_000;

/** What one process of transform-efd did. */
export interface EfdRun {
  readonly wallMs: number;
  readonly peakRssMb: number;
  /** Its last line of output. */
  readonly report: { readonly created: number; readonly completed: number; readonly failed: number; readonly exposures: number; readonly visits: number }; // prettier-ignore
}

/** What one process of the bare client did. */
export interface BareRun {
  readonly wallMs: number;
  /** Of the answers. */
  readonly bytes: number;
}

/** A request as it was sent. */
export interface Sent {
  readonly path: string;
  readonly body: string;
}

/** InfluxDB, the consolidated database and a registry with exposures, for transform-efd of LSSTCam. */
export class EfdStand {
  private runs = 0;

  private constructor(
    private readonly folder: ReturnType<typeof testFolder>,
    readonly influxdb: RunningInfluxdb,
    private readonly postgres: RunningPostgres,
    readonly pool: Pool,
  ) {}

  static async start(): Promise<EfdStand> {
    const folder = testFolder("bench-efd");
    const address = testAddress(71);
    const [influxdb, postgres] = await Promise.all([
      startInfluxdb({ dir: join(folder.dir, "influx"), address, password, token }),
      startPostgres({ dir: join(folder.dir, "postgres"), address, password, databases: ["consdb"] }),
      buildWorkloads(),
    ]);
    const pool = new Pool({ connectionString: postgres.url("consdb"), max: 8 });
    const columns = "instrument text, id bigint, day_obs bigint, seq_num bigint, timespan int8range";
    await pool.query(`create schema butler; create table butler.exposure (${columns}); create table butler.visit (${columns})`); // prettier-ignore
    const registry = `registry:\n  db: ${postgres.url("consdb")}\n  namespace: butler\n`;
    writeFileSync(join(folder.dir, "butler.yaml"), registry, { mode: 0o600 });
    return new EfdStand(folder, influxdb, postgres, pool);
  }

  /** Exposures, and visits of the same spans, one every `everySeconds`. */
  async addRecords(count: number, firstNs: bigint, everySeconds: number, dayObs: number): Promise<void> {
    const spans = Array.from({ length: count }, (_, i) => firstNs + BigInt(i * everySeconds) * 1_000_000_000n);
    const values = spans.map((beginNs, i) => `('LSSTCam', ${dayObs * 100_000 + i + 1}, ${dayObs}, ${i + 1}, int8range(${taiNsOf(beginNs)}, ${taiNsOf(beginNs + 30_000_000_000n)}))`); // prettier-ignore
    for (const table of ["exposure", "visit"])
      await this.pool.query(`insert into butler.${table} values ${values.join(",")}`);
  }

  async write(topics: readonly Topic[], span: Span): Promise<void> {
    const { url, org, bucket } = this.influxdb;
    await writeTelemetry({ url, org, bucket, token }, telemetry({ topics, span }));
  }

  /** Runs the program once over a range, in job mode. */
  async job(
    range: { start: string; end: string; minutes: number },
    { efd = this.influxdb.url, host = 72 } = {},
  ): Promise<EfdRun> {
    const name = `run-${++this.runs}`;
    const args = [join(root, "workloads/dist/transform-efd.js"), "-m", "job", "-i", "LSSTCam", "-r", this.folder.dir];
    args.push("-s", range.start, "-e", range.end, "-t", String(range.minutes), "-E", efd);
    const env = {
      PATH: process.env.PATH,
      CONSDB_URL: this.postgres.url("consdb"),
      EFD_PASSWORD: password,
      HTTP_HOST: testAddress(host),
      POD_NAME: name,
      LOG_LEVEL: "ERROR",
    };
    const started = performance.now();
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    const output: Buffer[] = [];
    child.stdout.on("data", (piece: Buffer) => output.push(piece));
    const { code, peakRssMb } = await ended(child);
    const lines = Buffer.concat(output).toString().trim().split("\n");
    if (code !== 0) throw new Error(`transform-efd ended with ${code ?? "a signal"}: ${lines.slice(-5).join("\n")}`);
    return { wallMs: performance.now() - started, peakRssMb, report: JSON.parse(lines.at(-1)!) as EfdRun["report"] };
  }

  /** Forgets tasks and rows, so that the next run finds nothing done. */
  async forget(): Promise<void> {
    await this.pool.query(
      `truncate efd_scheduler.lsstcam, ${tables.map((table) => `efd_lsstcam.${table}`).join(", ")}`,
    );
  }

  /** Writes the rows that are stored now into files, in COPY's form. @returns Files by table. */
  async rows(): Promise<Record<string, string>> {
    const client = await this.pool.connect();
    try {
      const files = tables.map((table) => [`efd_lsstcam.${table}`, join(this.folder.dir, `${table}.copy`)] as const);
      for (const [table, file] of files)
        await pipeline(client.query(copyTo(`copy ${table} to stdout`)), createWriteStream(file));
      return Object.fromEntries(files);
    } finally {
      client.release();
    }
  }

  /** Runs the bare client once, a process too: the same requests and rows, nothing else. */
  async bare(sent: readonly Sent[], rows: Readonly<Record<string, string>>): Promise<BareRun> {
    const { url, username } = this.influxdb;
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    const task = { influxdb: url, authorization, sent, consdb: this.postgres.url("consdb"), rows };
    const started = performance.now();
    const child = spawn(process.execPath, [join(__dirname, "bare/efd.mjs")], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.end(JSON.stringify(task)); // no argument: it holds passwords
    const output: Buffer[] = [];
    child.stdout.on("data", (piece: Buffer) => output.push(piece));
    const { code } = await ended(child);
    if (code !== 0) throw new Error(`the bare client ended with ${code ?? "a signal"}`);
    return { wallMs: performance.now() - started, bytes: Number(Buffer.concat(output).toString()) };
  }

  async stop(): Promise<void> {
    await this.pool.end();
    await Promise.all([this.influxdb.stop(), this.postgres.stop()]);
    this.folder.remove();
  }
}

/** Waits for a process and looks at its memory meanwhile. */
async function ended(child: ChildProcess): Promise<{ code: number | null; peakRssMb: number }> {
  let peakRssMb = 0;
  const look = setInterval(() => {
    try {
      peakRssMb = Math.max(peakRssMb, rssMb(child.pid!, true));
    } catch {
      // it has just ended
    }
  }, 20);
  const limit = setTimeout(() => child.kill("SIGKILL"), runLimitMs);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearInterval(look);
  clearTimeout(limit);
  return { code, peakRssMb };
}
