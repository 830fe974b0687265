/** What the runner understands of Kubernetes objects: the part of their schemas that a process can follow. */

export interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: KeyRef;
    readonly configMapKeyRef?: KeyRef;
    readonly fieldRef?: { readonly fieldPath: string };
  };
}
export interface KeyRef {
  readonly name: string;
  readonly key: string;
  readonly optional?: boolean;
}
export interface EnvFrom {
  readonly prefix?: string;
  readonly secretRef?: { readonly name: string; readonly optional?: boolean };
  readonly configMapRef?: { readonly name: string; readonly optional?: boolean };
}

export interface Probe {
  readonly httpGet?: { readonly path?: string; readonly port: string | number };
  readonly tcpSocket?: { readonly port: string | number };
  readonly exec?: { readonly command: readonly string[] };
  readonly initialDelaySeconds?: number;
  readonly periodSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly failureThreshold?: number;
  readonly successThreshold?: number;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env?: readonly EnvVar[];
  readonly envFrom?: readonly EnvFrom[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly subPath?: string }[];
}

export interface Volume {
  readonly name: string;
  readonly emptyDir?: object;
  readonly persistentVolumeClaim?: { readonly claimName: string };
  readonly secret?: { readonly secretName: string; readonly items?: readonly { key: string; path: string }[] };
  readonly configMap?: { readonly name: string; readonly items?: readonly { key: string; path: string }[] };
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly restartPolicy?: "Always" | "OnFailure" | "Never";
  readonly terminationGracePeriodSeconds?: number;
}

export interface PodTemplate {
  readonly metadata?: { readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> };
  readonly spec: PodSpec;
}

/** A controller of pods that run until they are stopped. */
export interface LongRunning {
  readonly kind: "Deployment" | "StatefulSet";
  readonly metadata: Metadata;
  readonly replicas: number;
  readonly template: PodTemplate;
  /** Names of the claims that each pod of a StatefulSet gets for itself. */
  readonly claims: readonly string[];
}

export interface JobTemplate {
  readonly template: PodTemplate;
  readonly backoffLimit: number;
  /** Longest run in seconds; none by default. */
  readonly activeDeadlineSeconds?: number;
}
export interface Job extends JobTemplate {
  readonly kind: "Job";
  readonly metadata: Metadata;
}
export interface CronJob {
  readonly kind: "CronJob";
  readonly metadata: Metadata;
  readonly schedule: string;
  readonly suspend: boolean;
  readonly concurrencyPolicy: "Allow" | "Forbid" | "Replace";
  readonly job: JobTemplate;
}
/** Jobs of which a trigger says how many there are. */
export interface ScaledJob {
  readonly kind: "ScaledJob";
  readonly metadata: Metadata;
  readonly job: JobTemplate;
  readonly min: number;
  readonly max: number;
  readonly pollingSeconds: number;
  readonly trigger: StreamTrigger;
}
/** KEDA's trigger `redis-streams`. */
export interface StreamTrigger {
  /** `host:port`. */
  readonly address: string;
  readonly stream: string;
  readonly consumerGroup: string;
  readonly lagPerWorker: number;
  readonly activationLag: number;
  /** Secret and key of the password. */
  readonly password?: KeyRef;
}
export type Controller = LongRunning | Job | CronJob | ScaledJob;

export interface Service {
  readonly metadata: Metadata;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly targetPort: string | number }[];
}

/** A field of a secret store, for one key of a Secret. */
export interface SecretSource {
  readonly path: string;
  readonly field: string;
}

/** Where the values of a Secret come from, by key: from the store, or (`value`) as they are. */
export interface SecretObject {
  readonly metadata: Metadata;
  readonly keys: Readonly<Record<string, SecretSource | { readonly value: string }>>;
}

export interface ConfigMap {
  readonly metadata: Metadata;
  readonly data: Readonly<Record<string, string>>;
}

/** A topic of Kafka that is declared. */
export interface KafkaTopic {
  readonly name: string;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
}

