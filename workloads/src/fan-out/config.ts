import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { ConfigError } from "../lib/contract";
import { messageOf } from "../lib/errors";
import type { NextVisit, StreamGroup } from "../lib/visits";
import { fanOutContract, fanOutDocument, type FanOutEnv } from "./contract";

/** Where the visits of an instrument go. */
export interface Route extends StreamGroup {
  readonly instrument: string;
  /** Only when DELIVERY is http. */
  readonly url?: string;
  readonly detectors: readonly number[];
  /** salIndex of a test visit -> its detectors. */
  readonly testVisits: ReadonlyMap<number, readonly number[]>;
}

/** Routes by the instrument's name. */
export type Routes = ReadonlyMap<string, Route>;

/** Detectors that a visit is fanned out to: those of the test visit with its salIndex, else all active ones. */
export function detectorsOf(route: Route, visit: NextVisit): readonly number[] {
  return route.testVisits.get(visit.salIndex) ?? route.detectors;
}

/** Reads the document of instruments. @throws {@link ConfigError} that lists every fault at once. */
export function readRoutes(env: Pick<FanOutEnv, "INSTRUMENT_CONFIG_FILE" | "DELIVERY">): Routes {
  const file = env.INSTRUMENT_CONFIG_FILE;
  const refuse = (faults: readonly string[]) =>
    new ConfigError(
      fanOutContract.name,
      faults.map((fault) => `INSTRUMENT_CONFIG_FILE ${file}: ${fault}`),
    );
  let content: unknown;
  try {
    content = parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw refuse([messageOf(error)]);
  }
  const { success, data, error } = fanOutDocument.safeParse(content);
  if (!success)
    throw refuse(error.issues.map((issue) => `${issue.path.join(".") || "the document"}: ${issue.message}`));
  const faults: string[] = [];
  const routes = new Map<string, Route & { testVisits: Map<number, readonly number[]> }>();
  for (const [instrument, route] of Object.entries(data.instruments)) {
    faults.push(...repeats(`instruments.${instrument}`, route.detectors));
    if (env.DELIVERY === "http" && route.url === undefined) faults.push(`instruments.${instrument} has no url: DELIVERY is http`); // prettier-ignore
    routes.set(instrument, { instrument, ...route, testVisits: new Map() });
  }
  if (routes.size === 0) faults.push("instruments is empty");
  for (const [name, detectors] of Object.entries(data.testVisits)) {
    faults.push(...repeats(`testVisits.${name}`, detectors));
    const [, instrument, salIndex] = /^(.+)-TEST-(\d+)$/.exec(name)!;
    const route = routes.get(instrument!);
    if (route) route.testVisits.set(Number(salIndex), detectors);
    else faults.push(`testVisits.${name} is of ${instrument}, which is not among the instruments`);
  }
  if (faults.length > 0) throw refuse(faults);
  return routes;
}

function repeats(where: string, detectors: readonly number[]): string[] {
  const twice = [...new Set(detectors.filter((id, index) => detectors.indexOf(id) !== index))];
  return twice.map((id) => `${where} names detector ${id} twice`);
}
