import { type EnvOf, parseEnv } from "../../workloads/src/lib/contract";
import { transformEfdContract } from "../../workloads/src/transform-efd/contract";
import { CommandError, exitCodes } from "../exit";

/** Where a command of `usdf efd` looks. */
export interface EfdOptions {
  /** Variables of this shell instead of a stack's. */
  readonly env?: boolean;
  /** `local`, or a stack of this checkout whose cluster kubectl reaches. */
  readonly stack: string;
  /** One of `usdf:efd.environments`; may be left out where the instrument, or being the only one, tells which. */
  readonly environment?: string;
  /** Default: that of the environment. */
  readonly instrument?: string;
  readonly json?: boolean;
}

/** One environment of the transformed EFD: its variables, as the container of transform-efd has them. */
export interface EfdPlace {
  /** Name for people, e.g. `local` or `prod-lsstcam (prod)`. */
  readonly name: string;
  /** As tables are named: lower case. */
  readonly instrument: string;
  /** CONSDB_URL is the primary database alone. */
  readonly env: NodeJS.ProcessEnv & { readonly CONSDB_URL: string };
}

/**
 * @param isAny - Whether any environment of the stack will do, since they share the database.
 * @throws CommandError where the place does not run, cannot be reached, or says too little.
 */
export async function efdPlace(options: EfdOptions, isAny = false): Promise<EfdPlace> {
  const { name, env } = await variables(options, isAny);
  const instrument = (options.instrument ?? env.INSTRUMENT ?? "").toLowerCase();
  const [primary] = (env.CONSDB_URL ?? "").split(/\s+/).filter(Boolean);
  if (primary === undefined) throw lacks("CONSDB_URL", name);
  if (instrument === "") throw lacks("INSTRUMENT", name, "; or give --instrument");
  return { name, instrument, env: { ...env, CONSDB_URL: primary } };
}

/** Everything that transform-efd reads of its environment, for commands that read the Butler or the EFD too. @throws ConfigError */
export function settingsOf({ env, instrument }: EfdPlace): Settings {
  return parseEnv(transformEfdContract, { MODE: "cronjob", ...env, INSTRUMENT: instrument });
}

export type Settings = EnvOf<typeof transformEfdContract>;

function lacks(variable: string, name: string, hint = ""): CommandError {
  return new CommandError(`${variable} is not set in ${name}${hint}.`, exitCodes.usage);
}

async function variables(options: EfdOptions, isAny: boolean): Promise<{ name: string; env: NodeJS.ProcessEnv }> {
  if (options.env) return { name: "the environment of this shell", env: process.env };
  const { clusterVariables, environmentOf } = await import("./cluster");
  const { stack } = options;
  const environment = environmentOf(stack, options, isAny);
  if (stack !== "local") return clusterVariables(stack, environment);
  const { localEnvironment } = await import("../runner");
  const { env } = await localEnvironment("transform", environment);
  return { name: `${environment} (stack local)`, env: { ...env } };
}
