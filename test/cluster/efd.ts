/** The transformed EFD on the node: one instrument, with an InfluxDB beside the cluster on the machine. */
import { join } from "node:path";
import type { SentExposure } from "../../local/camera";
import { telemetry, topicsOf, writeTelemetry } from "../../local/efd/telemetry";
import { type RunningInfluxdb, type RunningPostgres, startInfluxdb } from "../../local/services";
import { loadColumns } from "../../workloads/src/transform-efd/columns";
import { differences, expectedFor, spanIn, storedFor } from "../support/summaries";
import type { Node } from "./node";

/** Environment, and so namespace. */
const environment = "summit-lsstcam";
const instrument = "LSSTCam";
const vaultPath = "secret/rubin/usdf-consdb/transformed-efd";
const backfill = "june";
const keys = { password: "cluster-influxdb", token: "cluster-influxdb-token" };
/** Topics that have telemetry here: a mean of many devices, fits, and buckets of the server. The others have none. */
const played = new Set(["lsst.sal.ESS.temperature", "lsst.sal.MTMount.encoder", "lsst.sal.MTM2.axialForce"]);
const marginNs = 3_000_000_000n;

/** An instrument's environment, of which only the CronJob of a back-fill is run. */
export class ClusterEfd {
  private constructor(
    readonly influxdb: RunningInfluxdb,
    private readonly postgres: RunningPostgres,
  ) {}

  /** @param postgres - With databases `embargo`, the registry, and `consdb`. */
  static async start(dir: string, address: string, postgres: RunningPostgres): Promise<ClusterEfd> {
    return new ClusterEfd(await startInfluxdb({ dir: join(dir, "influxdb"), address, ...keys }), postgres);
  }

  /** `usdf:efd`. @param repo - The Butler's. */
  config(repo: string): object {
    const { host, port, user } = this.postgres;
    const resources = { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "2", memory: "400Mi" } };
    return {
      kubeContext: "local",
      secrets: { path: vaultPath },
      influxdb: { url: this.influxdb.url },
      butlers: { embargo: { repo, host, port, database: "embargo", user, passwordField: "butler-embargo-password" } },
      volumes: {},
      environments: {
        [environment]: {
          instrument,
          cronJob: { suspend: true },
          failureMonitor: { suspend: true },
          // The camera's exposures begin at noon.
          backfills: { [backfill]: { start: "2026-06-03T12:00:00", end: "2026-06-03T12:05:00", ...resources } },
        },
      },
    };
  }

  /** Values of its secrets, by Vault path and field. @param profile - URL of the object store with keys. */
  secrets(profile: string): Record<string, string> {
    const fields = {
      "consdb-url": this.postgres.url("consdb"),
      "usdf-efd-password": keys.password,
      "butler-embargo-password": this.postgres.password,
      "s3-profile-embargo": profile,
    };
    return Object.fromEntries(Object.entries(fields).map(([field, value]) => [`${vaultPath}#${field}`, value]));
  }

  /** Starts the back-fill as a person would, and waits for its end. @returns What the program says of it. */
  runBackfill(node: Node): object {
    const kubectl = (...args: string[]) => node.kubectl("--namespace", environment, ...args);
    kubectl("create", "job", backfill, `--from=cronjob/transformed-efd-${backfill}`);
    try {
      kubectl("wait", "--for=condition=Complete", `job/${backfill}`, "--timeout=180s");
    } catch (error) {
      throw new Error(node.logs(environment, `job-name=${backfill}`), { cause: error });
    }
    return JSON.parse(kubectl("logs", `job/${backfill}`).match(/^\{"created".*$/m)![0]) as object;
  }

  /** Writes telemetry over the time of an exposure. */
  async fill({ exposureId }: SentExposure): Promise<void> {
    const { columns } = await loadColumns("builtin", instrument);
    const topics = topicsOf(columns).filter(({ name }) => played.has(name));
    const { beginNs, endNs } = await spanIn(this.postgres.url("embargo"), exposureId);
    const span = { beginNs: beginNs - marginNs, endNs: endNs + marginNs };
    await writeTelemetry(this.influxdb, telemetry({ topics, span }));
  }

  /** What is stored of an exposure and should be: values that differ by more than rounding, and how many were compared. */
  async compare({ exposureId }: SentExposure): Promise<{ wrong: unknown[]; compared: number }> {
    const stored = await storedFor(this.postgres.url("consdb"), "efd_lsstcam", exposureId);
    const span = await spanIn(this.postgres.url("embargo"), exposureId);
    const expected = await expectedFor(instrument, span, played);
    return { wrong: differences(stored, expected), compared: expected.size };
  }

  stop(): Promise<void> {
    return this.influxdb.stop();
  }
}
