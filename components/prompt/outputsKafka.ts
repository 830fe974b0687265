import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { OutputsKafkaConfig } from "../config";
import { listeners } from "../kafka";
import {
  awaited,
  givenByCluster,
  type Container,
  customResource,
  type EnvValue,
  envVars,
  type Volume,
  Workload,
} from "../platform";
import { declarePlace, type Environment, identity, labelsOf, type Place } from "./environment";
import { passwordField, PromptKafka } from "./kafka";

/** Name of the Kafka cluster of pipelines' outputs, as workers know it. */
export const outputsKafkaName = "prompt-kafka";

/** Kafka of what pipelines made: workers write it, a service brings it into the central Butler, another publishes it. */
export class OutputsKafka extends pulumi.ComponentResource {
  constructor(environment: Environment, config: OutputsKafkaConfig, opts?: pulumi.ComponentResourceOptions) {
    super("usdf:prompt:OutputsKafka", `${environment.prefix}-outputs-kafka`, {}, opts);
    const child = { parent: this };
    new PromptKafka(environment, { clusterName: outputsKafkaName, config }, child);
    if (config.writerService !== undefined) this.writer(environment, config, config.writerService);
    if (config.publication !== undefined) this.publication(environment, config, config.publication);
    this.registerOutputs();
  }

  /** Writes outputs to the central Butler, one after the other: two at a time would only meet at its locks. */
  private writer(
    environment: Environment,
    config: OutputsKafkaConfig,
    writer: NonNullable<OutputsKafkaConfig["writerService"]>,
  ): void {
    const name = "butler-writer-service";
    const secretName = `${name}-secret`;
    const place = this.place(environment, writer.namespace, writer.user, {
      [secretName]: ["s3_credentials_file", "db-auth_file"],
    });
    const dbAuth = { name: "db-auth", mountPath: "/app/lsst-credentials" };
    const raw = { name: "db-auth-raw", mountPath: "/secrets-raw", readOnly: true };
    const image = `${writer.image.repository}:${writer.image.tag}`;
    const container = foreign(name, image, writer, {
      BUTLER_REPOSITORY: writer.butlerRepository,
      KAFKA_CLUSTER: bootstrap(config),
      KAFKA_TOPIC: config.outputTopic,
      OUTPUT_TOPIC: config.ingestionEventTopic,
      KAFKA_USERNAME: writer.user,
      KAFKA_PASSWORD: kafkaPassword(writer.user),
      OUTPUT_DATASET_LIST_DIRECTORY: writer.outputDatasetLists,
      WRITER_DEBUG_LEVEL: writer.debugLevel,
      S3_ENDPOINT_URL: writer.s3EndpointUrl,
      AWS_SHARED_CREDENTIALS_FILE: "/app/s3/credentials",
      AWS_PROFILE: writer.profile,
      AWS_REQUEST_CHECKSUM_CALCULATION: "WHEN_REQUIRED",
      LSST_DB_AUTH: `${dbAuth.mountPath}/db-auth.yaml`,
    });
    const copy: Container = {
      ...foreign("copy-db-auth", image, { requests: { cpu: "10m", memory: "32Mi" }, limits: { cpu: "500m", memory: "256Mi" } }, {}), // prettier-ignore
      // The Butler refuses a file of passwords that others can read, which a mounted Secret of a non-root pod is.
      command: ["sh", "-c", `umask 077; cp -L ${raw.mountPath}/db-auth.yaml ${dbAuth.mountPath}/; chmod 0400 ${dbAuth.mountPath}/db-auth.yaml`], // prettier-ignore
      volumeMounts: [raw, dbAuth],
    };
    this.service(
      environment,
      config,
      place,
      {
        ...container,
        volumeMounts: [
          { ...dbAuth, readOnly: true },
          { name: "s3-credentials", mountPath: "/app/s3", readOnly: true },
        ],
      },
      {
        initContainers: [copy],
        volumes: [
          {
            name: "s3-credentials",
            secret: { secretName, items: [{ key: "s3_credentials_file", path: "credentials" }] },
          },
          { name: raw.name, secret: { secretName, items: [{ key: "db-auth_file", path: "db-auth.yaml" }] } },
          { name: dbAuth.name, emptyDir: { medium: "Memory", sizeLimit: "64Ki" } },
        ],
      },
    );
  }

