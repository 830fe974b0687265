import { z } from "zod";
import type { Raw } from "../lib/raws";
import type { FannedOutVisit } from "../lib/visits";

/**
 * What gateway and pipeline program say to each other, one JSON object a line: orders on its standard input, reports on its
 * file descriptor 3. Its standard output and error are logs. Numbers that JSON has none for (NaN) are null.
 */
export type Order =
  | {
      readonly type: "visit";
      readonly visit: FannedOutVisit;
      /** From 1. */
      readonly attempt: number;
      /** An earlier attempt was granted its commit and never told the end: look whether it is there. */
      readonly commitUncertain: boolean;
      /** Time from now after which the program is ended. */
      readonly deadlineSeconds: number;
    }
  | ({ readonly type: "raw" } & Raw)
  /** No more raws come; complete: as many exposures as announced have, or any where the number is not known. */
  | { readonly type: "rawsEnd"; readonly complete: boolean }
  | ({ readonly type: "commit" } & Grant);

/** Answer to the wish to commit. */
export interface Grant {
  readonly granted: boolean;
  /** As {@link Order} `commitUncertain`, at this moment. */
  readonly uncertain: boolean;
  /** Why not; empty when granted. */
  readonly reason: string;
}

const done = z.object({
  type: z.literal("done"),
  outcome: z.enum(["committed", "ignored", "failed"]),
  retriable: z.boolean().default(false),
  reason: z.string().default(""),
});
const report = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("commit") }),
  done,
]);
export type Report = z.output<typeof report>;
/** How a visit ended, as the program says. */
export type Done = Omit<z.output<typeof done>, "type">;

/** Longest line of a report, characters. */
export const reportLimit = 64 * 1024;

/** @throws Error that says what the program wrote instead of a report. */
export function parseReport(line: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error(`it reported ${shown(line)}, which is no JSON`);
  }
  const parsed = report.safeParse(value);
  if (!parsed.success) throw new Error(`it reported ${shown(line)}, which is none of ready, commit, done`);
  return parsed.data;
}

const shown = (line: string) => JSON.stringify(line.length > 200 ? `${line.slice(0, 200)}…` : line);
