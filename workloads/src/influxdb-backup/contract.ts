import { z } from "zod";
import type { Contract, EnvOf } from "../lib/contract";
import { choice, commonEnv, flag, integer, list, seconds, text } from "../lib/contract";

/** Folder of an item that a container before this one has filled: `<BACKUP_DIR>/incoming/<item>`. */
export const incomingFolder = "incoming";
/** Folder that a checked backup is put into for the container after this one: `<BACKUP_DIR>/outgoing/<item>`. */
export const outgoingFolder = "outgoing";

/** Backs up InfluxDB and what stands around it; checks and restores a backup. */
export const influxdbBackupContract = {
  name: "influxdb-backup",
  about:
    "Keeps checked backups: buckets of an InfluxDB 2 by its API, what other editions' own tools wrote, files of Chronograf and Kapacitor. Restores them.",
  env: z.object({
    ...commonEnv,
    MODE: choice(["backup", "restore", "check"], {
      about: "backup; restore = check, then restore; check = check, and hand out to the tool that comes after",
    }),
    BACKUP_DIR: text({ about: "Folder of all backups" }),
    INFLUXDB_URL: text({ about: "Base URL of the InfluxDB 2; absent: it is backed up by its own tool" }).optional(),
    INFLUXDB_ORG: text({ about: "Organisation of the buckets" }).default("efd"),
    INCOMING: list({ about: "backup: items that another program has put into `incoming/<item>`" }).default([]),
    COPIES: list({ about: "Files to copy, and to put back, as `<item>=<file>`" }).default([]),
    KEEP_DAYS: integer({ about: "How long a backup is kept; the newest is always kept", unit: "days", min: 1 }).default(
      7,
    ),
    BACKUP: text({ about: "restore, check: name of the backup, or latest" }).default("latest"),
    BUCKETS: list({ about: "restore: only these buckets; empty = all of the backup" }).default([]),
    OVERWRITE: flag({
      about:
        "restore: a bucket with points in it, or a file, is renamed and kept, and the one of the backup takes its place",
    }).default(false),
    REQUEST_TIMEOUT: seconds({ about: "Longest time of one request; a shard is one", min: 1 }).default(3600),
    WAIT: seconds({ about: "How long an InfluxDB that does not answer is waited for", max: 3600 }).default(60),
  }),
  secrets: z.object({
    INFLUXDB_ADMIN_TOKEN: text({ about: "InfluxDB 2: token that may do everything" }).optional(),
  }),
  httpPort: 8000,
  longestStepSeconds: 30,
  runs: "to-completion",
} as const satisfies Contract;

export type InfluxdbBackupEnv = EnvOf<typeof influxdbBackupContract>;