  /** Publishes what the Butler took, at the hours that the configuration says: KEDA starts and stops its pod. */
  private publication(
    environment: Environment,
    config: OutputsKafkaConfig,
    publication: NonNullable<OutputsKafkaConfig["publication"]>,
  ): void {
    const name = "prompt-pub";
    const secretName = `${name}-secret`;
    const fields = [...new Set(Object.values(publication.secretEnv))];
    const place = this.place(environment, publication.namespace, publication.user, { [secretName]: fields });
    const secretEnv = Object.entries(publication.secretEnv).map(([variable, key]) => [variable, { secretName, key }]);
    const image = `${publication.image.repository}:${publication.image.tag}`;
    const container = foreign(name, image, publication, {
      KAFKA_CLUSTER: bootstrap(config),
      KAFKA_TOPIC: config.ingestionEventTopic,
      KAFKA_GROUP: publication.group,
      KAFKA_USERNAME: publication.user,
      KAFKA_PASSWORD: kafkaPassword(publication.user),
      STATE_DB: publication.stateDb,
      ...publication.env,
      ...Object.fromEntries(secretEnv),
    });
    this.service(environment, config, place, container, {});
    const { from, to } = publication.runs;
    customResource(
      `${environment.prefix}-${name}-hours`,
      {
        apiVersion: "keda.sh/v1alpha1",
        kind: "ScaledObject",
        metadata: { name, namespace: place.namespace, labels: labelsOf(environment) },
        spec: {
          scaleTargetRef: { apiVersion: "apps/v1", kind: "StatefulSet", name },
          minReplicaCount: 0,
          maxReplicaCount: 1,
          cooldownPeriod: 60,
          triggers: [{ type: "cron", metadata: { timezone: "Etc/UTC", start: from, end: to, desiredReplicas: "1" } }],
        },
      },
      { parent: this },
    );
  }

  /** The namespace of a service, with its own secrets and the password of its Kafka user. */
  private place(
    environment: Environment,
    name: string,
    user: string,
    secrets: Readonly<Record<string, string[]>>,
  ): Place {
    const same = (fields: readonly string[]) => Object.fromEntries(fields.map((field) => [field, field]));
    return declarePlace(
      environment,
      name,
      {
        [kafkaSecret]: { path: outputsKafkaName, fields: same([passwordField(user)]) },
        ...Object.fromEntries(
          Object.entries(secrets).map(([one, fields]) => [one, { path: name, fields: same(fields) }]),
        ),
      },
      this,
    );
  }

  private service(
    environment: Environment,
    config: OutputsKafkaConfig,
    place: Place,
    container: Container,
    more: { readonly initContainers?: Container[]; readonly volumes?: Volume[] },
  ): void {
    const { name } = container;
    const scales = name === "prompt-pub";
    const workload = new Workload(
      `${environment.prefix}-${name}`,
      {
        ...identity(environment, place, name),
        run: { kind: "StatefulSet", replicas: scales ? undefined : 1, serviceName: name, claims: [], protect: false },
        container,
        ...more,
        reaches: [
          { peers: [{ namespace: config.namespace }], ports: [listeners.plain] },
          { peers: "anyone", ports: [443, 5432] }, // S3 and databases are outside the cluster
        ],
      },
      { parent: this },
    );
    // A StatefulSet names its pods by a Service, although nobody calls them.
    new k8s.core.v1.Service(
      `${environment.prefix}-${name}`,
      {
        metadata: { name, namespace: place.namespace, labels: workload.labels, annotations: awaited.nothing },
        spec: { clusterIP: "None", selector: { ...workload.selector } },
      },
      { parent: this, ignoreChanges: givenByCluster },
    );
  }
}

const kafkaSecret = "kafka-user";
const kafkaPassword = (user: string) => ({ secretName: kafkaSecret, key: passwordField(user) });

/** These images speak SCRAM without TLS. */
const bootstrap = ({ namespace }: OutputsKafkaConfig) =>
  `${outputsKafkaName}-kafka-bootstrap.${namespace}:${listeners.plain}`;

/** A container of an image of others. */
function foreign(
  name: string,
  image: string,
  { requests, limits }: Pick<Container["resources"], "requests" | "limits">,
  env: Readonly<Record<string, EnvValue>>,
): Container {
  return {
    name,
    image,
    env: envVars(env),
    probes: {},
    resources: { requests, limits },
    metrics: false,
    restricted: true,
    writesRoot: true, // it writes beside its code
    longestStepSeconds: 60,
  };
}
