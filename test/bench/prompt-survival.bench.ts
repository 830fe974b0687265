import { badCodes, survive, teller } from "../workloads/prompt/survival";
import type { BenchResult } from "./harness";

const visits = 1_000;

/**
 * The issue of "must survive": 1,000 visits of 189 detectors, while fan-out, router, workers and Redis are killed all the time. Four
 * processes hold twelve workers each, the gateway as it is with a pipeline inside; what is killed is the process, with all of them.
 */
export async function bench(): Promise<BenchResult[]> {
  const { committed, done, units, violations, wrongRaws, letters, kills, seconds, repeated } = await survive({
    name: "bench-prompt-survival",
    host: 100,
    visits,
    processes: 4,
    workersPerProcess: 12,
    killEveryMs: 3_000,
    timeoutMs: 500_000,
    tell: teller("prompt-survival"),
  });
  process.stderr.write(`prompt-survival: ${JSON.stringify({ kills, repeated, wrongRaws, violations, done })}\n`);
  const codes = letters.map(({ code }) => code).sort();
  const strays = codes.join() === [...badCodes].sort().join() ? 0 : codes.length;
  const faults = units - committed + (units - done) + wrongRaws + violations.split("\n").length - 1 + strays;
  const all = Object.values(kills).reduce((sum, count) => sum + count, 0);
  return [
    { name: `prompt: lost, repeated or stray of ${units.toLocaleString("en-US")} (visit, detector), ${all} kills`, unit: "units", figure: faults, bound: { atMost: 0 } }, // prettier-ignore
    { name: "prompt: those, from visit and raws to commit, kills included", unit: "units/s", figure: committed / seconds, bound: { atLeast: 250 } }, // prettier-ignore
  ];
}
