import * as pulumi from "@pulumi/pulumi";
import { connectorContract } from "../../workloads/src/connector/contract";
import { program, portOf, usdfImage, Workload } from "../platform";
import {
  type Environment,
  identity,
  influxPasswordField,
  reachesRegistry,
  registryUrl,
  secretKey,
} from "./environment";
import { influxUrlOf } from "./influx";
import { kafkaAccess } from "./kafkaAccess";
import type { ConnectorPlan } from "./plan";

/** A connector of ours: reads one part of a client's topics as its Kafka user, writes its bucket as its InfluxDB user. */
export class StreamConnector extends pulumi.ComponentResource {
  /** Name of the Deployment. */
  readonly deployment: string;

  constructor(environment: Environment, plan: ConnectorPlan, opts?: pulumi.ComponentResourceOptions) {
    const component = `connector-${plan.name}`;
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:StreamConnector", name, {}, opts);
    const kafka = kafkaAccess(environment, plan.kafkaUser);
    const influxUrl = influxUrlOf(environment, plan.influxdb);
    const own = identity(environment, component);
    this.deployment = own.metadataName;
    new Workload(
      name,
      {
        ...own,
        run: { kind: "Deployment", replicas: plan.replicas },
        container: program(connectorContract, {
          image: usdfImage.workloads,
          env: {
            ...kafka.env,
            CONSUMER_GROUP: plan.consumerGroup,
            TOPIC_PATTERN: plan.patterns.java,
            TOPIC_REFRESH_SECONDS: plan.topicRefreshSeconds,
            FORMAT: plan.format,
            REGISTRY_URL: plan.format === "avro" ? registryUrl(environment, plan.registry) : undefined,
            TIMESTAMP_FIELD: plan.timestamp.field,
            TIMESTAMP_UNIT: plan.timestamp.unit,
            TAGS: plan.tags.length === 0 ? undefined : plan.tags.join(","),
            REMOVE_PREFIX: plan.removePrefix === "" ? undefined : plan.removePrefix,
            INFLUXDB_URL: influxUrl,
            INFLUXDB_DATABASE: plan.bucket,
            INFLUXDB_USERNAME: plan.influxUser,
            INFLUXDB_PASSWORD: secretKey(influxPasswordField(plan.influxUser)),
            DEAD_LETTER_TOPIC: plan.deadLetterTopic,
            BATCH_LINES: plan.batchLines,
            MAX_BUFFER_BYTES: plan.maxBufferBytes,
          },
          resources: plan.resources,
          volumeMounts: kafka.volumeMounts,
        }),
        volumes: kafka.volumes,
        reaches: [
          kafka.reaches,
          ...(plan.format === "avro" ? [reachesRegistry(environment, plan.registry)] : []),
          { peers: "anyone", ports: [portOf(influxUrl)] },
        ],
      },
      { parent: this },
    );
    this.registerOutputs({ deployment: this.deployment });
  }
}
