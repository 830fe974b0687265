import { z } from "zod";

/** Long-term storage of a client besides its bucket. */

export const parquetSink = z
  .strictObject({
    bucket: z.string().describe("S3 bucket; it must exist."),
    endpointUrl: z.url().default("https://s3dfrgw.slac.stanford.edu/").describe("Object store."),
    prefix: z.string().default("topics").describe("What the keys begin with."),
    sink: z
      .enum(["parquet-sink", "s3-sink"])
      .default("parquet-sink")
      .describe("Who writes them: parquet-sink = ours; s3-sink = Kafka Connect with a KafkaConnector."),
  })
  .describe("Hourly Parquet files of its topics in S3. Default: none.");

export const jdbcSink = z
  .strictObject({
    url: z.string().startsWith("jdbc:", "must begin with jdbc:").describe("Database, as JDBC names it; no password."),
    user: z.string().describe("Who writes; its password is the field `<user>-password` in Vault."),
    key: z
      .array(z.string().min(1))
      .min(1)
      .default(["private_efdStamp", "private_identity", "private_origin", "private_seqNum"])
      .describe("Fields that tell a record from all others of its topic, so that a repeat writes the same row."),
  })
  .describe("Rows in a relational database by Kafka Connect's JDBC sink. Default: none.");

export const aggregate = z
  .strictObject({
    windowSeconds: z.int().min(1).default(1).describe("Length of a window, seconds."),
  })
  .describe("Statistics of windows in topics `<topic>-aggregated`. Default: none.");

export type ParquetSink = z.output<typeof parquetSink>;
export type JdbcSink = z.output<typeof jdbcSink>;
export type Aggregate = z.output<typeof aggregate>;
