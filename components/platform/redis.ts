import { type Container, type Probe } from "./container";
import { envVars } from "./env";
import type { PodUser, Volume } from "./pod";
import type { SecretKeyReference } from "./secrets";

/** What Redis is told beside its address, folder and password. */
function settingsOf({ maxMemoryMi, admitsAnyone }: Pick<RedisArgs, "maxMemoryMi" | "admitsAnyone">): string {
  return [
    "appendonly yes",
    "appendfsync always", // what enqueue acknowledged is on disk
    'save ""', // the append-only file is the truth; a snapshot would only fork once more
    `maxmemory ${maxMemoryMi}mb`,
    "maxmemory-policy noeviction", // a full Redis refuses and Ceph retries; an evicted queue is gone
    "tcp-keepalive 60",
    ...(admitsAnyone ? ["user default on nopass ~* &* +@all"] : []), // after requirepass: it admits with and without password
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

/** Arguments of {@link redisPod}. */
export interface RedisArgs {
  readonly image: string;
  /** Data that it may hold, MiB; the limit of its memory is 1.5 times that. */
  readonly maxMemoryMi: number;
  readonly requests: Container["resources"]["requests"];
  readonly password: SecretKeyReference;
  /** Whether clients without password are let in. @defaultValue false */
  readonly admitsAnyone?: boolean;
}

/** Name of its data volume. */
const data = "data";

/** A Redis that keeps what it acknowledged: container, volumes and user of its pod, and the name of the claim of its data. */
export function redisPod(args: RedisArgs): {
  readonly container: Container;
  readonly volumes: Volume[];
  readonly user: PodUser;
  readonly claim: string;
} {
  const container: Container = {
    name: "redis",
    image: args.image,
    command: ["sh", "-c", start, "redis"],
    args: ["/run/redis/redis.conf", "/data", settingsOf(args)],
    env: envVars({ POD_IP: { field: "status.podIP" }, REDISCLI_AUTH: args.password }),
    port: { name: "redis", number: 6379 },
    probes: {
      // Reading a large append-only file takes minutes; until then it answers LOADING.
      startup: ping("PONG", { periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 }),
      // MISCONF = it cannot write to its disk: a restart would only make it load again.
      liveness: ping("PONG|MISCONF", { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 }),
      readiness: ping("PONG", { periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 }),
    },
    resources: {
      requests: args.requests,
      limits: { cpu: "2", memory: `${Math.ceil(args.maxMemoryMi * 1.5)}Mi` }, // a rewrite of the file forks
    },
    volumeMounts: [
      { name: data, mountPath: "/data" },
      { name: "config", mountPath: "/run/redis" },
    ],
    metrics: false, // who works with it publishes what is in it
    restricted: true,
    longestStepSeconds: 45,
  };
  return {
    container,
    volumes: [{ name: "config", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } }],
    user: { runAsUser: 999, runAsGroup: 999, fsGroup: 999 },
    claim: data,
  };
}
