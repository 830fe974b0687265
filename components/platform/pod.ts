import { createHash } from "node:crypto";
import type { types } from "@pulumi/kubernetes";
import type { Container } from "./container";

/** A volume of a pod. */
export type Volume =
  | { readonly name: string; readonly emptyDir: { readonly medium?: "Memory"; readonly sizeLimit: string } }
  | { readonly name: string; readonly persistentVolumeClaim: { readonly claimName: string } }
  | { readonly name: string; readonly secret: { readonly secretName: string; readonly defaultMode?: number } }
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
}

/** Time between the end of the longest step and the kill. */
const graceMarginSeconds = 15;
/** A pod that is deleted still gets connections until the proxies of all nodes know; within the margin above. */
const leaveServiceSeconds = 10;

/** The pod of a workload, with the floor that every pod stands on. */
export function podTemplate(args: PodArgs): types.input.core.v1.PodTemplateSpec {
  const { container, initContainers = [], volumes = [], user } = args;
  const restricted = [container, ...initContainers].every((each) => each.restricted);
  const checksum = args.config === undefined ? undefined : sha256(JSON.stringify(args.config));
  return {
    metadata: {
      labels: { ...args.labels },
      annotations: checksum === undefined ? undefined : { "usdf/config-checksum": checksum },
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

/** Where pods may run; `undefined` where the scheduler chooses freely. */
export function affinityOf({
  nodes,
  apart,
  near,
  selector,
}: {
  readonly nodes?: readonly string[];
  readonly apart?: boolean;
  readonly near?: Readonly<Record<string, string>>;
  readonly selector: Readonly<Record<string, string>>;
}): types.input.core.v1.Affinity | undefined {
  if (nodes === undefined && !apart && near === undefined) return undefined;
  const matchExpressions = [{ key: "kubernetes.io/hostname", operator: "In", values: [...(nodes ?? [])] }];
  const onNodeOf = (labels: Readonly<Record<string, string>>) => ({
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: { matchLabels: { ...labels } }, topologyKey: "kubernetes.io/hostname" },
    ],
  });
  return {
    nodeAffinity: nodes && {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] },
    },
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
      readOnlyRootFilesystem: restricted || undefined,
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
