import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  ensureButlerPython,
  ensureKafka,
  ensurePostgres,
  ensureRedis,
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
  /** Why it cannot run on this machine, in one line; installs what it can first. */
  readonly obstacle: (progress: Progress) => Promise<string | undefined>;
}

const none = async () => undefined;
const engine = "/test/.*engine";
/** Tests of other folders that start services. */
const withServices = "/test/(components/redis|local/relay|local/cameraSend)";
const longOnes = "/test/workloads/(survive|fuzz)";

/** In the order in which they run: the quick ones first. */
export const tiers: readonly Tier[] = [
  {
    name: "unit",
    files: ["/test/(components|config|docs|preview|local|bench)/"],
    not: [engine, withServices],
    workers: 2,
    obstacle: none,
  },
  {
    name: "workload",
    files: ["/test/(workloads|ceph)/", withServices],
    not: [engine, longOnes],
    workers: 2,
    obstacle: services,
  },
  { name: "survival", files: [longOnes], workers: 1, obstacle: services },
  { name: "system", files: ["/test/system/"], workers: 1, obstacle: services },
  { name: "engine", files: [engine], workers: 1, obstacle: engineObstacle },
];

/** The real services that tests start for themselves. */
async function services(progress: Progress): Promise<string | undefined> {
  try {
    await Promise.all(
      [ensureRedis, ensureRgw, ensureKafka, ensurePostgres, ensureButlerPython].map((ensure) => ensure(progress)),
    );
    return undefined;
  } catch (error) {
    if (error instanceof MissingPrerequisite) return error.message;
    return `a service cannot be had: ${(error as Error).message.split("\n")[0]}`;
  }
}

/** The Pulumi engine, its plugins and an API server lie beside a checkout where they are had. */
async function engineObstacle(): Promise<string | undefined> {
  if (!existsSync(join(checkout, "../shared/tools"))) return "no ../shared/tools (Pulumi engine, API server)";
  return process.getuid?.() === 0 ? undefined : "the API server of ../shared/tools needs root";
}
