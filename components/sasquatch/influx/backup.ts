import * as pulumi from "@pulumi/pulumi";
import {
  incomingFolder,
  influxdbBackupContract,
  outgoingFolder,
} from "../../../workloads/src/influxdb-backup/contract";
import type { InfluxdbConfig } from "../../config";
import {
  type Container,
  envVars,
  type PodUser,
  portOf,
  program,
  usdfImage,
  volumeClaim,
  Workload,
  type WorkloadArgs,
} from "../../platform";
import { clusterName, type Environment, identity, secretKey } from "../environment";
import { metaAddress } from "./enterprise";
import { influxUser, instancesOf, instanceUrl, ports } from "./instance";
import { influxFields, personalUser } from "./names";
import { imageOf } from "./settings";

type BackupConfig = NonNullable<InfluxdbConfig["backup"]>;
type Mode = "backup" | "restore" | "check";

const mount = "/backup";
const claim = `${clusterName}-influxdb-backup`;
/** A day that no calendar has: the suspended CronJob starts nothing, even if somebody resumes it. */
const never = "0 0 31 2 *";
const resources = { requests: { cpu: "500m", memory: "512Mi" }, limits: { cpu: "2", memory: "2Gi" } };
const volumeMounts = [{ name: "backup", mountPath: mount }];

/** What one item needs of its pods. */
interface Item {
  readonly name: "influxdb" | "chronograf" | "kapacitor";
  readonly user: PodUser;
  readonly container: (mode: Mode) => Container;
  /** A program of others that writes the backup, and one that reads it. */
  readonly tool?: { readonly backup: Container; readonly restore: Container };
  readonly pod: Pick<WorkloadArgs, "volumes" | "near" | "reaches">;
}

/**
 * Backups of an environment: for InfluxDB, Chronograf and Kapacitor one run a night, each checked and sealed with sums of all
 * files, and a suspended CronJob that a person starts a restore from
 * (`kubectl create job --from=cronjob/sasquatch-influxdb-restore NAME`). A run that fails anywhere ends as failed and leaves
 * no backup. Editions of InfluxDB before 2 are read and written by their own tools.
 */
export class Backup extends pulumi.ComponentResource {
  constructor(environment: Environment, settings: BackupConfig, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-influxdb-backup`;
    super("usdf:sasquatch:Backup", name, {}, opts);
    const { schedule, suspend, limitHours, size, storageClass } = settings;
    const { chronograf, kapacitor } = environment.settings;
    volumeClaim(
      name,
      {
        namespace: environment.namespace,
        name: claim,
        // The items are backed up where their own volumes are, each on its node.
        volume: { size, storageClass, accessMode: "ReadWriteMany" },
        protect: environment.platform.protectData,
      },
      this,
    );
    const items = [
      influxdbItem(environment, settings),
      ...(chronograf ? [fileItem(environment, settings, "chronograf", "chronograf-v1.db")] : []),
      ...(kapacitor ? [fileItem(environment, settings, "kapacitor", "kapacitor.db")] : []),
    ];
    const run = { kind: "CronJob" as const, limitSeconds: limitHours * 3600, backoffLimit: 0 };
    for (const { name: item, user, container, tool, pod } of items) {
      const volumes = [{ name: "backup", persistentVolumeClaim: { claimName: claim } }, ...(pod.volumes ?? [])];
      new Workload(
        `${environment.prefix}-${item}-backup`,
        {
          ...identity(environment, `${item}-backup`),
          ...pod,
          volumes,
          user,
          run: { ...run, schedule, suspend, keepsSuccessful: 3 },
          initContainers: tool && [tool.backup],
          container: container("backup"),
        },
        { parent: this },
      );
      new Workload(
        `${environment.prefix}-${item}-restore`,
        {
          ...identity(environment, `${item}-restore`),
          ...pod,
          volumes,
          user,
          run: { ...run, schedule: never, suspend: true },
          initContainers: tool && [container("check")],
          container: tool?.restore ?? container("restore"),
        },
        { parent: this },
      );
    }
    this.registerOutputs();
  }
}

const tools = {
  "1": { backup: "influxd backup -portable -host", restore: "influxd restore -portable -host" },
  enterprise: { backup: "influxd-ctl -bind", restore: "influxd-ctl -bind" },
};

function influxdbItem(environment: Environment, { keepDays }: BackupConfig): Item {
  const { influxdb } = environment.settings;
  const { edition } = influxdb;
  const [active] = instancesOf(environment);
  const url = instanceUrl(active!);
  const isTwo = edition === "2";
  const container = (mode: Mode) =>
    program(influxdbBackupContract, {
      image: usdfImage.workloads,
      env: {
        MODE: mode,
        BACKUP_DIR: `${mount}/influxdb`,
        INFLUXDB_URL: isTwo ? url : undefined,
        INFLUXDB_ORG: isTwo ? influxdb.org : undefined,
        INFLUXDB_ADMIN_TOKEN: isTwo ? secretKey(influxFields.adminToken) : undefined,
        INCOMING: isTwo ? undefined : "influxdb",
        KEEP_DAYS: keepDays,
      },
      resources,
      volumeMounts,
    });
  const pod = { reaches: [{ peers: "anyone" as const, ports: [portOf(url), ports.rpc, ports.meta] }] };
  const item = { name: "influxdb" as const, user: influxUser(edition), container, pod };
  if (edition === "2") return item;
  const isEnterprise = edition === "enterprise";
  const { backup, restore } = tools[edition];
  const theirs = (name: string, script: string): Container => ({
    name,
    image: imageOf(influxdb, isEnterprise ? "meta" : "data"),
    command: ["sh", "-c", `set -eu\n${script}`],
    env: envVars({
      SERVER: isEnterprise ? metaAddress(active!.component) : `${clusterName}-${active!.component}:${ports.rpc}`,
      INCOMING: `${mount}/influxdb/${incomingFolder}/influxdb`,
      OUTGOING: `${mount}/influxdb/${outgoingFolder}/influxdb`,
    }),
    probes: {},
    resources,
    volumeMounts,
    metrics: false,
    restricted: true,
    longestStepSeconds: 30,
  });
  const dump = `${backup} "$SERVER"${isEnterprise ? " backup -strategy full" : ""} "$INCOMING"`;
  // Both tools refuse a database that is there already.
  const load = `${restore} "$SERVER"${isEnterprise ? " restore" : ""} "$OUTGOING"`;
  return {
    ...item,
    tool: {
      backup: theirs("dump", `rm -rf "$INCOMING"\nmkdir -p "$INCOMING"\n${dump}`),
      restore: theirs("restore", load),
    },
  };
}

/** A file that a program keeps open: it is copied on the node that has its volume. */
function fileItem(
  environment: Environment,
  { keepDays }: BackupConfig,
  name: "chronograf" | "kapacitor",
  file: string,
): Item {
  const container = (mode: Mode) =>
    program(influxdbBackupContract, {
      image: usdfImage.workloads,
      env: {
        MODE: mode,
        BACKUP_DIR: `${mount}/${name}`,
        COPIES: `${name}=/data/${file}`,
        KEEP_DAYS: keepDays,
      },
      resources,
      volumeMounts: [...volumeMounts, { name: "data", mountPath: "/data", readOnly: mode === "backup" }],
    });
  return {
    name,
    user: personalUser,
    container,
    pod: {
      volumes: [{ name: "data", persistentVolumeClaim: { claimName: `data-${clusterName}-${name}-0` } }],
      near: identity(environment, name).selector,
    },
  };
}
