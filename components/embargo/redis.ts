import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { envVars, type Probe, Workload } from "../platform";
import { type Environment, identity, secretKey } from "./environment";
import { awaited, fromBalancer, givenByCluster, loadBalancer } from "./service";

/** What Redis is told beside its address, folder and password. */
function settingsOf(maxMemoryMi: number): string {
  return [
    "appendonly yes",
    "appendfsync always", // what enqueue acknowledged is on disk
    'save ""', // the append-only file is the truth; a snapshot would only fork once more
    `maxmemory ${maxMemoryMi}mb`,
    "maxmemory-policy noeviction", // a full Redis refuses and Ceph retries; an evicted queue is gone
    "tcp-keepalive 60",
  ].join("\n");
}

/**
 * Writes the configuration to a file that only Redis can read, since arguments show in every process list.
 * $1 = that file, $2 = data folder, $3 = more settings. In a pod it listens on the loopback too, where `kubectl port-forward`
 * comes in; a pod's address that is a loopback one is shared with the rest of the machine.
 */
const start = `set -eu
umask 077
case $POD_IP in 127.*) near= ;; *) near=127.0.0.1 ;; esac
{
  printf 'bind %s %s\\ndir "%s"\\nrequirepass "' "$POD_IP" "$near" "$2"
  printf %s "$REDISCLI_AUTH" | sed 's/["\\\\]/\\\\&/g'
  printf '"\\n%s\\n' "$3"
} > "$1"
exec redis-server "$1"`;

/** A ping that logs in: redis-cli takes the password from REDISCLI_AUTH, and its exit code says nothing. */
function ping(answer: string, times: Omit<Probe, "exec">): Probe {
  return { exec: { command: ["sh", "-c", `redis-cli -h "$POD_IP" ping | grep -Eq '^(${answer})'`] }, ...times };
}

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
          claims: [{ name: "data", storageClass: redis.storageClass, size: redis.size }],
        },
        container: {
          name: "redis",
          image: this.image,
          command: ["sh", "-c", start, "redis"],
          args: ["/run/redis/redis.conf", "/data", settingsOf(redis.maxMemoryMi)],
          env: envVars({
            POD_IP: { field: "status.podIP" },
            REDISCLI_AUTH: secretKey("redis", "redis-password"),
          }),
          port: { name: "redis", number: 6379 },
          probes: {
            // Reading a large append-only file takes minutes; until then it answers LOADING.
            startup: ping("PONG", { periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 }),
            // MISCONF = it cannot write to its disk: a restart would only make it load again.
            liveness: ping("PONG|MISCONF", { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 }),
            readiness: ping("PONG", { periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 }),
          },
          resources: {
            requests: redis.requests,
            limits: { cpu: "2", memory: `${Math.ceil(redis.maxMemoryMi * 1.5)}Mi` }, // a rewrite of the file forks
          },
          volumeMounts: [
            { name: "data", mountPath: "/data" },
            { name: "config", mountPath: "/run/redis" },
          ],
          metrics: false, // idle publishes what is in it
          restricted: true,
          longestStepSeconds: 45,
        },
        volumes: [{ name: "config", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } }],
        user: { runAsUser: 999, runAsGroup: 999, fsGroup: 999 },
        accepts,
      },
      { parent: this },
    );
    const { labels, selector } = workload;
    const port = { name: "redis", port: 6379, targetPort: 6379 };
    if (redis.service === undefined) {
      new k8s.core.v1.Service(
        name,
        {
          metadata: { name: "redis", namespace, labels, annotations: awaited.nothing },
          spec: { type: "ClusterIP", selector: { ...selector }, ports: [{ ...port, protocol: "TCP" }] },
        },
        { parent: this, ignoreChanges: givenByCluster },
      );
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
