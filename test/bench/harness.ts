import { readFileSync } from "node:fs";

/**
 * One figure of a bench, and the limit that it must keep. Every file `test/bench/<name>.bench.ts` exports
 * `bench(): Promise<BenchResult[]>`; `npm run bench` runs each file in a process of its own, one after the other.
 */
export interface BenchResult {
  /** What was measured, in a few words, e.g. `enqueue webhook, 1 record a POST`. */
  readonly name: string;
  /** Unit of {@link figure} and {@link bare}, e.g. `records/s`, `ms`, `MB`. */
  readonly unit: string;
  /** Our figure. */
  readonly figure: number;
  /** The figure of the bare part that ours is measured against, from the same run. */
  readonly bare?: number;
  /** What that bare part is, e.g. `fastify handler with one LPUSH`. */
  readonly bareAbout?: string;
  readonly bound: Bound;
}

/** Limits; all that are given must hold. A ratio is `figure / bare`. */
export interface Bound {
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly ratioAtLeast?: number;
  readonly ratioAtMost?: number;
}

/** `figure / bare`, or `undefined` when there is no bare figure. */
export function ratioOf(result: BenchResult): number | undefined {
  return result.bare === undefined ? undefined : result.figure / result.bare;
}

/** Whether a result keeps its bound; a figure that is no number keeps none, nor does a ratio without a bare figure. */
export function keepsBound(result: BenchResult): boolean {
  const ratio = ratioOf(result) ?? NaN;
  const { atLeast, atMost, ratioAtLeast, ratioAtMost } = result.bound;
  return (
    Number.isFinite(result.figure) &&
    (atLeast === undefined || result.figure >= atLeast) &&
    (atMost === undefined || result.figure <= atMost) &&
    (ratioAtLeast === undefined || ratio >= ratioAtLeast) &&
    (ratioAtMost === undefined || ratio <= ratioAtMost)
  );
}

/** A bound in words: `≥ 60 % of bare`, `≤ 5 s`. */
export function describeBound({ bound, unit }: Pick<BenchResult, "bound" | "unit">): string {
  const parts: string[] = [];
  if (bound.atLeast !== undefined) parts.push(`≥ ${formatFigure(bound.atLeast)} ${unit}`);
  if (bound.atMost !== undefined) parts.push(`≤ ${formatFigure(bound.atMost)} ${unit}`);
  if (bound.ratioAtLeast !== undefined) parts.push(`≥ ${formatFigure(bound.ratioAtLeast)} × bare`);
  if (bound.ratioAtMost !== undefined) parts.push(`≤ ${formatFigure(bound.ratioAtMost)} × bare`);
  return parts.join(", ") || "none";
}

/** Three significant digits, thousands apart. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return value.toLocaleString("en-US", value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
}

/** Runs `body` and gives its duration in milliseconds. */
export async function timedMs(body: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await body();
  return performance.now() - start;
}

/**
 * Measures ours and the bare part by turns, so that both meet the same disturbances of the machine, and gives the
 * median of each.
 * @param rounds - How often each is measured, after one round of each that warms up and is not counted.
 */
export async function byTurns(
  rounds: number,
  ours: () => Promise<number>,
  bare: () => Promise<number>,
): Promise<{ figure: number; bare: number }> {
  const figures: number[] = [];
  const bares: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const [figure, bareFigure] = [await ours(), await bare()];
    if (round === 0) continue;
    figures.push(figure);
    bares.push(bareFigure);
  }
  return { figure: median(figures), bare: median(bares) };
}

/** Middle value; the mean of the middle two when their number is even. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("median of no values");
  const sorted = [...values].sort((left, right) => left - right);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[half] as number) : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
}

/** Resident memory of a process, MB, from /proc; `peak` gives the highest it ever was. */
export function rssMb(pid: number, peak = false): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const line = new RegExp(`^${peak ? "VmHWM" : "VmRSS"}:\\s+(\\d+) kB`, "m").exec(status);
  if (!line) throw new Error(`/proc/${pid}/status has no resident memory; is the process a kernel thread or gone?`);
  return Number(line[1]) / 1024;
}
