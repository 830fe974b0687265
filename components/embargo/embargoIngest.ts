import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type EmbargoConfig, imageOf, isAdopting, kubeContextOf, type PlatformConfig } from "../config";
import type { EnvironmentOutputs, Outputs } from "../outputs";
import { SecretReference, secretValue, vaultReader } from "../platform";
import { Alerts } from "./alerts";
import { Enqueue } from "./enqueue";
import { environmentOf, notificationSecret, secretsInUse, secretTable } from "./environment";
import { Idle } from "./idle";
import { Ingest } from "./ingest";
import { Presence } from "./presence";
import { Reconcile } from "./reconcile";
import { Redis } from "./redis";

/** Arguments of {@link EmbargoIngest}. */
export interface EmbargoIngestArgs {
  /** Configuration of the system; the component is the environment of its own name in it. */
  readonly embargo: EmbargoConfig;
  readonly platform: PlatformConfig;
}

/** One environment of embargo ingest: from a bucket's notifications to datasets in the Butler. */
export class EmbargoIngest extends pulumi.ComponentResource {
  /** What the stack tells others of it. */
  readonly outputs: Outputs<EnvironmentOutputs>;
  private readonly enqueue: Enqueue;
  private readonly opaqueData: () => pulumi.Output<string> | undefined;

  constructor(name: string, args: EmbargoIngestArgs, opts?: pulumi.ComponentResourceOptions) {
    super("usdf:embargo:EmbargoIngest", name, {}, opts);
    const { embargo, platform } = args;
    const child = { parent: this };
    const settings = embargo.environments[name];
    if (settings === undefined) throw new Error(`No environment "${name}" in usdf:embargo.environments.`);
    const parts = ["enqueue", "ingest", "idle", "presence"] as const;
    const allOurs = parts.every((part) => imageOf(part, settings, embargo) === "usdf");
    const namespace = new k8s.core.v1.Namespace(
      name,
      {
        metadata: {
          name: settings.namespace ?? name,
          labels: {
            "app.kubernetes.io/part-of": "embargo",
            "app.kubernetes.io/instance": name,
            // Upstream's images run as root, and today's Redis names no seccomp profile: "restricted" refuses both.
            "pod-security.kubernetes.io/enforce": allOurs && !isAdopting("redis", settings) ? "restricted" : "baseline",
            "pod-security.kubernetes.io/warn": "restricted",
          },
        },
      },
      { ...child, protect: platform.protectData, retainOnDelete: true }, // the volumes in it outlive the declaration
    );
    const environment = environmentOf(name, embargo, platform, namespace.metadata.name);
    const table = secretTable(environment);
    const used = secretsInUse(environment);
    const reader = vaultReader(
      `${name}-vault`,
      {
        namespace: environment.namespace,
        system: "embargo",
        environment: name,
        kubeContext: kubeContextOf(settings, embargo),
        paths: used.map((secret) => table[secret].path),
        platform,
      },
      child,
    );
    for (const secret of used) {
      const place = { namespace: environment.namespace, name: secret, secrets: platform.secrets, reader };
      new SecretReference(`${name}-${secret}`, { ...place, ...table[secret] }, child);
    }
    const redis = new Redis(environment, child);
    this.enqueue = new Enqueue(environment, child);
    const ingest = new Ingest(environment, child);
    const idle = new Idle(environment, child);
    const presence = settings.presence && new Presence(environment, settings.presence, child);
    if (environment.runs("ingest") === "usdf") new Reconcile(environment, child);
    const measured = environment.runs("idle") === "usdf" && environment.runs("ingest") === "usdf";
    if (platform.monitoring.enabled && measured) new Alerts(environment, child);
    const asksSecret = settings.enqueue.kafka === undefined && !settings.enqueue.allowEmptySecret;
    this.opaqueData = () =>
      asksSecret ? secretValue(notificationSecret(environment), platform.secrets, child) : undefined;
    this.outputs = {
      kubeContext: kubeContextOf(settings, embargo),
      namespace: environment.namespace,
      bucket: environment.bucket,
      enqueueUrl: this.enqueue.pushEndpoint,
      presenceUrl: presence?.url,
      redisEndpoint: redis.endpoint,
      images: {
        enqueue: this.enqueue.image,
        ingest: ingest.image,
        idle: idle.image,
        presence: presence?.image,
        redis: redis.image,
      },
    };
    this.registerOutputs(this.outputs);
  }

  /** The environment as receiver of a topic. Its secret is read from Vault, so this is asked only where a topic feeds it. */
  receiver() {
    return { pushEndpoint: this.enqueue.pushEndpoint, opaqueData: this.opaqueData(), waitFor: this.enqueue };
  }
}
