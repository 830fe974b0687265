import { z } from "zod";
import { allowList } from "../cidr";
import { objectName, vaultPath } from "../field";
import { clientOverrides, kafkaTopicSchema, selectorSchema } from "./clients";
import { chronografSchema, influxdbSchema, influxFaults, kapacitorSchema, storageClassesSchema } from "./influxdb";
import { kafkaSchema } from "../kafka";
import {
  bridgeSchema,
  connectSchema,
  kafkaFaults,
  mirrorConnection,
  mirrorMakerSchema,
  registrySchema,
  restSchema,
  telegrafSchema,
} from "./kafkaServices";

/** An environment is one installation of Sasquatch: Kafka, InfluxDB and the clients that it serves. */

const environmentClient = z.strictObject({
  from: z
    .string()
    .optional()
    .describe("Environment whose topics are mirrored here and stored; must be one of mirrors. Default: produced here."),
  ...clientOverrides,
});

const mirror = z.strictObject({
  bootstrap: z
    .string()
    .regex(/^[\w.-]+:\d+(,[\w.-]+:\d+)*$/, "must be host:port,…")
    .describe("Bootstrap servers of the other environment's Kafka, `host:port,…`."),
  topics: z.array(selectorSchema).default([]).describe("Topics mirrored besides those of the clients that say `from`."),
  schemas: z
    .boolean()
    .default(true)
    .describe("Mirror the topic registry-schemas too, from which a registry of its own reads the other's schemas."),
  from: z
    .enum(["earliest", "latest"])
    .default("earliest")
    .describe("Where a topic without offsets starts; latest leaves out what was there before."),
  offsetSyncs: z
    .enum(["source", "target"])
    .default("target")
    .describe("Which cluster keeps the topic of offset pairs. target needs no right to write at the source."),
  unstored: z
    .array(z.strictObject({ ...selectorSchema.shape, reason: z.string().min(10).describe("Why.") }))
    .default([])
    .describe("Mirrored topics that are deliberately not stored, with the reason."),
  ...mirrorConnection,
});

/** A Kafka user of its own, besides those that follow from the clients. */
const kafkaUser = z.strictObject({
  authentication: z.enum(["tls", "scram-sha-512"]).default("scram-sha-512").describe("How it proves who it is."),
  reads: z.array(selectorSchema).default([]).describe("Topics that it reads."),
  writes: z.array(selectorSchema).default([]).describe("Topics that it writes and may make."),
  groups: z.array(z.string().min(1)).default([]).describe("Prefixes of its consumer groups. Default: its name."),
  mirrors: z
    .boolean()
    .default(false)
    .describe("Another environment mirrors by it: it reads configurations, schemas and the places of groups too."),
});

export const sasquatchEnvironmentSchema = z
  .strictObject({
    kubeContext: z.string().describe("Context of the kubeconfig of its cluster."),
    namespace: objectName.default("sasquatch").describe("Namespace of all its objects."),
    host: z.string().describe("Host that users reach it by, e.g. usdf-rsp.slac.stanford.edu."),
    secrets: z
      .strictObject({ path: vaultPath.describe("Vault path of all its secrets.") })
      .describe("Where the secrets are in Vault."),
    kafka: kafkaSchema.prefault({}),
    registry: registrySchema.prefault({}),
    rest: restSchema.optional(),
    bridge: bridgeSchema.optional(),
    connect: connectSchema.prefault({}),
    telegraf: telegrafSchema.prefault({}),
    mirrorMaker: mirrorMakerSchema.prefault({}),
    influxdb: influxdbSchema.prefault({}),
    chronograf: chronografSchema.optional(),
    kapacitor: kapacitorSchema.optional(),
    storageClasses: storageClassesSchema,
    allow: allowList
      .default([])
      .describe(
        "Networks that may reach what it shows outside the cluster, e.g. 140.252.32.0/23. Default: none, and nothing is shown.",
      ),
    mirrors: z
      .record(objectName, mirror)
      .default({})
      .describe("Environments whose topics are mirrored to here, by name: it is the alias and so the prefix."),
    clients: z
      .record(z.string(), environmentClient)
      .default({})
      .describe("Clients that are stored here, and what is different here. {} takes the record as it is."),
    kafkaTopics: z
      .array(kafkaTopicSchema)
      .default([])
      .describe("Topics declared besides those of the clients; no client stores them."),
    users: z.record(z.string(), kafkaUser).default({}).describe("Kafka users besides those of the clients."),
  })
  .superRefine((environment, context) => {
    for (const [path, message] of [...kafkaFaults(environment), ...influxFaults(environment)])
      context.addIssue({ code: "custom", path, message });
  });

export type SasquatchEnvironment = z.output<typeof sasquatchEnvironmentSchema>;
export type EnvironmentClient = z.output<typeof environmentClient>;
export type MirrorConfig = z.output<typeof mirror>;
