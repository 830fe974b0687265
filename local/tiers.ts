import { existsSync } from "node:fs";
import { join } from "node:path";
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

/** Engine and cluster use the same ports. What waits for services much shares the cores with what computes. */
export type Lane = "services" | "survival" | "cluster";

/** A part of `npm test` with needs of its own. */
export interface Tier {
  readonly name: string;
  /** Test files, as patterns of jest. */
  readonly files: readonly string[];
  /** Files of these patterns belong to another tier. */
  readonly not?: readonly string[];
  /** Files at the same time; 1 where a test measures times or takes the whole machine. */
  readonly workers: number;
  /** Lanes run beside each other, the tiers of a lane one after the other: much of a tier's time is waiting. */
  readonly lane: Lane;
  /** Why it cannot run on this machine, in one line; installs what it can first. */
  readonly obstacle: (progress: Progress) => Promise<string | undefined>;
}

const none = async () => undefined;
const engine = "/test/.*engine";
const cluster = "/test/cluster/";
/** Tests of other folders that start services. */
const withServices = "/test/(components/redis|local/relay|local/registry|local/cameraSend)";
const longOnes = "/test/workloads/(survive|fuzz)";

/** In the order in which a lane runs them; the lanes take about as long as each other. */
export const tiers: readonly Tier[] = [
  {
    name: "workload",
    files: ["/test/(workloads|ceph)/", withServices],
    not: [engine, longOnes],
    workers: 2,
    lane: "services",
    obstacle: services,
  },
  { name: "survival", files: [longOnes], workers: 1, lane: "survival", obstacle: services },
  { name: "system", files: ["/test/system/"], workers: 1, lane: "survival", obstacle: services },
  {
    name: "unit",
    files: ["/test/(components|config|docs|policy|preview|local|bench|workflows)/"],
    not: [engine, withServices],
    workers: 2,
    lane: "survival",
    obstacle: none,
  },
  { name: "engine", files: [engine], not: [cluster], workers: 1, lane: "cluster", obstacle: clusterObstacle },
  { name: "cluster", files: [cluster], workers: 1, lane: "cluster", obstacle: clusterObstacle },
];

/** The real services that tests start for themselves. */
async function services(progress: Progress): Promise<string | undefined> {
  try {
    await Promise.all(
      [
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
  return services(progress);
}
