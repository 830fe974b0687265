import { z } from "zod";
import { choice, commonEnv, type Contract, flag, integer, seconds, text } from "../lib/contract";

/** A variable that may be empty, as today's manifests leave some. */
const optional = (about: string) => z.string().meta({ about }).default("");

/** Instruments that the reference knows, as the Butler names them. */
export const instruments = ["LATISS", "LSSTComCam", "LSSTComCamSim", "LSSTCam"] as const;
export type Instrument = (typeof instruments)[number];

const instrument = z
  .string()
  .transform((value, context): Instrument => {
    const found = instruments.find((name) => name.toLowerCase() === value.toLowerCase());
    if (found) return found;
    context.addIssue({ code: "custom", message: `is not one of ${instruments.join(", ")}` });
    return z.NEVER;
  })
  .meta({ about: `Instrument, in any case: ${instruments.join(", ")}` });

/** Environment of transform-efd. Each variable of a run has a flag too, which wins: see options.ts. */
export const transformEfdContract = {
  name: "transform-efd",
  about: "Summarises telemetry of the EFD per exposure and visit into the consolidated database; ends when done",
  env: z.object({
    ...commonEnv,
    LOG_LEVEL: optional("Level of everything, when LOG_CONFIG is not set"),
    LOGFILE: optional("File that gets a copy of the log"),
    CONFIG_FILE: text({ about: "Column configuration (YAML); builtin: the one of INSTRUMENT in the image" }).default(
      "builtin",
    ),
    INSTRUMENT: instrument,
    BUTLER_REPO: text({ about: "Butler repository: a folder, a butler.yaml, its s3:// URI, or a label of the index" }),
    MODE: choice(["job", "cronjob"], {
      about: "job: the windows from DATETIME_START to DATETIME_END; cronjob: what is due",
    }),
    RESUME: z
      .string()
      .transform((value, context) => {
        if (/^(--resume|true|1|yes)$/i.test(value)) return true;
        if (/^(false|0|no|)$/i.test(value)) return false;
        context.addIssue({ code: "custom", message: "is not --resume, true, false or empty" });
        return z.NEVER;
      })
      .meta({ about: "job: make no tasks, go on with those there are; cronjob: the same as FAILURE_MONITOR" })
      .default(false),
    FAILURE_MONITOR: flag({ about: "cronjob: repeat what failed and find records that have no row" }).default(false),
    MONITOR_WINDOW_DAYS: integer({
      about: "Days of observation that are compared with the Butler, and that cronjob looks for missing windows in",
      unit: "days",
      min: 1,
      max: 3660,
    }).default(7),
    DATETIME_START: optional("job: begin of the first window, ISO 8601; UTC unless it says otherwise"),
    DATETIME_END: optional("job: end of the last window, likewise"),
    TIMEDELTA: integer({ about: "Length of a window", unit: "minutes", min: 1, max: 1440 }).default(5),
    TIMEWINDOW: integer({
      about: "Stored with each task and otherwise unused: telemetry is read for the true span of each record",
      unit: "minutes",
      max: 1440,
    }).default(1),
    CRON_MARGIN: seconds({
      about: "cronjob: age at which a window is due, since telemetry and records come late",
    }).default(300),
    LEASE: seconds({
      about: "Time after which the task of a worker that died is taken over",
      min: 1,
      max: 3600,
    }).default(60),

    EFD: optional("Base URL of the EFD, e.g. http://host:8086; empty: made of EFD_HOST, EFD_PORT and EFD_PATH"),
    EFD_HOST: text({ about: "Host of the EFD, by https" }).default("usdf-rsp.slac.stanford.edu"),
    EFD_PORT: integer({ about: "Port of the EFD", min: 1, max: 65535 }).default(443),
    EFD_PATH: optional("Path of the EFD").default("/influxdb-enterprise-data/"),
    EFD_USERNAME: text({ about: "User of the EFD" }).default("efdreader"),
    EFD_DIALECT: choice(["influxql", "flux"], { about: "Language of the questions" }).default("influxql"),
    EFD_DATABASE: text({ about: "Database of the EFD (flux: bucket)" }).default("efd"),
    EFD_RETENTION: text({ about: "Retention policy of that database (influxql)" }).default("autogen"),
    EFD_ORG: text({ about: "Organisation of the bucket (flux)" }).default("efd"),
    EFD_CONCURRENCY: integer({ about: "Requests to the EFD at the same time", min: 1, max: 64 }).default(8),
    EFD_TIMEOUT: seconds({ about: "Longest time of one request to the EFD", min: 1 }).default(60),

    PGHOST: optional("Host of the Butler's registry, where butler.yaml names none"),
    PGPORT: integer({ about: "Port of that registry", min: 1, max: 65535 }).default(5432),
    PGUSER: optional("User of that registry"),
    PGDATABASE: optional("Database of that registry, where butler.yaml names none"),
    DAF_BUTLER_REPOSITORY_INDEX: optional("File of labels of Butler repositories"),
    S3_ENDPOINT_URL: optional("S3 endpoint of a BUTLER_REPO without a profile"),
    S3_TIMEOUT: seconds({ about: "Longest time of one S3 request", min: 0.1 }).default(10),

    LEGACY_RMS: flag({
      about: "rms_from_polynomial_fit as the reference computes it: without taking the fit off",
    }).default(false),
    LEGACY_START_OFFSET: flag({ about: "Ignore start_offset, as the reference does" }).default(false),
    LEGACY_ZERO_VISITS: flag({ about: "Drop values of 0 from visit1_efd_unpivoted, as the reference does" }).default(
      false,
    ),
    LEGACY_BUCKETS: flag({
      about: "Pre-aggregated columns: take buckets by their begin, as the reference does",
    }).default(false),
  }),
  secrets: z.object({
    CONSDB_URL: text({
      about: "URL of the consolidated database; more, separated by spaces, are secondaries that get every row too",
    }),
    EFD_PASSWORD: text({ about: "Password of EFD_USERNAME" }).optional(),
    EFD_TOKEN: text({ about: "Token of an InfluxDB 2, in place of user and password" }).optional(),
    PGPASSWORD: text({ about: "Password of PGUSER" }).optional(),
    AWS_ACCESS_KEY_ID: text({ about: "S3 access key of a BUTLER_REPO without a profile" }).optional(),
    AWS_SECRET_ACCESS_KEY: text({ about: "S3 secret key of a BUTLER_REPO without a profile" }).optional(),
  }),
  families: [
    {
      prefix: "LSST_RESOURCES_S3_PROFILE_",
      about: "Endpoint and keys of an S3 profile: https://ACCESS:SECRET@host",
      secret: true,
    },
  ],
  httpPort: 8000,
  longestStepSeconds: 20,
  runs: "to-completion",
} as const satisfies Contract;
