import { createHash } from "node:crypto";
import type { types } from "@pulumi/kubernetes";
import type { Container } from "./container";

/** A volume of a pod. */
export type Volume =
  | { readonly name: string; readonly emptyDir: { readonly medium?: "Memory"; readonly sizeLimit: string } }
  | { readonly name: string; readonly persistentVolumeClaim: { readonly claimName: string } }
  | {
      readonly name: string;
      readonly secret: {
        readonly secretName: string;
        readonly defaultMode?: number;
        /** Files by key. @defaultValue one for each key, named as it is */
        readonly items?: { readonly key: string; readonly path: string }[];
      };
    }
  | { readonly name: string; readonly configMap: { readonly name: string } };

/** Who a pod's processes are. */
export interface PodUser {
  readonly runAsUser: number;
  readonly runAsGroup: number;
  /** Group that owns mounted volumes. */
  readonly fsGroup?: number;
}

export interface PodArgs {
  readonly labels: Readonly<Record<string, string>>;
  readonly container: Container;
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly user: PodUser;
  readonly restartPolicy?: "Always" | "OnFailure" | "Never";
  /** Configuration that the pods read from elsewhere than their variables: a change of it starts new pods. */
  readonly config?: unknown;
  readonly affinity?: types.input.core.v1.Affinity;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Time between the end of the longest step and the kill. */
const graceMarginSeconds = 15;
/** A pod that is deleted still gets connections until the proxies of all nodes know; within the margin above. */
const leaveServiceSeconds = 10;

/** The pod of a workload, with the floor that every pod stands on. */
export function podTemplate(args: PodArgs): types.input.core.v1.PodTemplateSpec {
  const { container, initContainers = [], volumes = [], user } = args;
  const restricted = [container, ...initContainers].every((each) => each.restricted);
  const annotations = {
    ...args.annotations,
    ...(args.config !== undefined && { "usdf/config-checksum": sha256(JSON.stringify(args.config)) }),
  };
  return {
    metadata: {
      labels: { ...args.labels },
      annotations: Object.keys(annotations).length === 0 ? undefined : annotations,
    },
    spec: {
      automountServiceAccountToken: false, // no program of ours speaks to the API server
      enableServiceLinks: false, // else a Service "redis" gives every pod REDIS_PORT=tcp://…
      restartPolicy: args.restartPolicy,
      affinity: args.affinity,
      terminationGracePeriodSeconds: container.longestStepSeconds + graceMarginSeconds,
      securityContext: {
        ...(restricted ? { runAsNonRoot: true, ...user } : { fsGroup: user.fsGroup }),
        seccompProfile: { type: "RuntimeDefault" },
      },
      initContainers: initContainers.length === 0 ? undefined : initContainers.map((each) => containerSpec(each, user)),
      containers: [containerSpec(container, user)],
      volumes: [...volumes, ...(restricted ? [{ name: "tmp", emptyDir: { sizeLimit: "1Gi" } }] : [])],
    },
  };
}

/** Nodes that pods rather run on: those with a label, whatever its value. */
export interface PreferredNodes {
  readonly label: string;
  /** 1 to 100. */
  readonly weight: number;
}

/** Where pods may run; `undefined` where the scheduler chooses freely. */
export function affinityOf({
  nodes,
  apart,
  near,
  prefers,
  selector,
}: {
  readonly nodes?: readonly string[];
  readonly apart?: boolean;
  readonly near?: Readonly<Record<string, string>>;
  readonly prefers?: PreferredNodes;
  readonly selector: Readonly<Record<string, string>>;
}): types.input.core.v1.Affinity | undefined {
  if (nodes === undefined && !apart && near === undefined && prefers === undefined) return undefined;
  const matchExpressions = [{ key: "kubernetes.io/hostname", operator: "In", values: [...(nodes ?? [])] }];
  const onNodeOf = (labels: Readonly<Record<string, string>>) => ({
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: { matchLabels: { ...labels } }, topologyKey: "kubernetes.io/hostname" },
    ],
  });
  const required = nodes && {
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] },
  };
  const preferred = prefers && {
    preferredDuringSchedulingIgnoredDuringExecution: [
      {
        weight: prefers.weight,
        preference: { matchExpressions: [{ key: prefers.label, operator: "Exists" }] },
      },
    ],
  };
  return {
    nodeAffinity: required || preferred ? { ...required, ...preferred } : undefined,
    podAffinity: near && onNodeOf(near),
    podAntiAffinity: apart ? onNodeOf(selector) : undefined,
  };
}

function containerSpec(container: Container, user: PodUser): types.input.core.v1.Container {
  const { name, image, imagePullPolicy, command, args, workingDir, env, port, probes, resources, restricted } =
    container;
  return {
    name,
    image,
    imagePullPolicy,
    command: command && [...command],
    args: args && [...args],
    workingDir,
    env: [...env],
    ports: port && [
      { name: port.name, containerPort: port.number, protocol: "TCP" },
      ...Object.entries(container.morePorts ?? {}).map(([name, containerPort]) => ({
        name,
        containerPort,
        protocol: "TCP",
      })),
    ],
    lifecycle: container.behindService ? { preStop: { sleep: { seconds: leaveServiceSeconds } } } : undefined,
    startupProbe: probes.startup,
    livenessProbe: probes.liveness,
    readinessProbe: probes.readiness,
    resources: { requests: { ...resources.requests }, limits: { ...resources.limits } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: (restricted && !container.writesRoot) || undefined,
      // An image of others keeps its user; a group of a shared file system is set all the same.
      runAsGroup: restricted || user.runAsGroup === defaultUser.runAsGroup ? undefined : user.runAsGroup,
    },
    volumeMounts: [...(container.volumeMounts ?? []), ...(restricted ? [{ name: "tmp", mountPath: "/tmp" }] : [])],
  };
}

/** User and group of our images. */
export const defaultUser: PodUser = { runAsUser: 1000, runAsGroup: 1000 };

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
