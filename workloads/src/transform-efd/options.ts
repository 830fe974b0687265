import { parseArgs } from "node:util";
import { ConfigError, type EnvOf, nearest, parseEnv } from "../lib/contract";
import { type Instrument, transformEfdContract } from "./contract";

/** Flags of the command line, each with the variable that it stands for. */
const flags = {
  config: { short: "c", variable: "CONFIG_FILE" },
  instrument: { short: "i", variable: "INSTRUMENT" },
  repo: { short: "r", variable: "BUTLER_REPO" },
  db: { short: "d", variable: "CONSDB_URL" },
  efd: { short: "E", variable: "EFD" },
  mode: { short: "m", variable: "MODE" },
  start: { short: "s", variable: "DATETIME_START" },
  end: { short: "e", variable: "DATETIME_END" },
  timedelta: { short: "t", variable: "TIMEDELTA" },
  timewindow: { short: "w", variable: "TIMEWINDOW" },
  logfile: { short: "l", variable: "LOGFILE" },
  "monitor-window-days": { variable: "MONITOR_WINDOW_DAYS" },
  resume: { short: "R", variable: "RESUME", isSwitch: true },
  "failure-monitor": { variable: "FAILURE_MONITOR", isSwitch: true },
} as const satisfies Record<string, { short?: string; variable: string; isSwitch?: true }>;

type Env = EnvOf<typeof transformEfdContract>;

/** What one run does; the environment with everything that belongs together put together. */
export type Options = Omit<Env, "MODE" | "DATETIME_START" | "DATETIME_END" | "CONSDB_URL"> & {
  readonly mode: Mode;
  /** The consolidated database; its secondaries. With passwords: never to a log. */
  readonly databases: { readonly primary: string; readonly secondaries: readonly string[] };
};

/** The three ways to run. */
export type Mode =
  | { readonly name: "job"; readonly startMs: number; readonly endMs: number; readonly resume: boolean }
  | { readonly name: "cronjob" }
  | { readonly name: "failure-monitor" };

/**
 * Reads the command line and the environment; a flag wins over its variable.
 * @param words - The command line without program names.
 * @throws {@link ConfigError} with every fault of both; no secret is in it.
 */
export function readOptions(words: readonly string[], environment: NodeJS.ProcessEnv): Options {
  const faults: string[] = [];
  const given = { ...environment, ...readFlags(words, faults) };
  let env: Env | undefined;
  try {
    env = parseEnv(transformEfdContract, given);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.push(...error.faults);
  }
  const mode = env && readMode(env, faults);
  const urls = (given.CONSDB_URL ?? "").split(/\s+/).filter((url) => url !== "");
  urls.forEach((url, index) => checkDatabase(url, index, faults));
  if (given.EFD) checkEfd(given.EFD, faults);
  if (!env || !mode || faults.length > 0) throw new ConfigError(transformEfdContract.name, faults);
  const LOG_CONFIG = environment.LOG_CONFIG ? env.LOG_CONFIG : env.LOG_LEVEL || env.LOG_CONFIG;
  return { ...env, LOG_CONFIG, mode, databases: { primary: urls[0]!, secondaries: urls.slice(1) } };
}

/** Variables that the flags stand for. `-d URL URL…` takes several. */
function readFlags(words: readonly string[], faults: string[]): Record<string, string> {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      {
        type: "isSwitch" in flag ? ("boolean" as const) : ("string" as const),
        ...("short" in flag && { short: flag.short }),
      },
    ]),
  );
  const { tokens } = parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true });
  const given: Record<string, string> = {};
  let isDatabases = false;
  for (const token of tokens) {
    if (token.kind === "positional") {
      // Not shown: it may be a URL with its password.
      if (isDatabases) given.CONSDB_URL += ` ${token.value}`;
      else faults.push(`word ${token.index + 1} of the command line belongs to no flag`);
      continue;
    }
    if (token.kind === "option-terminator") continue;
    isDatabases = token.name === "db";
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name as keyof typeof flags] : undefined;
    if (!flag) {
      const meant = nearest(token.name, Object.keys(flags));
      faults.push(`${token.rawName} is not a flag${meant ? `; did you mean --${meant}?` : ""}`);
    } else if ("isSwitch" in flag) {
      if (token.value === undefined) given[flag.variable] = "true";
      else faults.push(`${token.rawName} takes no value`);
    } else if (token.value === undefined) {
      faults.push(`${token.rawName} needs a value`);
    } else {
      given[flag.variable] = token.value;
    }
  }
  return given;
}

function readMode(env: Env, faults: string[]): Mode | undefined {
  const { MODE, RESUME: resume, FAILURE_MONITOR: monitor } = env;
  // Manifests of 25.10.2 start the failure monitor by --resume.
  if (MODE === "cronjob") return { name: resume || monitor ? "failure-monitor" : "cronjob" };
  if (monitor) faults.push("--failure-monitor is of MODE cronjob only; take it away, or set MODE to cronjob");
  const startMs = readTime("DATETIME_START", env.DATETIME_START, faults);
  const endMs = readTime("DATETIME_END", env.DATETIME_END, faults);
  if (startMs === undefined || endMs === undefined) return undefined;
  if (startMs >= endMs)
    faults.push(`DATETIME_START="${env.DATETIME_START}" is not before DATETIME_END="${env.DATETIME_END}"`);
  return { name: "job", startMs, endMs, resume };
}

/** ISO 8601, date alone or with time; without an offset it is UTC. */
function readTime(name: string, value: string, faults: string[]): number | undefined {
  if (value === "") {
    faults.push(`${name} is missing: MODE job needs the range of its windows`);
    return undefined;
  }
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:?\d\d)?)?$/i.exec(value);
  const ms = match ? Date.parse(`${match[1]}T${match[2] ?? "00:00"}${match[3] ?? "Z"}`) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  faults.push(`${name}="${value}" is not a time as 2026-06-03T00:00:00 [UTC]`);
  return undefined;
}

function checkDatabase(url: string, index: number, faults: string[]): void {
  const which = index === 0 ? "CONSDB_URL" : `URL ${index + 1} of CONSDB_URL`;
  if (!/^postgres(ql)?(\+\w+)?:\/\//.test(url) || !URL.canParse(url))
    faults.push(`${which} (secret, value not shown) is not postgresql://user:password@host:port/database`);
}

function checkEfd(url: string, faults: string[]): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.password)
    faults.push("EFD holds a password (value not shown): set EFD_USERNAME and EFD_PASSWORD instead");
  else if (!parsed || !/^https?:$/.test(parsed.protocol)) faults.push(`EFD="${url}" is not http(s)://host:port/path`);
}

/** Schema of the results and table of the tasks. */
export function placesOf(instrument: Instrument): { readonly output: string; readonly tasks: string } {
  const name = instrument.toLowerCase();
  return { output: `efd_${name}`, tasks: name };
}
