import { z } from "zod";

/** Kafka of an environment and what stands around it. */

export const kafkaSchema = z
  .strictObject({
    replication: z.int().min(1).default(3).describe("Copies of each partition, of which all but one must be in step."),
  })
  .describe("Kafka cluster `sasquatch`.");
