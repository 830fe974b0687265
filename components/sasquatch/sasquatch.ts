import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { PlatformConfig, SasquatchConfig } from "../config";
import type { Outputs, SasquatchEnvironmentOutputs } from "../outputs";
import { KafkaCluster, kafkaMetrics } from "../kafka";
import { SecretReference, usdfImage, vaultReader } from "../platform";
import { Aggregator } from "./aggregator";
import { Alerts } from "./alerts";
import { KafkaBridge } from "./bridge";
import { KafkaConnect } from "./connect";
import { connectRules } from "./connectMetrics";
import { type Environment, environmentOf, homeOf, labelsOf, prefixOf, registryUrl, secretName } from "./environment";
import { InfluxStack } from "./influx";
import { MirrorMaker } from "./mirrorMaker";
import { ParquetSink } from "./parquetSink";
import { SchemaRegistry } from "./registry";
import { RestProxy } from "./rest";
import { secretFields } from "./secretFields";
import { connectorGroup, StreamConnector } from "./streamConnector";
import { TelegrafConsumer } from "./telegraf";
import { KafkaTopics } from "./topics";
import { KafkaUsers, needsConnect, usesConnect } from "./users";

/** Arguments of {@link Sasquatch}. */
export interface SasquatchArgs {
  /** Configuration of the system. */
  readonly sasquatch: SasquatchConfig;
  /** Environment in it. */
  readonly environment: string;
  readonly platform: PlatformConfig;
}

/** One environment of Sasquatch: Kafka, what carries topics to it and from it to InfluxDB, and the users of both. */
export class Sasquatch extends pulumi.ComponentResource {
  /** What the stack tells others of it. */
  readonly outputs: Outputs<SasquatchEnvironmentOutputs>;

  constructor({ sasquatch, environment: name, platform }: SasquatchArgs, opts?: pulumi.ComponentResourceOptions) {
    const prefix = prefixOf(name);
    super("usdf:sasquatch:Sasquatch", prefix, {}, opts);
    const child = { parent: this };
    const settings = sasquatch.environments[name];
    if (settings === undefined) throw new Error(`No environment "${name}" in usdf:sasquatch.environments.`);
    const namespace = new k8s.core.v1.Namespace(
      prefix,
      {
        metadata: {
          name: settings.namespace,
          labels: {
            ...labelsOf({ name }),
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
          },
        },
      },
      { ...child, protect: platform.protectData, retainOnDelete: true }, // the volumes in it outlive the declaration
    );
    const environment = environmentOf(name, sasquatch, platform, namespace.metadata.name);
    const place = { namespace: environment.namespace, kubeContext: settings.kubeContext };
    const reader = this.secrets(environment, place.kubeContext);
    this.closed(environment);

    const influx = new InfluxStack(environment, reader, child);
    const isDeclared = settings.kafka.kind === "strimzi";
    const kafka = isDeclared ? new KafkaCluster("usdf:sasquatch:KafkaCluster", homeOf(environment), child) : undefined;
    const registries: Record<string, string> = { local: registryUrl(environment, "local") };
    const registriesOutside: Record<string, string> = {};
    let restUrl: string | undefined;
    let bridgeUrl: string | undefined;
    if (isDeclared) {
      kafkaMetrics(homeOf(environment), platform.monitoring, this, { "connect.yaml": connectRules });
      new KafkaUsers(environment, child);
      for (const registry of [
        "local",
        ...environment.plan.mirrors.filter(({ schemas }) => schemas).map(({ from }) => from),
      ]) {
        const one = new SchemaRegistry(environment, registry === "local" ? "local" : { alias: registry }, child);
        registries[registry] = one.url;
        if (one.externalUrl !== undefined) registriesOutside[registry] = one.externalUrl;
      }
      if (environment.plan.mirrors.length > 0) new MirrorMaker(environment, child);
      if (needsConnect(environment.plan)) new KafkaConnect(environment, child);
      if (settings.rest !== undefined) restUrl = new RestProxy(environment, child).externalUrl;
      if (settings.bridge !== undefined) bridgeUrl = new KafkaBridge(environment, child).externalUrl;
    }
    new KafkaTopics(environment, child);
    const { connectors } = environment.plan;
    connectorGroup(
      environment,
      connectors.filter(({ sink }) => sink === "connector"),
      child,
    );
    for (const plan of connectors) {
      if (plan.sink === "connector") new StreamConnector(environment, plan, child);
      if (plan.sink === "telegraf") new TelegrafConsumer(environment, plan, child);
    }
    for (const plan of environment.plan.longTerm.filter((one) => !usesConnect(one))) {
      if (plan.kind === "parquet") new ParquetSink(environment, plan, child);
      if (plan.kind === "aggregate") new Aggregator(environment, plan, child);
    }
    if (platform.monitoring.enabled) new Alerts(environment, child);

    this.outputs = {
      ...place,
      kafka: {
        version: isDeclared ? settings.kafka.version : undefined,
        bootstrapServers: kafka?.bootstrapServers ?? settings.kafka.brokerList!.join(","),
        externalBootstrapServers: kafka?.externalBootstrap,
      },
      registries,
      externalRegistries: registriesOutside,
      influxdbUrl: influx.url,
      externalUrls: influx.externalUrls,
      restUrl,
      bridgeUrl,
      mirrors: environment.plan.mirrors.map(({ from }) => from),
      connectors: environment.plan.connectors.map(({ name: one }) => one),
      image: usdfImage.workloads,
    };
    this.registerOutputs(this.outputs);
  }

  /** The environment's own secret, and the right to read it. */
  private secrets(environment: Environment, kubeContext: string): ReturnType<typeof vaultReader> {
    const { prefix, name, namespace, platform, settings } = environment;
    const { path } = settings.secrets;
    const child = { parent: this };
    const reader = vaultReader(
      `${prefix}-vault`,
      { namespace, kubeContext, system: "sasquatch", environment: name, paths: [path], platform },
      child,
    );
    const fields = Object.fromEntries(secretFields(environment).map((field) => [field, field]));
    const args = { namespace, name: secretName, path, fields, secrets: platform.secrets, reader };
    new SecretReference(`${prefix}-${secretName}`, args, child);
    return reader;
  }

  /** Pods that no policy names take no connections: also those that operators make. */
  private closed(environment: Environment): void {
    new k8s.networking.v1.NetworkPolicy(
      `${environment.prefix}-closed`,
      {
        metadata: { name: "closed", namespace: environment.namespace, labels: labelsOf(environment) },
        spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [] },
      },
      { parent: this },
    );
  }
}
