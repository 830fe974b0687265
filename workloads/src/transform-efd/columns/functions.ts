import { z } from "zod";
import type { SummaryFunction } from "./model";

/** Arguments of each function as `function_args` gives them. */
const argsOf = {
  mean: z.strictObject({}),
  stddev: z.strictObject({ ddof: z.number().int().min(0).default(1) }),
  min: z.strictObject({}),
  max: z.strictObject({}),
  rms_from_polynomial_fit: z.strictObject({
    degree: z.number().int().min(0).max(20).default(1),
    fit_basis: z.enum(["index", "time"]).default("index"),
  }),
  most_recent_value: z.strictObject({}),
} satisfies Record<SummaryFunction["name"], z.ZodType>;

export const functionNames = Object.keys(argsOf) as SummaryFunction["name"][];

/** What the server can do itself, bucket by bucket. */
export const bucketFunctions: readonly string[] = ["mean", "min", "max"];

/** @throws {z.ZodError} when the arguments are not the function's. */
export function summaryFunction(name: SummaryFunction["name"], args: Record<string, unknown>): SummaryFunction {
  switch (name) {
    case "stddev":
      return { name, ...argsOf.stddev.parse(args) };
    case "rms_from_polynomial_fit": {
      const { degree, fit_basis: fitBasis } = argsOf.rms_from_polynomial_fit.parse(args);
      return { name, degree, fitBasis };
    }
    default:
      argsOf[name].parse(args);
      return { name };
  }
}
