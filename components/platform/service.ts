import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { PodSelector } from "./network";

/** What the cluster gives a Service. One that was taken over has it among its inputs, and without it would be made anew. */
export const givenByCluster = ["spec.clusterIP", "spec.clusterIPs"];

/**
 * What the engine waits for. Left to itself it looks at a new or changed Service for ten seconds whether its pods stay; these
 * it waits for at their Deployment or StatefulSet already.
 */
export const awaited = {
  nothing: { "pulumi.com/skipAwait": "true" },
  address: { "pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress[0].ip}" },
};

/** Arguments of {@link clusterService}. */
export interface ClusterServiceArgs {
  readonly namespace: pulumi.Input<string>;
  /** Name of the Service; clients know it. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly selector: PodSelector;
  readonly port: { readonly name: string; readonly port: number; readonly targetPort: number | string };
}

/** A Service inside the cluster. */
export function clusterService(name: string, args: ClusterServiceArgs, opts: pulumi.CustomResourceOptions) {
  const { namespace, labels, selector, port } = args;
  return new k8s.core.v1.Service(
    name,
    {
      metadata: { name: args.name, namespace, labels: { ...labels }, annotations: awaited.nothing },
      spec: { type: "ClusterIP", selector: { ...selector }, ports: [{ ...port, protocol: "TCP" }] },
    },
    { ...opts, ignoreChanges: givenByCluster },
  );
}
