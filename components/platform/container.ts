import type { Contract } from "../../workloads/src/lib/contract";
import { type ContainerEnv, type EnvValue, type EnvVar, envVars, type ExactEnv, podFields } from "./env";

/** CPU and memory. */
export interface Amounts {
  readonly cpu: string;
  readonly memory: string;
  /** Disk of the node. @defaultValue no bound of its own */
  readonly "ephemeral-storage"?: string;
}

/** What a container may and will use. */
export interface Resources {
  readonly requests: Amounts;
  readonly limits: Amounts;
}

/** A check of the kubelet. */
export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string; readonly scheme: "HTTP" };
  readonly tcpSocket?: { readonly port: string };
  readonly exec?: { readonly command: string[] };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}
export interface Probes {
  /** Until it succeeds the others do not run. */
  readonly startup?: Probe;
  /** Its failure restarts the container. */
  readonly liveness?: Probe;
  /** Its failure takes the pod out of its Services. */
  readonly readiness?: Probe;
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

/** A container; {@link program} and {@link foreignProgram} make them. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly imagePullPolicy?: "Always" | "IfNotPresent";
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env: readonly EnvVar[];
  /** Its TCP port, if it serves one. */
  readonly port?: { readonly name: string; readonly number: number };
  /** Further TCP ports, by name. */
  readonly morePorts?: Readonly<Record<string, number>>;
  readonly probes: Probes;
  readonly resources: Resources;
  readonly volumeMounts?: readonly VolumeMount[];
  /** Whether `/metrics` of `port` is for Prometheus. */
  readonly metrics: boolean;
  /**
   * Whether it keeps to Pod Security "restricted" with a read-only root file system. False for images of others that run
   * as root or write beside their code; they still get no privilege, no capability and the default seccomp profile.
   */
  readonly restricted: boolean;
  /** A restricted container whose program writes beside its code: its root file system is left writable. @defaultValue false */
  readonly writesRoot?: boolean;
  /** Longest step that a stop waits for. */
  readonly longestStepSeconds: number;
  /** Whether clients come through a Service: then it goes on serving until every node has taken the pod out of it. */
  readonly behindService?: boolean;
}

/** Arguments of {@link program}. */
export interface ProgramArgs<C extends Contract, Env extends ContainerEnv<C> = ContainerEnv<C>> {
  readonly image: string;
  readonly imagePullPolicy?: Container["imagePullPolicy"];
  readonly env: ExactEnv<C, Env>;
  /** Variables of the contract's open families, e.g. `LSST_RESOURCES_S3_PROFILE_embargo`. */
  readonly families?: Readonly<Record<string, EnvValue>>;
  readonly resources: Resources;
  readonly volumeMounts?: readonly VolumeMount[];
  readonly behindService?: Container["behindService"];
}

/** Memory below which a program of ours does not start; limits made for smaller programs are raised to it. */
const leastMemoryMi = 192;

/** A container of ours: command, variables, port and probes come from its contract. */
export function program<C extends Contract, Env extends ContainerEnv<C>>(
  contract: C,
  args: ProgramArgs<C, Env>,
): Container {
  for (const name of Object.keys(args.families ?? {})) {
    if (!contract.families?.some(({ prefix }) => name.startsWith(prefix)))
      throw new Error(
        `${name} belongs to no family of variables of ${contract.name}. Correct the name or its contract.`,
      );
  }
  const { requests, limits } = args.resources;
  return {
    name: contract.name,
    image: args.image,
    imagePullPolicy: args.imagePullPolicy,
    command: ["node", `dist/${contract.name}.js`],
    workingDir: "/app",
    env: envVars({
      ...podFields,
      HTTP_PORT: contract.httpPort,
      TMPDIR: "/tmp",
      ...(args.env as Record<string, EnvValue>),
      ...args.families,
    }),
    port: { name: "http", number: contract.httpPort },
    probes: contract.runs === "until-stopped" ? httpProbes : {},
    resources: { requests, limits: { ...limits, memory: atLeastMi(limits.memory, leastMemoryMi) } },
    volumeMounts: args.volumeMounts,
    metrics: contract.runs === "until-stopped",
    restricted: true,
    longestStepSeconds: contract.longestStepSeconds,
    behindService: args.behindService,
  };
}

/**
 * The scheme is the default, but must be said: a default that the API server fills in belongs to nobody, so it would stay
 * behind, and refuse the other kind of probe, when the image is switched.
 */
const get = (path: string) => ({ httpGet: { path, port: "http", scheme: "HTTP" as const } });

const httpProbes: Probes = {
  startup: { ...get("/healthz"), periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 180 },
  liveness: { ...get("/healthz"), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
  readiness: { ...get("/readyz"), periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 },
};

/** Arguments of {@link foreignProgram}. */
export interface ForeignProgramArgs<
  C extends Contract,
  Env extends ContainerEnv<C> = ContainerEnv<C>,
> extends ProgramArgs<C, Env> {
  /** Variables that only the other program knows. */
  readonly more?: Readonly<Record<string, EnvValue>>;
  /** Whether it listens on the contract's port. */
  readonly serves: boolean;
}

/**
 * Today's image of the same program. Its variables are a subset of ours, so it takes the same environment. It has no
 * health endpoints and no metrics: where it serves, probes only connect; where it does not, a probe could only kill it,
 * so there is none. Its own command is kept, and its user: these images run as root.
 */
export function foreignProgram<C extends Contract, Env extends ContainerEnv<C>>(
  contract: C,
  args: ForeignProgramArgs<C, Env>,
): Container {
  const connect = { tcpSocket: { port: "http" }, timeoutSeconds: 2 };
  return {
    ...program(contract, args),
    command: undefined,
    workingDir: undefined,
    env: envVars({ ...(args.env as Record<string, EnvValue>), ...args.families, ...args.more }),
    port: args.serves ? { name: "http", number: contract.httpPort } : undefined,
    probes: args.serves
      ? {
          startup: { ...connect, periodSeconds: 1, failureThreshold: 180 },
          liveness: { ...connect, periodSeconds: 10, failureThreshold: 3 },
          readiness: { ...connect, periodSeconds: 5, failureThreshold: 2 },
        }
      : {},
    resources: args.resources,
    metrics: false,
    restricted: false,
    behindService: undefined,
  };
}

function atLeastMi(memory: string, leastMi: number): string {
  const match = /^(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti)?$/.exec(memory);
  const mi = match
    ? Number(match[1]) * { "": 2 ** -20, Ki: 2 ** -10, Mi: 1, Gi: 2 ** 10, Ti: 2 ** 20 }[match[2] ?? ""]!
    : 0;
  return mi < leastMi ? `${leastMi}Mi` : memory;
}
