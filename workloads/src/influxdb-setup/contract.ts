import { z } from "zod";
import type { Contract, EnvOf } from "../lib/contract";
import { choice, commonEnv, flag, json, seconds, text } from "../lib/contract";

/** Retention policy that every database has, and that clients of the EFD name in their queries. */
export const retentionPolicy = "autogen";

/** Shortest retention that InfluxDB 2 takes, seconds. */
export const minRetentionSeconds = 3600;

const bucket = z.strictObject({
  name: z.string().min(1),
  /** 0 = infinite. */
  retentionSeconds: z.int().min(0),
  shardGroupSeconds: z.int().min(3600),
  /** Whether points may go at once, where the server keeps them for longer today. */
  allowShorterRetention: z.boolean().default(false),
});

const user = z.strictObject({
  /** Its password is in `INFLUXDB_PASSWORD_<name>`. */
  name: z.string().min(1),
  /** Buckets. */
  reads: z.array(z.string()).default([]),
  writes: z.array(z.string()).default([]),
});

const rung = z.strictObject({
  /** Bucket that is read: one of raw points, or another rung. */
  from: z.string(),
  to: z.string(),
  everySeconds: z.int().min(60),
});

const deadman = z.strictObject({
  bucket: z.string(),
  /** A measurement that has been silent for so long is told of. */
  afterSeconds: z.int().min(60),
});

/** What shall be in an InfluxDB. What is there besides is told of and left alone. */
export const desiredStateSchema = z
  .strictObject({
    /** Database = bucket, with retention policy {@link retentionPolicy}. */
    buckets: z.array(bucket).min(1),
    users: z.array(user).default([]),
    /** InfluxDB 2: the ladder of statistics, each rung after the one it is made of. */
    rungs: z.array(rung).default([]),
    /** InfluxDB 2. */
    deadmen: z.array(deadman).default([]),
  })
  .superRefine((state, context) => {
    const fault = (message: string) => context.addIssue({ code: "custom", message });
    const names = state.buckets.map(({ name }) => name);
    for (const list of [names, state.users.map(({ name }) => name), state.rungs.map(({ to }) => to)])
      for (const name of list.filter((one, index) => list.indexOf(one) !== index)) fault(`is twice there: ${name}`);
    const used = [
      ...state.users.flatMap(({ reads, writes }) => [...reads, ...writes]),
      ...state.rungs.flatMap(({ from, to }) => [from, to]),
      ...state.deadmen.map(({ bucket: one }) => one),
    ];
    for (const name of new Set(used.filter((one) => !names.includes(one))))
      fault(`names bucket ${name}, not in buckets`);
  });

export type DesiredState = z.output<typeof desiredStateSchema>;
export type Rung = z.output<typeof rung>;
export type Deadman = z.output<typeof deadman>;

/** Makes buckets, names of 1.x (DBRP), users and tasks of an InfluxDB what the stack declares; deletes no data. */
export const influxdbSetupContract = {
  name: "influxdb-setup",
  about:
    "Makes buckets, databases, users and tasks of an InfluxDB what the stack declares, tells of what is there besides, and deletes no data.",
  env: z.object({
    ...commonEnv,
    INFLUXDB_URL: text({ about: "Base URL of the InfluxDB" }),
    INFLUXDB_EDITION: choice(["1", "2", "enterprise"], { about: "Which InfluxDB it is" }),
    INFLUXDB_ORG: text({ about: "InfluxDB 2: organisation" }).default("efd"),
    INFLUXDB_REPLICATION: z
      .union([z.number(), z.string().regex(/^\d+$/, "is not a whole number")])
      .transform(Number)
      .pipe(z.number().int().min(1))
      .meta({ about: "Enterprise: copies of each shard" })
      .default(1),
    INFLUXDB_ADMIN_USERNAME: text({ about: "Who may do everything; made at the first run" }).default("admin"),
    DESIRED_STATE: json(desiredStateSchema, {
      about: "Buckets, users, rungs of the ladder and deadman checks, as JSON",
    }),
    DRY_RUN: flag({ about: "Say what would be changed, and change nothing" }).default(false),
    REQUEST_TIMEOUT: seconds({ about: "Longest time of one request", min: 1, max: 600 }).default(20),
    WAIT: seconds({ about: "How long an InfluxDB that does not answer is waited for", max: 3600 }).default(60),
  }),
  secrets: z.object({
    INFLUXDB_ADMIN_PASSWORD: text({ about: "Password of INFLUXDB_ADMIN_USERNAME" }),
    INFLUXDB_ADMIN_TOKEN: text({ about: "InfluxDB 2: token that may do everything" }).optional(),
  }),
  families: [
    { prefix: "INFLUXDB_PASSWORD_", about: "Password of a user of DESIRED_STATE, 8 to 72 bytes", secret: true },
  ],
  httpPort: 8000,
  longestStepSeconds: 30,
  runs: "to-completion",
} as const satisfies Contract;

export type InfluxdbSetupEnv = EnvOf<typeof influxdbSetupContract>;
