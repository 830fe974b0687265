import { z } from "zod";
import { objectName } from "../field";
import { clientSchema } from "./clients";
import { sasquatchFaults } from "./faults";
import { sasquatchEnvironmentSchema } from "./environment";

/**
 * Sasquatch: Kafka, connectors and InfluxDB for the EFD and every other client that records time series. What a client is
 * stands once, in `known.ts`; which environment has it is in `Pulumi.<stack>.yaml`.
 */
export const sasquatchSchema = z
  .strictObject({
    clients: z
      .record(z.string(), clientSchema)
      .default({})
      .describe("Time-series clients by name: new ones, and what differs from those that the program knows."),
    environments: z
      .record(objectName, sasquatchEnvironmentSchema)
      .describe("Environments by name, as Phalanx has them."),
  })
  .superRefine((sasquatch, context) => {
    for (const [path, message] of sasquatchFaults(sasquatch)) context.addIssue({ code: "custom", path, message });
  })
  .describe("Sasquatch: Kafka, connectors and InfluxDB for the EFD and other time series.");

export type SasquatchConfig = z.output<typeof sasquatchSchema>;
export type { ClientConfig, ConnectorPart, Selector, Unstored } from "./clients";
export type { EnvironmentClient, MirrorConfig, SasquatchEnvironment } from "./environment";
export type { Aggregate, JdbcSink, ParquetSink } from "./longTerm";
export { brokerIds, type KafkaClusterConfig, type KafkaPoolConfig } from "../kafka";
export type { ChronografConfig, InfluxdbConfig, InfluxdbInstance, InfluxdbSettings, KapacitorConfig } from "./influxdb";
export type { BridgeConfig, ConnectConfig, RegistryConfig, RestConfig } from "./kafkaServices";
export { secondsOf } from "./durations";
export { kafkaUserOf, ladderBucket } from "./faults";
export { type Client, type Connector, clientsOf, mirroredSelectors } from "./resolve";
