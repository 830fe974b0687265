import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { containerSecurity, jmxMetrics, jvmOptions, listeners, podSecurity } from "../kafka";
import { customResource, type Opening } from "../platform";
import { networkPolicySpec } from "../platform";
import { clusterLabel, clusterName, type Environment, kafkaPods, labelsOf } from "./environment";
import { mirroring } from "./mirrors";

/** MirrorMaker 2 at the target: pulls topics, schemas and offsets of other environments. It only reads there. */
export class MirrorMaker extends pulumi.ComponentResource {
  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-mirror`;
    super("usdf:sasquatch:MirrorMaker", name, {}, opts);
    const { namespace, settings, plan } = environment;
    const { kafka, mirrorMaker } = settings;
    const child = { parent: this };
    const metadata = { name: clusterName, namespace, labels: labelsOf(environment, "mirror") };
    customResource(
      name,
      {
        apiVersion: "kafka.strimzi.io/v1",
        kind: "KafkaMirrorMaker2",
        metadata,
        spec: {
          version: kafka.version,
          replicas: mirrorMaker.replicas,
          ...mirroring(environment),
          resources: { requests: mirrorMaker.requests, limits: mirrorMaker.limits },
          jvmOptions: jvmOptions(mirrorMaker.heapMi),
          metricsConfig: jmxMetrics(clusterName, "connect.yaml"),
          template: {
            pod: podSecurity,
            connectContainer: containerSecurity,
            podDisruptionBudget: { maxUnavailable: 1 },
          },
        },
      },
      child,
    );
    const ports = plan.mirrors.flatMap(({ bootstrap }) =>
      bootstrap.split(",").map((one) => Number(one.split(":").pop())),
    );
    const peers = { ...clusterLabel, "strimzi.io/kind": "KafkaMirrorMaker2" };
    egressOnly(
      environment,
      "mirror",
      peers,
      [
        { peers: "anyone", ports: [...new Set(ports)] }, // the sources; they limit who may come
        { peers: [{ pods: kafkaPods }], ports: [listeners.tls] },
        { peers: [{ pods: peers }], ports: [8083] }, // workers ask the one that leads
      ],
      this,
    );
    this.registerOutputs();
  }
}

/** Limits whom pods of Strimzi may talk to; who may talk to them, Strimzi limits by policies of its own. */
export function egressOnly(
  environment: Environment,
  component: string,
  pods: Readonly<Record<string, string>>,
  reaches: readonly Opening[],
  parent: pulumi.Resource,
): void {
  const { podSelector, egress } = networkPolicySpec(pods, [], reaches);
  new k8s.networking.v1.NetworkPolicy(
    `${environment.prefix}-${component}-egress`,
    {
      metadata: {
        name: `${clusterName}-${component}-egress`,
        namespace: environment.namespace,
        labels: labelsOf(environment, component),
      },
      spec: { podSelector, policyTypes: ["Egress"], egress },
    },
    { parent },
  );
}
