import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureOwnNetwork } from "./ownNetwork";
import {
  ensureButlerPython,
  ensureInfluxdb,
  ensureKafka,
  ensureMirrorMaker,
  ensurePostgres,
  ensureRedis,
  ensureRegistry,
  ensureRgw,
  MissingPrerequisite,
  type Progress,
} from "./services";
import { checkout } from "./state";

/** A part of `npm test` with needs of its own. */
export interface Tier {
  readonly name: string;
  /** Test files, as patterns of jest. */
  readonly files: readonly string[];
  /** Files of these patterns belong to another tier. */
  readonly not?: readonly string[];
  /** Files at the same time; 1 where a test measures times or takes the whole machine. */
  readonly workers: number;
  /** Whether it gets a network of its own where it runs beside others: it uses the ports of another tier. */
  readonly ownNetwork?: true;
  /** Whether it waits for no other: what stands by the second costs by the second. */
  readonly first?: true;
  /** Why it cannot run on this machine, in one line; installs what it can first. */
  readonly obstacle: (progress: Progress) => Promise<string | undefined>;
}

const none = async () => undefined;
const engine = "/test/.*engine";
const cluster = "/test/cluster/";
/** Tests of other folders that start services. */
const withServices = "/test/(components/redis|local/relay|local/registry|local/cameraSend)";
const longOnes = "/test/workloads/(survive|fuzz)";

/** In the order in which they begin, {@link atATime} of them beside each other: first what waits much, last what only computes. */
export const tiers: readonly Tier[] = [
  { name: "cluster", files: [cluster], workers: 1, first: true, obstacle: clusterObstacle },
  {
    name: "workload",
    files: ["/test/(workloads|ceph)/", withServices],
    not: [engine, longOnes],
    workers: 2,
    obstacle: services,
  },
  { name: "engine", files: [engine], not: [cluster], workers: 1, ownNetwork: true, obstacle: clusterObstacle },
  { name: "survival", files: [longOnes], workers: 1, obstacle: services },
  { name: "system", files: ["/test/system/"], workers: 1, obstacle: services },
  {
    name: "unit",
    files: ["/test/(components|config|docs|policy|preview|local|bench|workflows)/"],
    not: [engine, withServices],
    workers: 2,
    obstacle: none,
  },
];

/** Tiers beside each other. Much of a tier's time is waiting: so many keep two cores busy, more keep each other from them. */
export const atATime = 3;

/** The real services that tests start for themselves. */
async function services(
  progress: Progress,
  ...further: ((progress: Progress) => Promise<unknown>)[]
): Promise<string | undefined> {
  try {
    await Promise.all(
      [
        ...further,
        ensureRedis,
        ensureRgw,
        ensureKafka,
        ensureMirrorMaker,
        ensureRegistry,
        ensurePostgres,
        ensureInfluxdb,
        ensureButlerPython,
      ].map((ensure) => ensure(progress)),
    );
    return undefined;
  } catch (error) {
    if (error instanceof MissingPrerequisite) return error.message;
    return `a service cannot be had: ${(error as Error).message.split("\n")[0]}`;
  }
}

/** The Pulumi engine, its plugins and a Kubernetes lie beside a checkout where they are had. */
async function clusterObstacle(progress: Progress): Promise<string | undefined> {
  if (!existsSync(join(checkout, "../shared/tools"))) return "no ../shared/tools (Pulumi engine, Kubernetes)";
  if (process.getuid?.() !== 0) return "the Kubernetes of ../shared/tools needs root";
  return services(progress, ensureOwnNetwork);
}
