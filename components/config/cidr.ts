import { isIPv4, isIPv6 } from "node:net";
import { z } from "zod";

/** Address ranges of a firewall, read from what people write. */
export interface Networks {
  /** Fewest networks that cover the same addresses, in order, IPv4 first. */
  readonly cidrs: readonly string[];
  /** What was taken otherwise than written, or says nothing new. */
  readonly warnings: readonly string[];
  /** What no allow list may have. */
  readonly faults: readonly string[];
}

interface Network {
  readonly isV6: boolean;
  readonly first: bigint;
  readonly prefix: number;
}

/** Shortest prefixes: wider networks are whole providers, up to the whole internet. */
const shortestPrefix = { v4: 8, v6: 16 } as const;

/**
 * Reads, checks and merges networks in CIDR form; a bare address is a network of itself. Bits behind the prefix are
 * dropped, as nginx and Kubernetes do silently: a warning says so.
 */
export function readNetworks(entries: readonly string[]): Networks {
  const faults: string[] = [];
  const warnings: string[] = [];
  const networks: Network[] = [];
  for (const entry of entries) {
    const network = networkOf(entry);
    if (typeof network === "string") {
      faults.push(`"${entry}" ${network}`);
      continue;
    }
    if (isTooWide(network)) {
      const { v4, v6 } = shortestPrefix;
      faults.push(`"${entry}" is wider than /${network.isV6 ? v6 : v4}: name the networks that are meant`);
      continue;
    }
    const taken = textOf(network);
    const written = entry.includes("/") ? addressOf(entry.split("/")[0]!)!.value : network.first;
    const covers = networks.find((one) => contains(one, network));
    const also =
      covers === undefined
        ? ""
        : `, which ${textOf(covers) === taken ? "is there" : `${textOf(covers)} covers`} already`;
    if (written !== network.first) warnings.push(`"${entry}" is no network: ${taken} was taken${also}`);
    else if (covers !== undefined) warnings.push(`"${entry}" says nothing new: ${textOf(covers)} covers it`);
    networks.push(network);
  }
  const merged = [...merge(networks.filter(({ isV6 }) => !isV6)), ...merge(networks.filter(({ isV6 }) => isV6))];
  for (const network of merged.filter(isTooWide)) faults.push(`the entries together are ${textOf(network)}, too wide`);
  return { cidrs: merged.map(textOf), warnings, faults };
}

/** Networks that may reach what is shown outside the cluster; the value is the merged list. */
export const allowList = z.array(z.string()).transform((entries, context) => {
  const { cidrs, faults } = readNetworks(entries);
  for (const fault of faults) context.addIssue({ code: "custom", message: `has an entry that is refused: ${fault}` });
  return [...cidrs];
});

/** @returns why it is none, where it is none. */
function networkOf(entry: string): Network | string {
  const [text = "", prefixText, ...rest] = entry.split("/");
  const address = addressOf(text);
  const advice = 'must be an address or a network such as "140.252.32.0/23"';
  if (address === undefined || rest.length > 0) return advice;
  const { isV6, value } = address;
  const bits = isV6 ? 128 : 32;
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return advice;
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  if (prefix > bits) return `has a prefix longer than ${bits}`;
  if (isV6 && value >> 32n === 0xffffn) return "is IPv4 in the form of IPv6: write it as IPv4";
  const hostBits = BigInt(bits - prefix);
  return { isV6, first: (value >> hostBits) << hostBits, prefix };
}

function addressOf(text: string): { isV6: boolean; value: bigint } | undefined {
  if (isIPv4(text)) return { isV6: false, value: joined(text.split(".").map(Number), 8n) };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  // The URL parser writes an address in its one short form, without dotted decimals.
  const [head = "", tail] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":").map((group) => parseInt(group, 16)));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = new Array<number>(8 - left.length - right.length).fill(0);
  return { isV6: true, value: joined([...left, ...zeros, ...right], 16n) };
}

function joined(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((sum, part) => (sum << bits) | BigInt(part), 0n);
}

const bitsOf = ({ isV6 }: Network) => (isV6 ? 128 : 32);
const lastOf = (network: Network) => network.first + (1n << BigInt(bitsOf(network) - network.prefix)) - 1n;
const contains = (outer: Network, inner: Network) =>
  outer.isV6 === inner.isV6 && outer.first <= inner.first && lastOf(inner) <= lastOf(outer);
const isTooWide = ({ isV6, prefix }: Network) => prefix < (isV6 ? shortestPrefix.v6 : shortestPrefix.v4);

/** Fewest networks of one family that cover the same addresses: drops what is covered, joins halves. */
function merge(networks: readonly Network[]): Network[] {
  const sorted = [...networks].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : a.prefix - b.prefix));
  const merged: Network[] = [];
  for (let next of sorted) {
    if (merged.length > 0 && contains(merged.at(-1)!, next)) continue;
    for (;;) {
      const before = merged.at(-1);
      const whole: Network = { ...next, first: before?.first ?? 0n, prefix: next.prefix - 1 };
      const isUpperHalf = before?.prefix === next.prefix && lastOf(before) + 1n === next.first;
      const size = 1n << BigInt(bitsOf(next) - next.prefix + 1);
      if (!isUpperHalf || whole.first % size !== 0n) break;
      merged.pop();
      next = whole;
    }
    merged.push(next);
  }
  return merged;
}

function textOf(network: Network): string {
  const { isV6, first, prefix } = network;
  const part = (shift: number, bits: number) => (first >> BigInt(shift)) & ((1n << BigInt(bits)) - 1n);
  if (!isV6) return `${[24, 16, 8, 0].map((shift) => part(shift, 8)).join(".")}/${prefix}`;
  const groups = [112, 96, 80, 64, 48, 32, 16, 0].map((shift) => part(shift, 16).toString(16));
  return `${new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1)}/${prefix}`;
}
