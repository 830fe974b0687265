/** Who may talk to a pod, or whom a pod may talk to. */
export type Peer =
  /** Pods of the same namespace. */
  | { readonly pods: PodSelector }
  /** All pods of another namespace. */
  | { readonly namespace: string }
  /** Addresses, e.g. `172.24.0.0/16`. */
  | { readonly cidr: string };

/** One opening in a pod's network. */
export interface Opening {
  readonly peers: readonly Peer[] | "anyone";
  readonly ports: readonly (number | string)[];
}

/** Labels that find the pods of a workload in their namespace; part of its identity. */
export type PodSelector = Readonly<Record<string, string>>;

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
  const peersOf = ({ peers }: Opening) => (peers === "anyone" ? undefined : peers.map(peerOf));
  const portsOf = ({ ports }: Opening) => ports.map((port) => ({ protocol: "TCP", port }));
  return {
    podSelector: { matchLabels: { ...selector } },
    policyTypes: ["Ingress", "Egress"],
    ingress: accepts.map((opening) => ({ from: peersOf(opening), ports: portsOf(opening) })),
    egress: [dns, ...reaches.map((opening) => ({ to: peersOf(opening), ports: portsOf(opening) }))],
  };
}

function peerOf(peer: Peer) {
  if ("pods" in peer) return { podSelector: { matchLabels: { ...peer.pods } } };
  if ("namespace" in peer) {
    return { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": peer.namespace } } };
  }
  return { ipBlock: { cidr: peer.cidr } };
}

/** Port of a URL, to open it. */
export function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return port === "" ? (protocol === "http:" ? 80 : 443) : Number(port);
}
