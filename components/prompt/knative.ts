import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { ResolvedService } from "../config";
import { customResource, networkPolicySpec, podTemplate } from "../platform";
import { type Environment, identity, type Place } from "./environment";
import { workerPod, workerReaches } from "./worker";

/** The older form of a service: Knative keeps pods that get a POST for each detector, and answer when the visit is done. */

/** Longest time of a request that Knative is told to allow. */
const maxTimeoutSeconds = 1200;
/** Namespaces of what requests come through, and ports of Knative's own container in each pod that they come to. */
const callers = ["knative-serving", "kourier-system"];
const queuePorts = [8012, 8013, 8022, 9090, 9091];

/** Where fan-out posts visits to. */
export const knativeUrl = ({ fullName }: Pick<ResolvedService, "fullName">): string =>
  `http://${fullName}.${fullName}/next-visit`;

/** Declares the Service of Knative, and who may come to its pods. */
export function declareKnativeService(
  environment: Environment,
  service: ResolvedService,
  place: Place,
  opts: pulumi.CustomResourceOptions,
): void {
  const { fullName, scaling, knative, worker } = service;
  const name = `${environment.prefix}-${fullName}-workers`;
  const names = identity(environment, place, fullName);
  const labels = { ...names.labels, "app.kubernetes.io/instance": environment.name, instrument: service.instrument.toLowerCase() }; // prettier-ignore
  const metadata = { name: fullName, namespace: place.namespace, labels };
  const timeoutSeconds = Math.min(maxTimeoutSeconds, 2 * worker.timeoutSeconds + knative.extraTimeoutSeconds);
  customResource(
    name,
    {
      apiVersion: "serving.knative.dev/v1",
      kind: "Service",
      metadata,
      spec: {
        template: {
          metadata: {
            labels,
            annotations: {
              "autoscaling.knative.dev/min-scale": String(scaling.min),
              "autoscaling.knative.dev/max-scale": String(scaling.max),
              "autoscaling.knative.dev/target-utilization-percentage": String(knative.targetUtilizationPercent),
              "autoscaling.knative.dev/target-burst-capacity": "-1",
              ...queueResources(knative.queue),
              ...service.podAnnotations,
            },
          },
          spec: {
            ...revisionPod(environment, service, labels),
            ...(knative.gpus > 0 && { tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }] }), // prettier-ignore
            containerConcurrency: knative.concurrency,
            timeoutSeconds,
            idleTimeoutSeconds: timeoutSeconds,
            responseStartTimeoutSeconds: timeoutSeconds,
          },
        },
      },
    },
    opts,
  );
  const accepts = [{ peers: callers.map((namespace) => ({ namespace })), ports: queuePorts }];
  const spec = networkPolicySpec(names.selector, accepts, workerReaches(service));
  new k8s.networking.v1.NetworkPolicy(name, { metadata, spec }, opts);
}

function queueResources({ requests, limits }: ResolvedService["knative"]["queue"]): Record<string, string> {
  const amounts = { "cpu-resource": "cpu", "memory-resource": "memory", "ephemeral-storage-resource": "ephemeralStorage" } as const; // prettier-ignore
  return Object.fromEntries(
    Object.entries(amounts).flatMap(([what, amount]) => [
      [`queue.sidecar.serving.knative.dev/${what}-request`, requests[amount]!],
      [`queue.sidecar.serving.knative.dev/${what}-limit`, limits[amount]!],
    ]),
  );
}

/**
 * The pod as Knative takes it: it knows neither a grace period (the request's limit is it) nor a restart policy, and takes
 * the user at each container.
 */
function revisionPod(environment: Environment, service: ResolvedService, labels: Readonly<Record<string, string>>) {
  const { knative, worker } = service;
  const { container, volumes, initContainers, user = { runAsUser: 1000, runAsGroup: 1000 } } = workerPod(service, environment.settings); // prettier-ignore
  const spec = podTemplate({ labels, container, volumes, initContainers, user }).spec! as {
    containers: k8s.types.input.core.v1.Container[];
    initContainers?: k8s.types.input.core.v1.Container[];
    volumes?: k8s.types.input.core.v1.Volume[];
  };
  const { runAsUser, runAsGroup } = user;
  const secured = (one: k8s.types.input.core.v1.Container) => ({
    ...one,
    securityContext: {
      ...(one.securityContext as object),
      ...{ runAsNonRoot: true, runAsUser, runAsGroup, seccompProfile: { type: "RuntimeDefault" } },
    },
  });
  const gpus = knative.gpus === 0 ? {} : { "nvidia.com/gpu": String(knative.gpus) };
  const { requests, limits } = container.resources;
  const main = {
    ...secured(spec.containers[0]!),
    ports: [{ containerPort: 8080 }], // one port, which the program is told by PORT
    env: [
      ...container.env,
      { name: "WORKER_COUNT", value: String(knative.concurrency) },
      { name: "WORKER_GRACE_PERIOD", value: String(worker.graceSeconds) },
    ],
    resources: { requests: { ...requests, ...gpus }, limits: { ...limits, ...gpus } },
  };
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    initContainers: spec.initContainers?.map(secured),
    containers: [main],
    volumes: spec.volumes,
  };
}
