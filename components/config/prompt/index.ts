import { z } from "zod";
import { imageTag, objectName } from "../field";
import { instrumentName, promptEnvironmentSchema } from "./environment";
import { promptFaults } from "./faults";
import { releaseSchema } from "./releases";
import { partialService } from "./service";

/**
 * Prompt Processing. What all services share is a default; what an instrument has everywhere is in `instruments.ts`; what an
 * environment has is in `Pulumi.<stack>.yaml`: for all its services in `service`, for one in `services`.
 */
export const promptSchema = z
  .strictObject({
    instruments: z
      .record(instrumentName, partialService)
      .default({})
      .describe("Instruments that the program does not know, and what differs from those that it knows."),
    releases: z
      .record(imageTag, releaseSchema)
      .default({})
      .describe("What is known of releases of the pipelines, by image tag."),
    environments: z.record(objectName, promptEnvironmentSchema).describe("Environments by name, as Phalanx has them."),
  })
  .superRefine((prompt, context) => {
    for (const [path, message] of promptFaults(prompt)) context.addIssue({ code: "custom", path, message });
  })
  .describe("Prompt Processing: from next_visit events to alerts, a service for each instrument.");

export type PromptConfig = z.output<typeof promptSchema>;
export type { DatabasesConfig, PoolerConfig } from "./databases";
export type { PromptEnvironment } from "./environment";
export {
  type AlertStreamConfig,
  type FileNotificationsConfig,
  isAuthenticated,
  type OutputsKafkaConfig,
  type PromptKafkaUser,
  type PromptTopic,
} from "./kafka";
export { listText, pipelinesText, type PipelineNode, type Pipelines, type WorkerNode, workerNodes } from "./pipelines";
export { type CompatibilityAxis, compatibilityAxes, type Need, needsOf, type Release, type Versions } from "./releases";
export { type ResolvedService, serviceOf, servicesOf } from "./resolve";
