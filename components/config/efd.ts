import { z } from "zod";
import { objectName, resources, schedule, vaultPath, volume } from "./field";

/**
 * Transformed EFD: what its environments share is a default here, once; what differs is in `Pulumi.<stack>.yaml`. An
 * environment is one instrument of one tier, in a namespace of its name.
 */

const port = z.int().min(1).max(65535);

const influxdb = z.strictObject({
  url: z
    .url()
    .default("https://usdf-rsp.slac.stanford.edu/influxdb-enterprise-data/")
    .describe("Where it answers `query`; the standby has a path of its own."),
  user: z.string().default("efdreader").describe("Who reads; the password is in Vault."),
});

const butler = z.strictObject({
  repo: z
    .string()
    .describe(
      "Where its butler.yaml is: a path, `s3://[profile@]bucket/key`, or a label of repositoryIndex. Tasks of the queue " +
        "belong to it by this.",
    ),
  host: z.string().describe("Host of its PostgreSQL registry, where butler.yaml names none."),
  port: port.default(5432).describe("Port of the registry."),
  database: z.string().default("lsstdb1").describe("Database of the registry."),
  user: z.string().default("rubin").describe("Who reads the registry."),
  passwordField: z.string().describe("Field of `secrets.path` with that user's password."),
  s3EndpointUrl: z
    .url()
    .default("https://s3dfrgw.slac.stanford.edu/")
    .describe(
      "Object store of an `s3://` repo without profile; that of a profile is in the secret `s3-profile-<profile>`.",
    ),
});

/** A repository is where it is together with its registry and password, so that none can be chosen without the others. */
const butlers = {
  embargo: {
    repo: "s3://embargo@rubin-summit-users/butler.yaml",
    host: "usdf-butler-embargo-db-tx.sdf.slac.stanford.edu",
    passwordField: "butler-embargo-password",
  },
  public: {
    repo: "s3://rubin-summit-users/butler.yaml",
    host: "usdf-butler.slac.stanford.edu",
    passwordField: "main-butler-db-password",
  },
};

const secrets = z.strictObject({
  path: vaultPath.describe("Vault path of all secrets of the system."),
  consdbField: z
    .string()
    .default("consdb-url")
    .describe(
      "Field with the URL of the consolidated database; several separated by spaces: the first is read, all are written.",
    ),
});

const sharedFileSystem = (name: string) => ({ mountPath: `/${name.replaceAll("-", "/")}`, storageClass: name });

/** How a window is cut and read; the same for every mode. */
const chunks = {
  chunkMinutes: z.int().min(1).default(5).describe("Length of a task's window, minutes."),
  windowMinutes: z
    .int()
    .min(0)
    .default(1)
    .describe(
      "Kept with each task for today's readers; a record is read for its true span whatever this says, minutes.",
    ),
};

const cronJob = z.strictObject({
  schedule: schedule.default("*/5 * * * *").describe("When newly observed time is summarised (UTC)."),
  suspend: z.boolean().default(false).describe("Keep the CronJob, start nothing."),
  ...chunks,
  limitMinutes: z.int().min(1).default(60).describe("Longest run, minutes; the next one goes on where it ended."),
  ...resources({ requests: { cpu: "2", memory: "4Gi" }, limits: { cpu: "4", memory: "8Gi" } }),
});

const failureMonitor = z.strictObject({
  schedule: schedule
    .default("0 * * * *")
    .describe("When failed tasks are tried again and the Butler is compared (UTC)."),
  suspend: z.boolean().default(false).describe("Keep the CronJob, start nothing."),
  ...chunks,
  windowDays: z.int().min(1).default(7).describe("Days of observation that are compared with the Butler."),
  limitMinutes: z.int().min(1).default(180).describe("Longest run, minutes."),
  ...resources({ requests: { cpu: "2", memory: "4Gi" }, limits: { cpu: "4", memory: "8Gi" } }),
});

const iso = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** A time in quotes, since YAML has times of its own. */
const instant = z.string().superRefine((text, context) => {
  const [, day = ""] = iso.exec(text) ?? [];
  const dayMs = Date.parse(`${day}T00:00:00Z`);
  // Of a day that there is not, such as February 30, Date makes the next one that there is.
  const exists = !Number.isNaN(dayMs) && new Date(dayMs).toISOString().startsWith(day) && !Number.isNaN(utcMs(text));
  if (!exists)
    context.addIssue({ code: "custom", message: `is "${text}", no day and time such as "2024-10-02T02:15:00"` });
});

/** Without quotes, Pulumi takes a name such as 2024-10-02 for a time, and reads the file no further. */
const backfillName = objectName.regex(/^[a-z]/, "must begin with a letter");

const backfill = z.strictObject({
  start: instant.describe("Where it begins (UTC)."),
  end: instant.describe("Where it ends (UTC); exclusive."),
  butler: z.string().optional().describe("Which of `butlers` is asked. Default: the environment's."),
  ...chunks,
  resume: z.boolean().default(false).describe("Make no tasks: only finish those of the range that wait or failed."),
  workers: z.int().min(1).max(32).default(1).describe("Pods that share the tasks."),
  backoffLimit: z.int().min(0).default(1).describe("Pods that are started again after one failed."),
  keepSeconds: z.int().min(60).default(600).describe("How long a finished run is kept to be looked at, seconds."),
  limitHours: z.int().min(1).default(168).describe("Longest run, hours; started again it goes on where it ended."),
  ...resources({ requests: { cpu: "2", memory: "32Gi" }, limits: { cpu: "4", memory: "64Gi" } }),
});

