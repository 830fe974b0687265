import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { LoadBalancer } from "../config";
import { awaited, givenByCluster, type Opening, type PodSelector } from "../platform";

/** Arguments of {@link loadBalancer}. */
export interface LoadBalancerArgs {
  readonly namespace: pulumi.Input<string>;
  /** Name of the Service; firewall requests, clients and runbooks know it. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly selector: PodSelector;
  /** `targetPort` is a number: the ports of today's pods have no names. */
  readonly port: { readonly name: string; readonly port: number; readonly targetPort: number };
  readonly balancer: LoadBalancer;
}

/** A Service behind a MetalLB address, and that address once it is known. */
export function loadBalancer(
  name: string,
  args: LoadBalancerArgs,
  opts: pulumi.CustomResourceOptions,
): { service: k8s.core.v1.Service; address: pulumi.Output<string> } {
  const { namespace, labels, selector, port, balancer } = args;
  const annotations: Record<string, string> = { ...awaited.address, "metallb.io/address-pool": balancer.pool };
  if (balancer.address !== undefined) annotations["metallb.io/loadBalancerIPs"] = balancer.address;
  const service = new k8s.core.v1.Service(
    name,
    {
      metadata: { name: args.name, namespace, labels: { ...labels }, annotations },
      spec: {
        type: "LoadBalancer",
        allocateLoadBalancerNodePorts: false,
        loadBalancerSourceRanges: balancer.sources && [...balancer.sources],
        selector: { ...selector },
        ports: [{ ...port, protocol: "TCP" }],
      },
    },
    { ...opts, ignoreChanges: givenByCluster },
  );
  const { address } = balancer;
  return {
    service,
    address:
      address === undefined
        ? service.status.apply((status) => status.loadBalancer.ingress[0]!.ip)
        : pulumi.output(address),
  };
}

/** Who may come through a load balancer. */
export function fromBalancer(balancer: LoadBalancer, port: number): Opening {
  return { peers: balancer.sources?.map((cidr) => ({ cidr })) ?? "anyone", ports: [port] };
}
