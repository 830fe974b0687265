import * as pulumi from "@pulumi/pulumi";
import { clusterService, redisPod, Workload } from "../platform";
import { type Environment, identity, secretKey } from "./environment";
import { fromBalancer, loadBalancer } from "./service";

/** The Redis of an environment: one pod, append-only file synced at each write, one volume. */
export class Redis extends pulumi.ComponentResource {
  /** `host:port` that clients outside the namespace use. */
  readonly endpoint: pulumi.Output<string>;
  /** What its pod runs. */
  readonly image: string;

  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.name}-redis`;
    super("usdf:embargo:Redis", name, {}, opts);
    const { settings, namespace } = environment;
    const { redis } = settings;
    const accepts = [
      {
        peers: ["enqueue", "ingest", "idle", "presence", "reconcile"].map((component) => ({
          pods: identity(environment, component).selector,
        })),
        ports: [6379],
      },
      ...(redis.service === undefined ? [] : [fromBalancer(redis.service, 6379)]),
    ];
    this.image = `redis:${redis.tag}`;
    const { claim, ...pod } = redisPod({
      image: this.image,
      maxMemoryMi: redis.maxMemoryMi,
      requests: redis.requests,
      password: secretKey("redis", "redis-password"),
    });
    const workload = new Workload(
      name,
      {
        ...identity(environment, "redis"),
        metadataName: "redis",
        run: {
          kind: "StatefulSet",
          replicas: 1,
          serviceName: "redis",
          protect: environment.platform.protectData,
          claims: [{ name: claim, storageClass: redis.storageClass, size: redis.size }],
        },
        ...pod,
        accepts,
      },
      { parent: this },
    );
    const { labels, selector } = workload;
    const port = { name: "redis", port: 6379, targetPort: 6379 };
    if (redis.service === undefined) {
      clusterService(name, { namespace, name: "redis", labels, selector, port }, { parent: this });
      this.endpoint = pulumi.interpolate`redis.${namespace}.svc.cluster.local:6379`;
    } else {
      const balanced = loadBalancer(
        name,
        { namespace, name: "redis", labels, selector, port, balancer: redis.service },
        { parent: this },
      );
      this.endpoint = pulumi.interpolate`${balanced.address}:6379`;
    }
    this.registerOutputs({ endpoint: this.endpoint });
  }
}
