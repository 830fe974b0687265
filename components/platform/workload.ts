import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { PlatformConfig } from "../config";
import type { Container } from "./container";
import { customResource } from "./custom";
import { podMonitor, scrapes } from "./metrics";
import { networkPolicySpec, type Opening, type PodSelector } from "./network";
import { affinityOf, defaultUser, podTemplate, type PodUser, type PreferredNodes, type Volume } from "./pod";
import { type ScaledJobRun, scaledJobSpec } from "./scaledJob";

/** How a workload's pods run. */
export type Run =
  | {
      readonly kind: "Deployment";
      readonly replicas: number;
      /** RollingUpdate starts the new pod first; Recreate where two at a time would hurt. @defaultValue RollingUpdate */
      readonly strategy?: "RollingUpdate" | "Recreate";
    }
  | {
      readonly kind: "StatefulSet";
      /** Undefined: something else says how many there are, e.g. KEDA. */
      readonly replicas: number | undefined;
      readonly serviceName: string;
      readonly claims: Claim[];
      /** Whether the engine refuses to delete or replace it. */
      readonly protect: boolean;
    }
  | {
      readonly kind: "Job";
      readonly backoffLimit?: number;
      readonly limitSeconds: number;
      /** How long it is kept when it has ended. @defaultValue a day */
      readonly keepSeconds?: number;
      /** Whether a pod that its node lost counts for nothing. @defaultValue false: as a failed one */
      readonly forgivesDisruption?: boolean;
    }
  | {
      readonly kind: "CronJob";
      readonly schedule: string;
      /** @defaultValue Etc/UTC */
      readonly timeZone?: string;
      /** How late a run may start, when its time was missed. @defaultValue 300 */
      readonly startingDeadlineSeconds?: number;
      /** Whether a run that is due ends one that goes on still. @defaultValue false: it is left out */
      readonly replaces?: boolean;
      readonly suspend: boolean;
      /** Longest run; the next one starts afresh. */
      readonly limitSeconds: number;
      /** Pods that are started again after one failed. @defaultValue 1 */
      readonly backoffLimit?: number;
      /** Finished runs that are kept to look at. @defaultValue 1 that succeeded */
      readonly keepsSuccessful?: number;
      /** How long they are kept. @defaultValue a day */
      readonly keepSeconds?: number;
      /** Pods of a run that share its work; each ends when there is none left. @defaultValue 1 */
      readonly workers?: number;
      /** Whether a pod that its node lost counts for nothing. @defaultValue false: as a failed one */
      readonly forgivesDisruption?: boolean;
    }
  | ScaledJobRun;

/** A volume that each pod of a StatefulSet gets for itself. */
export interface Claim {
  readonly name: string;
  readonly storageClass: string;
  readonly size: string;
}

/** Arguments of {@link Workload}. */
export interface WorkloadArgs {
  readonly namespace: pulumi.Input<string>;
  /** `metadata.name` of the Deployment (StatefulSet, …): runbooks name it. */
  readonly metadataName: string;
  /** `app.kubernetes.io/part-of`, e.g. `embargo`. */
  readonly system: string;
  /** `app.kubernetes.io/instance`: the environment. */
  readonly environment: string;
  /** `app.kubernetes.io/name`: what it is, e.g. `ingest`. */
  readonly component: string;
  /** Labels beside `app.kubernetes.io/*`; the selector's are among them. */
  readonly labels: Readonly<Record<string, string>>;
  /** Labels that find its pods, in whoever's form they run. The API server never changes them: others mean a new workload. */
  readonly selector: PodSelector;
  readonly run: Run;
  readonly container: Container;
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  /** @defaultValue {@link defaultUser} */
  readonly user?: PodUser;
  /** Names of the nodes that its pods may run on. @defaultValue any */
  readonly nodes?: readonly string[];
  /** Nodes that its pods rather run on. @defaultValue any */
  readonly prefers?: PreferredNodes;
  readonly podAnnotations?: Readonly<Record<string, string>>;
  /** Whether no two of its pods run on one node. @defaultValue false */
  readonly apart?: boolean;
  /** Pods on whose node its own must run: a volume that they mount is attached to one node. @defaultValue none */
  readonly near?: PodSelector;
  /** Who may talk to it; Prometheus may by itself. @defaultValue nobody */
  readonly accepts?: readonly Opening[];
  /** Whom it may talk to; DNS it may by itself. @defaultValue nobody */
  readonly reaches?: readonly Opening[];
  /** Whether a {@link WorkloadGroup} stands for its network and its metrics. @defaultValue false */
  readonly inGroup?: boolean;
  /**
   * Pods and their network stay as the cluster has them, which others made: for a take-over that restarts nothing. An
   * attempt to make the workload anew is refused by the API server, since it exists.
   * @defaultValue false
   */
  readonly adopting?: boolean;
  /** Configuration that is read from elsewhere than variables: its change starts new pods. */
  readonly config?: unknown;
  readonly monitoring: PlatformConfig["monitoring"];
}

/**
 * Pods with the floor that all of ours stand on: probes, requests and limits, Pod Security "restricted", a grace period
 * above the longest step, a disruption budget where there are several, labels, a closed network, metrics.
 */
export class Workload extends pulumi.ComponentResource {
  /** Labels of all its objects and pods. */
  readonly labels: Readonly<Record<string, string>>;
  /** Labels that find its pods. */
  readonly selector: PodSelector;