/** All that the supervisor runs. Holds no secret of the local stack: those stay in its store. */
export interface Desired {
  readonly controllers: readonly Controller[];
  readonly services: readonly Service[];
  readonly secrets: readonly SecretObject[];
  readonly configMaps: readonly ConfigMap[];
  readonly kafkaTopics: readonly KafkaTopic[];
  /** Names of claims that are the same volume in every namespace, as those of a shared file system are. */
  readonly sharedClaims: readonly string[];
}

/** Storage class of a claim that is the same volume in every namespace. */
const sharedClass = "shared";

/** A registration of the program, as `recordStack` gives it. */
export interface RecordedObject {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** Kinds that a process on this machine has no use for: they bind, watch or protect pods of a cluster. */
const inert = new Set([
  "Namespace",
  "PodDisruptionBudget",
  "NetworkPolicy",
  "ServiceMonitor",
  "PodMonitor",
  "PrometheusRule",
  "ServiceAccount",
]);

/** A `spec` as recorded: preview checks it against its schema, so it is not checked again here. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Spec = Record<string, any>;

/** An object of a kind that the runner does not know, so it would be silently missing. */
export class UnknownKind extends Error {
  constructor(kind: string, name: string) {
    super(
      `usdf up cannot run a ${kind} ("${name}"): teach it in local/runner/manifest.ts, or leave it out of the stack`,
    );
  }
}

/**
 * Sorts the Kubernetes objects of a recorded stack.
 * @throws {@link UnknownKind}
 */
export function readDesired(recorded: readonly RecordedObject[]): Desired {
  const controllers: Controller[] = [];
  const services: Service[] = [];
  const secrets: SecretObject[] = [];
  const configMaps: ConfigMap[] = [];
  const kafkaTopics: KafkaTopic[] = [];
  const sharedClaims = new Set<string>();
  const authentications = recorded.filter(({ inputs }) => inputs.kind === "TriggerAuthentication");
  for (const { type, name, inputs } of recorded) {
    if (!type.startsWith("kubernetes:") || typeof inputs.kind !== "string") continue;
    const { kind } = inputs;
    const spec = (inputs.spec ?? {}) as Spec;
    const metadata = metadataOf(name, inputs.metadata as Partial<Metadata> | undefined);
    switch (kind) {
      case "Deployment":
      case "StatefulSet": {
        const claims = ((spec.volumeClaimTemplates ?? []) as { metadata: { name: string } }[]).map(
          (claim) => claim.metadata.name,
        );
        controllers.push({ kind, metadata, replicas: spec.replicas ?? 1, template: spec.template, claims });
        break;
      }
      case "Job":
        controllers.push({ kind, metadata, ...jobTemplate(spec) });
        break;
      case "CronJob": {
        const { schedule, suspend = false, concurrencyPolicy = "Allow", jobTemplate: template } = spec;
        const job = jobTemplate(template.spec);
        controllers.push({ kind, metadata, schedule, suspend, concurrencyPolicy, job });
        break;
      }
      case "ScaledJob":
        controllers.push(scaledJob(metadata, spec, authentications));
        break;
      case "TriggerAuthentication":
        break; // read with the ScaledJob that names it
      case "Service": {
        const ports = (spec.ports as Service["ports"]).map((port) => ({
          ...port,
          targetPort: port.targetPort ?? port.port,
        }));
        services.push({ metadata, selector: spec.selector ?? {}, ports });
        break;
      }
      case "Secret":
        secrets.push({ metadata, keys: literalKeys(inputs) });
        break;
      case "ExternalSecret": {
        const target = spec.target?.name ?? metadata.name;
        const data = spec.data as { secretKey: string; remoteRef: { key: string; property: string } }[];
        const keys = data.map(({ secretKey, remoteRef }) => [
          secretKey,
          { path: remoteRef.key, field: remoteRef.property },
        ]);
        secrets.push({ metadata: { ...metadata, name: target }, keys: Object.fromEntries(keys) });
        break;
      }
      case "VaultSecret":
        secrets.push({
          metadata,
          keys: vaultKeys(spec as { path: string; keys: string[]; templates?: Record<string, string> }),
        });
        break;
      case "ConfigMap":
        configMaps.push({ metadata, data: (inputs.data ?? {}) as Record<string, string> });
        break;
      case "KafkaTopic": {
        const config = Object.entries((spec.config ?? {}) as Record<string, unknown>);
        kafkaTopics.push({
          name: (spec.topicName as string | undefined) ?? metadata.name,
          partitions: spec.partitions ?? 1,
          config: Object.fromEntries(config.map(([key, value]) => [key, String(value)])),
        });
        break;
      }
      case "PersistentVolumeClaim":
        if (spec.storageClassName === sharedClass) sharedClaims.add(metadata.name);
        break;
      default:
        if (!inert.has(kind)) throw new UnknownKind(kind, metadata.name);
    }
  }
  return { controllers, services, secrets, configMaps, kafkaTopics, sharedClaims: [...sharedClaims] };
}

function metadataOf(logicalName: string, given: Partial<Metadata> = {}): Metadata {
  const { name = logicalName, namespace = "default", labels = {}, annotations = {} } = given;
  return { name, namespace, labels, annotations };
}

function jobTemplate(spec: Spec): JobTemplate {
  const { template, backoffLimit = 6, activeDeadlineSeconds } = spec;
  return { template, backoffLimit, activeDeadlineSeconds };
}

function scaledJob(metadata: Metadata, spec: Spec, authentications: readonly RecordedObject[]): ScaledJob {
  const [trigger, ...others] = spec.triggers as Spec[];
  if (trigger?.type !== "redis-streams" || others.length > 0)
    throw new UnknownKind("ScaledJob with other triggers than one redis-streams", metadata.name);
  const {
    address,
    host,
    port = "6379",
    stream,
    consumerGroup,
    lagCount,
    activationLagCount,
  } = trigger.metadata as Spec;
  const authentication = authentications.find(
    ({ inputs, name }) =>
      metadataOf(name, inputs.metadata as Partial<Metadata>).name === trigger.authenticationRef?.name &&
      (inputs.metadata as Metadata).namespace === metadata.namespace,
  );
  const targets = ((authentication?.inputs.spec as Spec | undefined)?.secretTargetRef ?? []) as (KeyRef & {
    parameter: string;
  })[];
  return {
    kind: "ScaledJob",
    metadata,
    job: jobTemplate(spec.jobTargetRef),
    min: spec.minReplicaCount ?? 0,
    max: spec.maxReplicaCount ?? 100,
    pollingSeconds: spec.pollingInterval ?? 30,
    trigger: {
      address: (address as string | undefined) ?? `${host}:${port}`,
      stream,
      consumerGroup,
      lagPerWorker: Number(lagCount ?? 5),
      activationLag: Number(activationLagCount ?? 0),
      password: targets.find(({ parameter }) => parameter === "password"),
    },
  };
}

function literalKeys(inputs: Readonly<Record<string, unknown>>): SecretObject["keys"] {
  const decoded = Object.entries((inputs.data ?? {}) as Record<string, string>).map(
    ([key, value]) => [key, Buffer.from(value, "base64").toString()] as const,
  );
  const plain = Object.entries((inputs.stringData ?? {}) as Record<string, string>);
  return Object.fromEntries([...decoded, ...plain].map(([key, value]) => [key, { value }]));
}

/** The ricoberger operator: fields keep their names, unless a template picks one for another key. */
function vaultKeys(spec: { path: string; keys: string[]; templates?: Record<string, string> }): SecretObject["keys"] {
  const { path, keys, templates } = spec;
  if (!templates) return Object.fromEntries(keys.map((field) => [field, { path, field }]));
  const picked = Object.entries(templates).map(([key, template]) => {
    const field = /"([^"]+)"/.exec(template)?.[1] ?? /\.Secrets\.(\w+)/.exec(template)?.[1] ?? key;
    return [key, { path, field }];
  });
  return Object.fromEntries(picked);
}
