import * as pulumi from "@pulumi/pulumi";
import { connectorContract } from "../../workloads/src/connector/contract";
import { type Opening, portOf, program, usdfImage, Workload, WorkloadGroup } from "../platform";
import {
  clusterName,
  type Environment,
  identity,
  influxPasswordField,
  kafkaAccess,
  labelsOf,
  reachesRegistry,
  registryUrl,
  secretKey,
} from "./environment";
import { influxUrlOf } from "./influx";
import type { ConnectorPlan } from "./plan";

/** Label of the pods of every connector. */
const groupLabel = { "app.kubernetes.io/component": "connector" } as const;

/** Network and metrics of all connectors of an environment. */
export function connectorGroup(
  environment: Environment,
  plans: readonly ConnectorPlan[],
  opts: pulumi.ComponentResourceOptions,
): void {
  if (plans.length === 0) return;
  new WorkloadGroup(
    `${environment.prefix}-connectors`,
    {
      namespace: environment.namespace,
      metadataName: `${clusterName}-connectors`,
      labels: labelsOf(environment, "connectors"),
      selector: { ...groupLabel, "app.kubernetes.io/part-of": "sasquatch" },
      port: { name: "http", number: connectorContract.httpPort },
      reaches: plans.flatMap((plan) => reachesOf(environment, plan)),
      monitoring: environment.platform.monitoring,
    },
    opts,
  );
}

const reachesOf = (environment: Environment, plan: ConnectorPlan): Opening[] => [
  kafkaAccess(environment, plan.kafkaUser).reaches,
  ...(plan.format === "avro" ? [reachesRegistry(environment, plan.registry)] : []),
  { peers: "anyone", ports: [portOf(influxUrlOf(environment, plan.influxdb))] },
];

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
        labels: { ...own.labels, ...groupLabel },
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
        inGroup: true,
      },
      { parent: this },
    );
    this.registerOutputs({ deployment: this.deployment });
  }
}
