import * as pulumi from "@pulumi/pulumi";
import {
  incomingFolder,
  influxdbBackupContract,
  outgoingFolder,
} from "../../../workloads/src/influxdb-backup/contract";
import type { InfluxdbConfig } from "../../config";
import { type Container, envVars, portOf, program, usdfImage, volumeClaim, Workload } from "../../platform";
import { clusterName, type Environment, identity, secretKey } from "../environment";
import { metaAddress } from "./enterprise";
import { influxUser, instancesOf, instanceUrl, ports } from "./instance";
import { influxFields } from "./names";
import { imageOf } from "./settings";

type BackupConfig = NonNullable<InfluxdbConfig["backup"]>;

const folder = "/backup";
const claim = `${clusterName}-influxdb-backup`;
/** A day that no calendar has: the suspended CronJob starts nothing, even if somebody resumes it. */
const never = "0 0 31 2 *";

/**
 * Backups of the environment's InfluxDB: one run a night, each checked and sealed with sums of all files, and a suspended
 * CronJob that a person starts a restore from (`kubectl create job --from=cronjob/sasquatch-influxdb-restore NAME`). A run
 * that fails anywhere ends as failed and leaves no backup. Editions before 2 are read and written by their own tools.
 */
export class Backup extends pulumi.ComponentResource {
  /** Name of the CronJob that a restore is started from. */
  readonly restoreCronJob: string;

  constructor(environment: Environment, settings: BackupConfig, opts?: pulumi.ComponentResourceOptions) {
    const component = "influxdb-backup";
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:Backup", name, {}, opts);
    const { influxdb } = environment.settings;
    const { schedule, suspend, keepDays, limitHours, size, storageClass } = settings;
    const [active] = instancesOf(environment);
    const isTwo = influxdb.edition === "2";
    const url = instanceUrl(active!);
    volumeClaim(
      name,
      {
        namespace: environment.namespace,
        name: claim,
        volume: { size, storageClass, accessMode: "ReadWriteOnce" },
        protect: environment.platform.protectData,
      },
      this,
    );
    const own = identity(environment, component);
    const resources = { requests: { cpu: "500m", memory: "512Mi" }, limits: { cpu: "2", memory: "2Gi" } };
    const volumeMounts = [{ name: "backup", mountPath: folder }];
    const ours = (mode: "backup" | "restore" | "check") =>
      program(influxdbBackupContract, {
        image: usdfImage.workloads,
        env: {
          MODE: mode,
          BACKUP_DIR: folder,
          INFLUXDB_URL: isTwo ? url : undefined,
          INFLUXDB_ORG: isTwo ? influxdb.org : undefined,
          INFLUXDB_ADMIN_TOKEN: isTwo ? secretKey(influxFields.adminToken) : undefined,
          INCOMING: isTwo ? undefined : "influxdb",
          KEEP_DAYS: keepDays,
        },
        resources,
        volumeMounts,
      });
    const theirs = (what: string, script: string): Container => ({
      name: what,
      image: imageOf(influxdb, influxdb.edition === "enterprise" ? "meta" : "data"),
      command: ["sh", "-c", `set -eu\n${script}`],
      env: envVars({
        SERVER:
          influxdb.edition === "enterprise"
            ? metaAddress(active!.component)
            : `${own.metadataName.replace(/-backup$/, "")}:${ports.rpc}`,
        INCOMING: `${folder}/${incomingFolder}/influxdb`,
        OUTGOING: `${folder}/${outgoingFolder}/influxdb`,
      }),
      probes: {},
      resources,
      volumeMounts,
      metrics: false,
      restricted: true,
      longestStepSeconds: 30,
    });
    const tools = {
      "1": { backup: 'influxd backup -portable -host "$SERVER"', restore: 'influxd restore -portable -host "$SERVER"' },
      enterprise: { backup: 'influxd-ctl -bind "$SERVER" backup -strategy full', restore: 'influxd-ctl -bind "$SERVER" restore' }, // prettier-ignore
    };
    const tool = influxdb.edition === "2" ? undefined : tools[influxdb.edition];
    const shared = {
      ...own,
      volumes: [{ name: "backup", persistentVolumeClaim: { claimName: claim } }],
      user: influxUser(influxdb.edition),
      reaches: [{ peers: "anyone" as const, ports: [portOf(url), ports.rpc, ports.meta] }],
    };
    const run = { kind: "CronJob" as const, limitSeconds: limitHours * 3600, backoffLimit: 0 };
    new Workload(
      name,
      {
        ...shared,
        run: { ...run, schedule, suspend, keepsSuccessful: 3 },
        initContainers: tool && [
          theirs("dump", `rm -rf "$INCOMING"\nmkdir -p "$INCOMING"\n${tool.backup} "$INCOMING"`),
        ],
        container: ours("backup"),
      },
      { parent: this },
    );
    this.restoreCronJob = `${clusterName}-influxdb-restore`;
    new Workload(
      `${environment.prefix}-influxdb-restore`,
      {
        ...shared,
        ...identity(environment, "influxdb-restore"),
        run: { ...run, schedule: never, suspend: true },
        initContainers: tool && [ours("check")],
        // The tools refuse a database that is there already.
        container: tool ? theirs("restore", `${tool.restore} "$OUTGOING"`) : ours("restore"),
      },
      { parent: this },
    );
    this.registerOutputs({ restoreCronJob: this.restoreCronJob });
  }
}
