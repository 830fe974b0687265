import { ensurePrograms, type Progress } from "./services";

/** Finds or installs what {@link inOwnNetwork} needs. */
export const ensureOwnNetwork = (progress?: Progress) =>
  ensurePrograms({ what: "iproute2", programs: ["ip", "unshare"], packages: ["iproute2", "util-linux"] }, progress);

/**
 * A command in a network of its own, which ends with it: every port is free there, and nothing outside is reached. Needs root.
 * A cluster's control plane can run in each of two networks: its address is that of an interface, and its end forgets the
 * addresses of pods in a folder that is its own here.
 */
export function inOwnNetwork(command: readonly string[]): string[] {
  const script = [
    "ip link set lo up",
    "ip link add near type veth peer name far",
    "ip addr add 198.51.100.1/30 dev near",
    "ip link set near up",
    "ip link set far up",
    "mkdir -p /var/lib/cni",
    "mount -t tmpfs tmpfs /var/lib/cni",
    'exec "$@"',
  ];
  return ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script.join(" && "), "sh", ...command];
}
