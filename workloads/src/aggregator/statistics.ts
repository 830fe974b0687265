/** Statistics of a window, in the order of their fields. */
export const operations = ["min", "q1", "mean", "median", "stdev", "q3", "max"] as const;
export type Operation = (typeof operations)[number];

/**
 * Statistics of samples: stdev that of a sample (divisor n - 1), quartiles by the exclusive method, as
 * `statistics.quantiles(data, n=4)` of Python.
 * @param samples - Finite numbers, in any order.
 * @param minSamples - With fewer, `q1`, `stdev` and `q3` are null; at least 2.
 * @returns each statistic, null where it is undefined: without any sample all are.
 */
export function statisticsOf(samples: readonly number[], minSamples: number): Record<Operation, number | null> {
  const result = Object.fromEntries(operations.map((one) => [one, null])) as Record<Operation, number | null>;
  const count = samples.length;
  if (count === 0) return result;
  const sorted = Float64Array.from(samples).sort();
  const at = (index: number) => sorted[index]!;
  result.min = at(0);
  result.max = at(count - 1);
  result.mean = meanOf(sorted);
  const middle = count >> 1;
  result.median = count % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  if (count < Math.max(2, minSamples)) return result;
  const { mean } = result;
  // The mean is rounded: what the deviations sum up to instead of 0 is taken off.
  const rest = sumOf(count, (index) => at(index) - mean);
  const squares = sumOf(count, (index) => (at(index) - mean) ** 2) - (rest * rest) / count;
  result.stdev = Math.sqrt(Math.max(0, squares) / (count - 1));
  for (const [quartile, name] of [
    [1, "q1"],
    [3, "q3"],
  ] as const) {
    // prettier-ignore
    const index = Math.min(Math.max(Math.floor((quartile * (count + 1)) / 4), 1), count - 1);
    const share = quartile * (count + 1) - index * 4;
    result[name] = (at(index - 1) * (4 - share) + at(index) * share) / 4;
  }
  return result;
}

function meanOf(values: Float64Array): number {
  return sumOf(values.length, (index) => values[index]!) / values.length;
}

/** Sum with the rounding errors kept (Neumaier): times and counters are large against their spread. */
function sumOf(count: number, term: (index: number) => number): number {
  let sum = 0;
  let lost = 0;
  for (let index = 0; index < count; index++) {
    const value = term(index);
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + lost;
}
