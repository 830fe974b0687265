import { z } from "zod";

/** InfluxDB of an environment and what stands around it. */

export const influxdbSchema = z
  .strictObject({
    edition: z.enum(["1", "2", "enterprise"]).default("2").describe("Which InfluxDB."),
  })
  .describe("InfluxDB.");
