import { join } from "node:path";
import { messageOf } from "../../workloads/src/lib/errors";
import { resolveTarget } from "../camera/target";
import { CommandError, exitCodes } from "../exit";
import { readStackYaml } from "../record";
import { stackConfig } from "../stackConfig";
import { type Journey, sendCanary } from "./journey";
import { localPlace } from "./local";
import type { Place } from "./place";
import { clusterPlace, obstacle, stackOutputs } from "./stack";

export interface VerifyOptions {
  /** Folder with `Pulumi.yaml`. Default: this checkout. */
  readonly folder?: string;
  /** Only these environments. Default: all that a canary can be sent through. */
  readonly environments?: readonly string[];
  /** Longest time from the first PUT to presence, ms. */
  readonly timeoutMs: number;
  /** Another gateway, or other keys, than those of the stack's configuration. */
  readonly endpoint?: string;
  readonly profile?: string;
  readonly stop: AbortSignal;
  /** Told of each environment that is done. */
  readonly onJourney?: (journey: Journey) => void;
}

/** How the environments of a stack fared. */
export interface StackVerified {
  readonly stack: string;
  /** Every canary came the whole way, and no trace of one is left. */
  readonly ok: boolean;
  readonly journeys: readonly Journey[];
  /** Environments through which no canary can be sent, with the reason. */
  readonly skipped: Readonly<Record<string, string>>;
}

/**
 * Sends a canary through the environments of a stack, one after the other.
 * @throws CommandError when an environment does not exist, cannot be reached, or no canary can be sent through the ones named.
 */
export async function verifyStack(stack: string, options: VerifyOptions): Promise<StackVerified> {
  const { folder = join(__dirname, "../.."), environments: wanted } = options;
  const config = stackConfig(stack, readStackYaml(stack, folder));
  const known = Object.keys(config.embargo?.environments ?? {});
  const unknown = wanted?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) {
    const message = `No environment ${unknown.join(", ")} in stack ${stack}. There are: ${known.join(", ") || "none"}.`;
    throw new CommandError(message, exitCodes.usage);
  }
  const chosen = wanted ?? known;
  const skipped = Object.fromEntries(
    chosen.flatMap((name) => {
      const why = obstacle(config.embargo!, name);
      return why === undefined ? [] : [[name, why]];
    }),
  );
  const able = chosen.filter((name) => !Object.hasOwn(skipped, name));
  if (able.length === 0 || (wanted !== undefined && able.length < wanted.length)) {
    const reasons = Object.entries(skipped).map(([name, why]) => `${name}: ${why}`);
    throw new CommandError(
      `No canary can be sent through ${reasons.join("; ") || `stack ${stack}: it has no environment`}.`,
    );
  }
  const open = stack === "local" ? localPlace : await clusterPlaces(stack, folder, config, options);
  const journeys: Journey[] = [];
  for (const name of able) {
    if (options.stop.aborted) break;
    const place = await open(name).catch((error: unknown) => {
      if (stack === "local") throw error; // it does not run at all
      return unreachable(name, error);
    });
    const journey = "close" in place ? await sendCanary(place, options).finally(() => place.close()) : place;
    journeys.push(journey);
    options.onJourney?.(journey);
  }
  return { stack, ok: journeys.length === able.length && journeys.every(isClean), journeys, skipped };
}

function unreachable(environment: string, error: unknown): Journey {
  const failed = { hop: "connect" as const, reason: messageOf(error) };
  return { environment, ok: false, hops: [], totalMs: 0, failed, leftovers: 0 };
}

async function clusterPlaces(
  stack: string,
  folder: string,
  config: ReturnType<typeof stackConfig>,
  { endpoint, profile }: VerifyOptions,
): Promise<(name: string) => Promise<Place>> {
  const given = endpoint ?? profile;
  const bucket = given === undefined ? undefined : (await resolveTarget({ endpoint, profile, bucket: "" })).bucket;
  const outputs = await stackOutputs(stack, folder);
  return (name) => clusterPlace(config, name, outputs, { bucket });
}

function isClean({ ok, left }: Journey): boolean {
  return ok && left === undefined;
}
