import { z } from "zod";
import { commonEnv, type Contract, type EnvOf, integer, seconds, text } from "../lib/contract";
import { recordEnv, recordSecrets } from "../lib/recordContract";
import { storeEnv, storeFamilies, storeSecrets } from "../lib/storeContract";

/** Writes topics of Avro records to hourly Parquet files in S3. */
export const parquetSinkContract = {
  name: "parquet-sink",
  about: "Writes topics of Avro records to hourly Parquet files in S3, each record to exactly one file.",
  env: z.object({
    ...commonEnv,
    ...recordEnv,
    BUCKET: text({ about: "S3 bucket, `[profile@][tenant:]bucket`; it must exist" }),
    TOPICS_DIR: text({ about: "What the keys begin with; no slash at its ends" }).default("topics"),
    S3_ENDPOINT_URL: storeEnv.S3_ENDPOINT_URL,
    S3_CONCURRENCY: integer({ about: "Requests to S3 at the same time", min: 1, max: 256 }).default(8),
    S3_TIMEOUT: seconds({ about: "Longest time of one S3 request", min: 0.1 }).default(30),
    ROTATE_SECONDS: seconds({
      about: "Records wait for their file at most so long, by the clock; so an idle topic is stored too",
      min: 0.1,
    }).default(600),
    FLUSH_RECORDS: integer({ about: "Records of a partition that wait for their files at most", min: 1 }).default(
      500_000,
    ),
    FLUSH_BYTES: integer({
      about: "Memory for the records of one partition that wait for their files",
      unit: "bytes",
      min: 1_000,
    }).default(33_554_432),
    MAX_BUFFER_BYTES: integer({
      about: "Memory for all records that wait for their files; past it the largest files are written first",
      unit: "bytes",
      min: 10_000,
    }).default(134_217_728),
    MAX_OPEN_FILES: integer({
      about: "Hours, and schemas of an hour, that a partition's records wait for at the same time",
      min: 1,
      max: 1_000,
    }).default(24),
  }),
  secrets: z.object({ ...recordSecrets, ...storeSecrets }),
  families: storeFamilies,
  httpPort: 8000,
  longestStepSeconds: 40,
  runs: "until-stopped",
} as const satisfies Contract;

export type ParquetSinkEnv = EnvOf<typeof parquetSinkContract>;