const legacy = z.strictObject({
  rms: z.boolean().default(false).describe("rms_from_polynomial_fit as it was: without taking the fit away."),
  startOffset: z.boolean().default(false).describe("Ignore start_offset of columns, as it was."),
  zeroVisits: z.boolean().default(false).describe("Leave out zeros of unpivoted visits, as it was."),
  buckets: z
    .boolean()
    .default(false)
    .describe("Take buckets that begin within a record, as it was; not those wholly inside."),
});

export const efdEnvironmentSchema = z.strictObject({
  instrument: z.enum(["LATISS", "LSSTCam", "LSSTComCam"]).describe("Whose telemetry, columns, queue and tables."),
  columnsFile: z
    .string()
    .startsWith("/", "must be an absolute path")
    .optional()
    .describe("Column configuration in the image. Default: that of the instrument."),
  butler: z.string().default("embargo").describe("Which of `butlers` tells of exposures and visits."),
  legacy: legacy.prefault({}).describe("Results as they were before they were corrected. Default: none."),
  cronJob: cronJob.prefault({}).describe("Summarises newly observed time."),
  failureMonitor: failureMonitor.prefault({}).describe("Tries failed tasks again; finds exposures that were missed."),
  backfills: z
    .record(backfillName, backfill)
    .default({})
    .describe("Spans of the past, by name. Each is a suspended CronJob, from which a person starts a Job."),
});

/** Longest name of a CronJob: the controller appends 11 characters for its Jobs. */
const maxCronJobName = 52;

export const efdSchema = z
  .strictObject({
    kubeContext: z.string().describe("Context of the kubeconfig that every environment is in."),
    name: objectName.default("transformed-efd").describe("What names of CronJobs start with."),
    secrets: secrets.describe("Where the secrets are in Vault."),
    influxdb: influxdb.prefault({}).describe("The Engineering Facilities Database."),
    butlers: z
      .record(objectName, butler)
      .prefault(butlers)
      .describe(
        "Butler repositories by name, each with its registry and the password for it. Default: the facility's, embargo and public.",
      ),
    volumes: z
      .record(objectName, volume)
      .prefault({
        "sdf-data-rubin": sharedFileSystem("sdf-data-rubin"),
        "sdf-group-rubin": sharedFileSystem("sdf-group-rubin"),
      })
      .describe("Claims, by name, that are made and mounted to read. Default: sdf-data-rubin and sdf-group-rubin."),
    repositoryIndex: z
      .string()
      .startsWith("/", "must be an absolute path")
      .default("/sdf/group/rubin/shared/data-repos.yaml")
      .describe("File that tells where a Butler repository is that goes by a label."),
    egressPorts: z
      .array(port)
      .default([443, 5432])
      .describe("TCP ports outside the cluster that the pods may connect to: databases, object store, EFD."),
    environments: z
      .record(objectName, efdEnvironmentSchema)
      .describe("Environments by name, which is their namespace."),
  })
  .superRefine((efd, context) => {
    for (const [name, environment] of Object.entries(efd.environments)) {
      const fault = (path: string[], message: string) =>
        context.addIssue({ code: "custom", path: ["environments", name, ...path], message });
      const known = Object.keys(efd.butlers);
      const checkButler = (butler: string, path: string[]) => {
        if (!known.includes(butler)) fault(path, `is "${butler}", not one of usdf:efd.butlers (${known.join(", ")})`);
      };
      checkButler(environment.butler, ["butler"]);
      for (const [backfill, settings] of Object.entries(environment.backfills)) {
        const path = ["backfills", backfill];
        if (settings.butler !== undefined) checkButler(settings.butler, [...path, "butler"]);
        if (utcMs(settings.start) >= utcMs(settings.end))
          fault([...path, "end"], `is ${settings.end}, not after start ${settings.start}`);
        const cronJobName = `${efd.name}-${backfill}`;
        if (cronJobName.length > maxCronJobName)
          fault(path, `makes the name ${cronJobName}, longer than ${maxCronJobName}. Shorten it`);
        if (backfill === failureMonitorName) fault(path, "is the name of the failure monitor. Choose another");
      }
    }
  })
  .describe("Transformed EFD: telemetry summarised for each exposure and visit in the consolidated database.");

/** What follows the system's name in the name of the failure monitor. */
export const failureMonitorName = "failure-monitor";

/** An instant of the configuration; without a zone it is UTC. */
function utcMs(text: string): number {
  const isDay = !text.includes("T");
  return Date.parse(isDay || /(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`);
}

export type EfdConfig = z.output<typeof efdSchema>;
export type EfdEnvironment = z.output<typeof efdEnvironmentSchema>;
export type EfdBackfill = z.output<typeof backfill>;
