import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type EmbargoConfig, imageOf, type PlatformConfig } from "../config";
import { SecretReference, secretValue } from "../platform";
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
  /** What the bucket's topic pushes to. */
  readonly pushEndpoint: pulumi.Output<string>;
  /** `opaqueData` that the topic must hand out: a secret; empty where none is asked for. */
  readonly opaqueData: pulumi.Output<string> | undefined;
  /** What must run before the topic pushes. */
  readonly waitFor: pulumi.Resource;
  /** URL that clients ask which images have arrived; `undefined` without presence. */
  readonly presenceUrl: pulumi.Output<string> | undefined;
  /** `host:port` of the Redis. */
  readonly redisEndpoint: pulumi.Output<string>;

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
            // Upstream's images run as root, which "restricted" refuses.
            "pod-security.kubernetes.io/enforce": allOurs ? "restricted" : "baseline",
            "pod-security.kubernetes.io/warn": "restricted",
          },
        },
      },
      { ...child, retainOnDelete: true }, // the volumes in it outlive the declaration
    );
    const environment = environmentOf(name, embargo, platform, namespace.metadata.name);
    const table = secretTable(environment);
    for (const secret of secretsInUse(environment)) {
      const place = { namespace: environment.namespace, name: secret, secrets: platform.secrets };
      new SecretReference(`${name}-${secret}`, { ...place, ...table[secret] }, child);
    }
    this.redisEndpoint = new Redis(environment, child).endpoint;
    const enqueue = new Enqueue(environment, child);
    this.waitFor = enqueue;
    this.pushEndpoint = enqueue.pushEndpoint;
    new Ingest(environment, child);
    new Idle(environment, child);
    this.presenceUrl = settings.presence && new Presence(environment, settings.presence, child).url;
    if (environment.runs("ingest") === "usdf") new Reconcile(environment, child);
    const measured = environment.runs("idle") === "usdf" && environment.runs("ingest") === "usdf";
    if (platform.monitoring.enabled && measured) new Alerts(environment, child);
    this.opaqueData =
      settings.enqueue.kafka !== undefined || settings.enqueue.allowEmptySecret
        ? undefined
        : secretValue(notificationSecret(environment), platform.secrets);
    this.registerOutputs({
      pushEndpoint: this.pushEndpoint,
      presenceUrl: this.presenceUrl,
      redisEndpoint: this.redisEndpoint,
    });
  }
}
