import { kindOf, pathText, type PolicyObject, textsOf } from "./object";
import type { Rule } from "./rule";

/** Leading bits below which a network is as good as everything: two halves of the Internet are no allow list either. */
const leastBits = { 4: 8, 6: 16 };
const networks = /(?<![\w.:/])(?:(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9a-f]*:){2,}[0-9a-f]*)\/\d{1,3}(?![\w.:/])/gi;

function isEverything(network: string): boolean {
  const bits = Number(network.slice(network.indexOf("/") + 1));
  return bits < leastBits[network.includes(":") ? 6 : 4];
}

export const everyNetwork: Rule = {
  name: "every-network",
  level: "mandatory",
  about:
    "No list of networks holds 0.0.0.0/0, ::/0 or a part of them that large, and no NetworkPolicy opens all ports to anyone. " +
    "Anyone on named ports is allowed: a NetworkPolicy cannot tell callers behind a load balancer apart (open-balancer asks " +
    "about those), and object stores and registries outside the cluster have addresses that move.",
  why: "Such a list looks like a limit and is none.",
  check: (object) =>
    object.type.startsWith("kubernetes:")
      ? [
          // Addresses stand in the spec, and in annotations of ingress controllers.
          ...[...withNetworks(object, ["spec"]), ...withNetworks(object, ["metadata", "annotations"])].flatMap(
            ({ path, value }) =>
              [...value.matchAll(networks)]
                .map(([network]) => network)
                .filter(isEverything)
                .map((network) => `${pathText(path)} lets in or out ${network}. Name the networks that are meant.`),
          ),
          ...openings(object),
        ]
      : [],
};

/** Texts below a path that name networks. */
function withNetworks({ inputs }: PolicyObject, path: readonly [string, ...string[]]) {
  const part = path.reduce<Record<string, unknown> | undefined>((value, step) => value?.[step] as typeof value, inputs);
  return textsOf(part, (text) => text.includes("/") && text.search(networks) >= 0, path);
}

function openings(object: PolicyObject): string[] {
  if (kindOf(object) !== "NetworkPolicy") return [];
  const { ingress = [], egress = [] } = object.inputs.spec ?? {};
  const isOpen = (peers: unknown[] = [], ports: unknown[] = []) => peers.length === 0 && ports.length === 0;
  return [
    ...ingress.filter((one: { from?: []; ports?: [] }) => isOpen(one.from, one.ports)).map(() => "ingress"),
    ...egress.filter((one: { to?: []; ports?: [] }) => isOpen(one.to, one.ports)).map(() => "egress"),
  ].map(
    (side) =>
      `an opening of ${side} names neither peers nor ports. Name the ports, and the peers where they are known.`,
  );
}

/** Addresses that are not routed on the Internet. */
const inside = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|127\.|f[cd][0-9a-f]{2}:)/i;

export const openBalancer: Rule = {
  name: "open-balancer",
  level: "advisory",
  about:
    "A load balancer names the networks that may connect (loadBalancerSourceRanges), or has a fixed private address.",
  why: "The next address of a pool may be one that the whole Internet reaches.",
  check: (object) => {
    const { spec, metadata } = object.inputs;
    if (kindOf(object) !== "Service" || spec?.type !== "LoadBalancer") return [];
    const addresses = String(metadata?.annotations?.["metallb.io/loadBalancerIPs"] ?? spec.loadBalancerIP ?? "");
    const isInside = addresses !== "" && addresses.split(",").every((address) => inside.test(address.trim()));
    if (isInside || (spec.loadBalancerSourceRanges ?? []).length > 0) return [];
    return [
      "is a load balancer for everyone who reaches its address. Set service.sources, or service.address to a private one.",
    ];
  },
};
