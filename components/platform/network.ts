/** Who may talk to a pod, or whom a pod may talk to. */
export type Peer =
  /** Pods of the same environment, by `app.kubernetes.io/name`. */
  | { readonly component: string }
  /** All pods of another namespace. */
  | { readonly namespace: string }
  /** Addresses, e.g. `172.24.0.0/16`. */
  | { readonly cidr: string };

/** One opening in a pod's network. */
export interface Opening {
  readonly peers: readonly Peer[] | "anyone";
  readonly ports: readonly (number | string)[];
}

/** Labels that find the pods of a workload; part of its identity. */
export interface PodSelector {
  readonly "app.kubernetes.io/name": string;
  readonly "app.kubernetes.io/instance": string;
}

const dns = {
  ports: [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ],
};

/**
 * Spec of a NetworkPolicy that closes the pods but for the openings. DNS stays open outward, since nothing works
 * without it. The kubelet's probes come from the node, which policies do not bind.
 */
export function networkPolicySpec(selector: PodSelector, accepts: readonly Opening[], reaches: readonly Opening[]) {
  const instance = selector["app.kubernetes.io/instance"];
  const peersOf = ({ peers }: Opening) =>
    peers === "anyone" ? undefined : peers.map((peer) => peerOf(peer, instance));
  const portsOf = ({ ports }: Opening) => ports.map((port) => ({ protocol: "TCP", port }));
  return {
    podSelector: { matchLabels: { ...selector } },
    policyTypes: ["Ingress", "Egress"],
    ingress: accepts.map((opening) => ({ from: peersOf(opening), ports: portsOf(opening) })),
    egress: [dns, ...reaches.map((opening) => ({ to: peersOf(opening), ports: portsOf(opening) }))],
  };
}

function peerOf(peer: Peer, instance: string) {
  if ("component" in peer) {
    const matchLabels = { "app.kubernetes.io/name": peer.component, "app.kubernetes.io/instance": instance };
    return { podSelector: { matchLabels } };
  }
  if ("namespace" in peer) {
    return { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": peer.namespace } } };
  }
  return { ipBlock: { cidr: peer.cidr } };
}
