import { z } from "zod";

/** What a release of the pipelines must agree on with everything around it, and what each is. */
export const compatibilityAxes = {
  fannedOutVisit: "fields of a fanned-out visit",
  apdbSchema: "schema of the APDB",
  apdbCassandra: "Cassandra form of the APDB",
  apdbCassandraReplica: "replica tables of the APDB",
  dimensionsConfig: "dimensions of the central Butler",
  butlerWriter: "messages to the Butler writer",
  sattle: "Sattle service",
  mpsky: "mpsky service",
  presence: "presence service",
  alertSchema: "schema of the alerts",
} as const;

export type CompatibilityAxis = keyof typeof compatibilityAxes;
const axis = z.enum(Object.keys(compatibilityAxes) as [CompatibilityAxis, ...CompatibilityAxis[]]);

const version = z
  .string('must be text: quote a version such as "9.0"')
  .regex(/^\d+(\.\d+){0,3}$/, 'must be a version of numbers, such as "9.0"');

const need = z
  .strictObject({
    atLeast: version.describe("Smallest version that the release works with."),
    below: version.optional().describe("First version that it does not work with. Default: none is known."),
  })
  .refine(({ atLeast, below }) => below === undefined || compareVersions(atLeast, below) < 0, {
    message: "must have atLeast before below",
  });

const step = z.string().min(1).describe("What a person does, in one sentence.");

/** What is known of one release of the pipelines' image. */
export const releaseSchema = z.strictObject({
  needs: z.partialRecord(axis, need).default({}).describe("Versions that it works with, by axis."),
  before: z.array(step).default([]).describe("What is to be done before, e.g. a migration."),
  after: z.array(step).default([]).describe("What is to be done after."),
});

/** By axis, the version that an environment has. */
export const versionsSchema = z.partialRecord(axis, version);

export type Release = z.output<typeof releaseSchema>;
export type Versions = z.output<typeof versionsSchema>;

/** A version that a release needs, beside what the environment has. */
export interface Need {
  readonly axis: CompatibilityAxis;
  readonly atLeast: string;
  readonly below?: string;
  /** Undefined: the environment does not say. */
  readonly has?: string;
  readonly met: boolean;
}

/** Every need of a release, in the order of {@link compatibilityAxes}. A version that nobody states meets none. */
export function needsOf({ needs }: Pick<Release, "needs">, versions: Versions): Need[] {
  return axis.options.flatMap((one): Need[] => {
    const wanted = needs[one];
    if (wanted === undefined) return [];
    const has = versions[one];
    const met =
      has !== undefined &&
      compareVersions(has, wanted.atLeast) >= 0 &&
      (wanted.below === undefined || compareVersions(has, wanted.below) < 0);
    return [{ axis: one, ...wanted, has, met }];
  });
}

/** Compares versions number by number; what is missing counts as 0. */
export function compareVersions(one: string, other: string): number {
  const [left, right] = [one, other].map((text) => text.split(".").map(Number)) as [number[], number[]];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}
