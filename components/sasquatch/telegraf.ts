import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { envVars, portOf, Workload } from "../platform";
import {
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

const units = { s: "unix", ms: "unix_ms", us: "unix_us", ns: "unix_ns" } as const;
const port = 9273;

/** A part of a client's topics read by Telegraf, with a bucket that is there already and a user that may write it only. */
export class TelegrafConsumer extends pulumi.ComponentResource {
  /** Name of the Deployment. */
  readonly deployment: string;

  constructor(environment: Environment, plan: ConnectorPlan, opts?: pulumi.ComponentResourceOptions) {
    const component = `telegraf-${plan.name}`;
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:TelegrafConsumer", name, {}, opts);
    const { namespace, settings } = environment;
    const influxUrl = influxUrlOf(environment, plan.influxdb);
    const kafka = kafkaAccess(environment, plan.kafkaUser);
    const own = identity(environment, component);
    this.deployment = own.metadataName;
    const text = telegrafConfig(environment, plan);
    new k8s.core.v1.ConfigMap(
      name,
      {
        metadata: { name: own.metadataName, namespace, labels: labelsOf(environment, component) },
        data: { "telegraf.conf": text },
      },
      { parent: this },
    );
    const get = { tcpSocket: { port: "metrics" }, timeoutSeconds: 2 };
    new Workload(
      name,
      {
        ...own,
        run: { kind: "Deployment", replicas: plan.replicas },
        container: {
          name: "telegraf",
          image: `telegraf:${settings.telegraf.tag}`,
          args: ["--config", "/etc/telegraf/telegraf.conf"],
          env: envVars({
            INFLUX_PASSWORD: secretKey(influxPasswordField(plan.influxUser)),
            ...(kafka.env.KAFKA_PASSWORD && { KAFKA_PASSWORD: kafka.env.KAFKA_PASSWORD }),
          }),
          port: { name: "metrics", number: port },
          probes: {
            startup: { ...get, periodSeconds: 1, failureThreshold: 120 },
            liveness: { ...get, periodSeconds: 10, failureThreshold: 3 },
            readiness: { ...get, periodSeconds: 5, failureThreshold: 2 },
          },
          resources: settings.telegraf,
          volumeMounts: [{ name: "config", mountPath: "/etc/telegraf", readOnly: true }, ...kafka.volumeMounts],
          metrics: true,
          restricted: true,
          longestStepSeconds: 30,
        },
        volumes: [{ name: "config", configMap: { name: own.metadataName } }, ...kafka.volumes],
        user: { runAsUser: 999, runAsGroup: 999 },
        config: text,
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

/** Text of a setting: TOML takes JSON's strings, numbers, booleans and lists as they are. */
const line = ([key, value]: [string, unknown]) => `  ${key} = ${JSON.stringify(value)}`;
const section = (head: string, settings: Readonly<Record<string, unknown>>) =>
  [
    `[[${head}]]`,
    ...Object.entries(settings)
      .filter(([, value]) => value !== undefined)
      .map(line),
  ].join("\n");

/**
 * Telegraf's configuration. Offsets are committed once the bucket has the points, since the input waits for its one output;
 * a second output would couple two servers. Its own metrics go to Prometheus, not to the bucket.
 */
export function telegrafConfig(environment: Environment, plan: ConnectorPlan): string {
  const { env } = kafkaAccess(environment, plan.kafkaUser);
  const { kafka } = environment.settings;
  const own = "internal*"; // metrics about itself
  const format =
    plan.format === "avro"
      ? {
          data_format: "avro",
          avro_schema_registry: registryUrl(environment, plan.registry),
          avro_timestamp: plan.timestamp.field === "" ? undefined : plan.timestamp.field,
          avro_timestamp_format: plan.timestamp.field === "" ? undefined : units[plan.timestamp.unit],
          avro_union_mode: "nullable",
          avro_field_separator: "", // a list `a` becomes a0, a1, …, as readers of the EFD know it
          avro_tags: plan.tags.length === 0 ? undefined : plan.tags,
        }
      : {
          data_format: "json",
          json_time_key: plan.timestamp.field === "" ? undefined : plan.timestamp.field,
          json_time_format: plan.timestamp.field === "" ? undefined : units[plan.timestamp.unit],
          tag_keys: plan.tags.length === 0 ? undefined : plan.tags,
          json_strict: true,
        };
  const consumer = {
    brokers: env.KAFKA_BROKERS.split(","),
    kafka_version: kafka.version,
    topic_regexps: [plan.patterns.go],
    consumer_group: plan.consumerGroup,
    offset: "oldest",
    max_undelivered_messages: plan.batchLines === undefined ? 10_000 : 4 * plan.batchLines,
    consumer_fetch_default: "1MB",
    max_processing_time: "5s",
    precision: "1us",
    enable_tls: env.KAFKA_TLS,
    tls_ca: env.KAFKA_CA_FILE,
    tls_cert: env.KAFKA_CERT_FILE,
    tls_key: env.KAFKA_KEY_FILE,
    ...(env.KAFKA_USERNAME === undefined
      ? {}
      : { sasl_mechanism: "SCRAM-SHA-512", sasl_username: env.KAFKA_USERNAME, sasl_password: "${KAFKA_PASSWORD}" }),
    ...format,
  };
  const influxdb = {
    urls: [influxUrlOf(environment, plan.influxdb)],
    database: plan.bucket,
    retention_policy: "autogen",
    skip_database_creation: true, // the bucket is declared, with its retention
    username: plan.influxUser,
    password: "${INFLUX_PASSWORD}",
    timeout: "15s",
    namedrop: [own],
  };
  const agent = {
    interval: "10s",
    flush_interval: "1s",
    metric_batch_size: plan.batchLines ?? 5000,
    metric_buffer_limit: 100_000,
    omit_hostname: true,
    logformat: "structured",
  };
  const parts = [
    ["[agent]", ...Object.entries(agent).map(line)].join("\n"),
    section("outputs.influxdb", influxdb),
    section("outputs.prometheus_client", { listen: `:${port}`, namepass: [own], export_timestamp: false }),
    section("inputs.kafka_consumer", consumer),
    section("inputs.internal", { collect_memstats: true }),
  ];
  return `${parts.join("\n\n")}\n`;
}