  constructor(name: string, args: WorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("usdf:platform:Workload", name, {}, opts);
    const { namespace, metadataName, container, run, monitoring } = args;
    const child = { parent: this };
    this.selector = args.selector;
    const labels = {
      ...args.labels,
      "app.kubernetes.io/name": args.component,
      "app.kubernetes.io/instance": args.environment,
      "app.kubernetes.io/part-of": args.system,
      "app.kubernetes.io/managed-by": "pulumi",
    };
    this.labels = labels;
    const metadata = { name: metadataName, namespace, labels };
    const scraped = container.metrics && monitoring.enabled && !args.inGroup ? container.port : undefined;
    const accepts = [...(args.accepts ?? []), ...scrapes(scraped, monitoring)];

    if (!args.adopting && !args.inGroup) {
      new k8s.networking.v1.NetworkPolicy(
        name,
        { metadata, spec: networkPolicySpec(this.selector, accepts, args.reaches ?? []) },
        child,
      );
    }
    this.runPods(name, args, metadata, labels);
    if ("replicas" in run && (run.replicas ?? 1) > 1) {
      new k8s.policy.v1.PodDisruptionBudget(
        name,
        { metadata, spec: { maxUnavailable: 1, selector: { matchLabels: { ...this.selector } } } },
        child,
      );
    }
    if (scraped) podMonitor(name, metadata, this.selector, scraped, child);
    this.registerOutputs({ labels, selector: this.selector });
  }

  private runPods(
    name: string,
    args: WorkloadArgs,
    metadata: { name: string; namespace: pulumi.Input<string>; labels: Record<string, string> },
    labels: Record<string, string>,
  ): void {
    const child = { parent: this };
    const kept = args.adopting ? ["spec.template", "spec.strategy"] : [];
    // Policies look at what the engine sends, which are the pods of others as long as they stay.
    const marked = args.adopting ? { ...metadata, annotations: { "usdf/adopting": "true" } } : metadata;
    const { run, container, initContainers, volumes, user = defaultUser, config } = args;
    const annotations = args.podAnnotations;
    const affinity = affinityOf(args);
    const pod = { labels, container, initContainers, volumes, user, config, affinity, annotations };
    const selector = { matchLabels: { ...this.selector } };
    const limited = (seconds: number, keepSeconds = 24 * 3600) => {
      return { activeDeadlineSeconds: seconds, ttlSecondsAfterFinished: keepSeconds };
    };
    switch (run.kind) {
      case "Deployment": {
        const strategy =
          run.strategy === "Recreate"
            ? { type: "Recreate" }
            : { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } };
        const spec = {
          replicas: run.replicas,
          revisionHistoryLimit: 3,
          strategy,
          selector,
          template: podTemplate(pod),
        };
        new k8s.apps.v1.Deployment(name, { metadata: marked, spec }, { ...child, ignoreChanges: kept });
        break;
      }
      case "StatefulSet": {
        const volumeClaimTemplates = run.claims.map((claim) => ({
          metadata: { name: claim.name },
          spec: {
            accessModes: ["ReadWriteOnce"],
            storageClassName: claim.storageClass,
            resources: { requests: { storage: claim.size } },
          },
        }));
        const { serviceName, replicas } = run;
        const spec = { serviceName, replicas, selector, template: podTemplate(pod), volumeClaimTemplates };
        // For these the StatefulSet would be made anew, which changes none of its volumes and stops its pods.
        const fixed = ["spec.volumeClaimTemplates", "spec.podManagementPolicy", "spec.revisionHistoryLimit"];
        const ignoreChanges = [...kept, ...fixed];
        new k8s.apps.v1.StatefulSet(
          name,
          { metadata: marked, spec },
          { ...child, protect: run.protect, ignoreChanges },
        );
        break;
      }
      case "Job": {
        const template = podTemplate({ ...pod, restartPolicy: "Never" });
        const spec = {
          ...limited(run.limitSeconds, run.keepSeconds),
          backoffLimit: run.backoffLimit ?? 3,
          podFailurePolicy: forgiving(run),
          template,
        };
        new k8s.batch.v1.Job(name, { metadata, spec }, child);
        break;
      }
      case "CronJob": {
        const template = podTemplate({ ...pod, restartPolicy: "Never" });
        const spec = {
          schedule: run.schedule,
          timeZone: run.timeZone ?? "Etc/UTC",
          suspend: run.suspend,
          concurrencyPolicy: run.replaces ? "Replace" : "Forbid",
          startingDeadlineSeconds: run.startingDeadlineSeconds ?? 300,
          successfulJobsHistoryLimit: run.keepsSuccessful ?? 1,
          failedJobsHistoryLimit: 3,
          jobTemplate: {
            metadata: { labels },
            spec: {
              ...limited(run.limitSeconds, run.keepSeconds),
              backoffLimit: run.backoffLimit ?? 1,
              parallelism: run.workers,
              podFailurePolicy: forgiving(run),
              template,
            },
          },
        };
        new k8s.batch.v1.CronJob(name, { metadata, spec }, child);
        break;
      }
      case "ScaledJob": {
        const spec = scaledJobSpec(run, podTemplate({ ...pod, restartPolicy: "Never" }));
        customResource(name, { apiVersion: "keda.sh/v1alpha1", kind: "ScaledJob", metadata, spec }, child);
      }
    }
  }
}

function forgiving({ forgivesDisruption = false }: { readonly forgivesDisruption?: boolean }) {
  if (!forgivesDisruption) return undefined;
  return { rules: [{ action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] }] };
}
