import * as pulumi from "@pulumi/pulumi";
import { clusterService, redisPod, Workload } from "../platform";
import { declarePlace, type Environment, identity, redisName, redisPassword, redisSecret } from "./environment";

/** Namespace of the KEDA operator, which looks at the streams. */
const kedaNamespace = "keda";

/** The Redis of an environment: visits by instrument, raws that have arrived, and what could not be processed. */
export class PromptRedis extends pulumi.ComponentResource {
  /** `host:port` inside the cluster. */
  readonly endpoint = `${redisName}.${redisName}:6379`;
  readonly namespace: pulumi.Output<string>;
  /** What its pod runs. */
  readonly image: string;

  /** @param clients - Namespaces whose pods work with it. */
  constructor(environment: Environment, clients: readonly string[], opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-redis`;
    super("usdf:prompt:Redis", name, {}, opts);
    const { redis } = environment.settings;
    const place = declarePlace(environment, redisName, redisSecret, this);
    this.namespace = place.namespace;
    this.image = `redis:${redis.tag}`;
    const { claim, ...pod } = redisPod({
      image: this.image,
      maxMemoryMi: redis.maxMemoryMi,
      requests: redis.requests,
      password: redisPassword,
      admitsAnyone: redis.password === "optional",
    });
    const workload = new Workload(
      name,
      {
        ...identity(environment, place, redisName),
        run: {
          kind: "StatefulSet",
          replicas: 1,
          serviceName: redisName,
          protect: environment.platform.protectData,
          claims: [{ name: claim, storageClass: redis.storageClass, size: redis.size }],
        },
        ...pod,
        accepts: [{ peers: [...clients, kedaNamespace].map((namespace) => ({ namespace })), ports: [6379] }],
      },
      { parent: this },
    );
    const { labels, selector } = workload;
    const port = { name: "redis", port: 6379, targetPort: 6379 };
    clusterService(name, { namespace: place.namespace, name: redisName, labels, selector, port }, { parent: this });
    this.registerOutputs({ endpoint: this.endpoint });
  }
}
