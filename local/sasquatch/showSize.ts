import { readFileSync } from "node:fs";
import type { SasquatchConfig } from "../../components/config";
import { CommandError, exitCodes } from "../exit";
import { stacksOf } from "../preview/stacks";
import { stackConfig } from "../stackConfig";
import { sizeOfEnvironment } from ".";
import { readRates } from "./rates";
import { bytesOf } from "./sizeInput";
import { sizeText } from "./sizeText";

export interface SizeOptions {
  readonly rates?: string;
  /** Bytes a second of all SAL topics. */
  readonly total?: string;
  readonly retention?: string;
  readonly replicas?: number;
  readonly stored?: string;
  readonly horizon?: number;
  readonly json?: boolean;
}

/** `usdf sasquatch size` */
export function showSize(environment: string, options: SizeOptions): void {
  const size = sizeOfEnvironment(environment, configurationOf(environment), {
    ...(options.rates !== undefined && { rates: ratesOfFile(options.rates) }),
    ...(options.total !== undefined && { totalBytesPerSecond: bytesArgument("--total", options.total) }),
    ...(options.retention !== undefined && { retention: options.retention }),
    ...(options.replicas !== undefined && { replicas: options.replicas }),
    ...(options.stored !== undefined && { storedBytes: bytesArgument("--stored", options.stored) }),
    ...(options.horizon !== undefined && { horizonDays: options.horizon }),
  });
  console.log(options.json ? JSON.stringify({ environment, ...size }) : sizeText(environment, size));
  if (!size.ok) process.exitCode = exitCodes.failed;
}

/** Configuration of the stack that has the environment. */
function configurationOf(environment: string): SasquatchConfig {
  const known: string[] = [];
  for (const stack of stacksOf()) {
    const { sasquatch } = stackConfig(stack);
    if (sasquatch && Object.hasOwn(sasquatch.environments, environment)) return sasquatch;
    known.push(...Object.keys(sasquatch?.environments ?? {}));
  }
  throw new CommandError(`No Sasquatch environment "${environment}". Known: ${known.join(", ") || "none"}.`, exitCodes.usage); // prettier-ignore
}

function ratesOfFile(file: string) {
  try {
    return readRates(readFileSync(file, "utf8"), file);
  } catch (error) {
    throw new CommandError((error as Error).message, exitCodes.usage, { cause: error });
  }
}

function bytesArgument(option: string, text: string): number {
  const bytes = bytesOf(text);
  if (!Number.isFinite(bytes)) throw new CommandError(`${option} ${text} is no size. Write e.g. 31Ti or 10M.`, exitCodes.usage); // prettier-ignore
  return bytes;
}
