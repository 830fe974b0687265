import { z } from "zod";

/**
 * Which pipelines run for which visit. The first node that fits a visit decides. The worker parses the text that
 * {@link pipelinesText} writes; here it is typed, so a mistake is seen in the preview instead of by the first visit.
 */

const degrees = (from: number, to: number) =>
  z.number().min(from, `must be at least ${from}`).max(to, `must be at most ${to}`);

const ra = z.strictObject({
  min: degrees(-360, 720).describe("Where it begins, degrees; may be negative, and above max where it crosses 0."),
  max: degrees(-360, 720).describe("Where it ends, degrees."),
});
const dec = z
  .strictObject({
    min: degrees(-90, 90).describe("Where it begins, degrees."),
    max: degrees(-90, 90).describe("Where it ends, degrees."),
  })
  .refine(({ min, max }) => min < max, "must have min below max");

/** A pipeline: a name below the instrument's folder, or a whole path, possibly with variables. */
const pipeline = z
  .string()
  .regex(
    /^[^\s#"'\\]+(#[\w,:-]+)?$/,
    'must be the name of a pipeline below the instrument\'s folder ("dev/ApPipe") or a whole path ("${DIR}/ApPipe.yaml#isr")',
  );

const survey = z.string().regex(/^[ -~]*$/, "must be printable ASCII");

const node = z.strictObject({
  survey: z
    .union([survey, z.array(survey).min(1)], "must be a survey or a list of surveys, in printable ASCII")
    .optional()
    .describe('Survey of the visit, e.g. BLOCK-365; a list stands for one node each. "" is a visit without survey.'),
  ra: ra.optional().describe("Right ascensions."),
  dec: dec.optional().describe("Declinations."),
  binaryMap: z.string().min(1).optional().describe("HEALPix FITS file, full sky; a visit fits where it is set."),
  coordType: z
    .enum(["detector", "boresight"])
    .optional()
    .describe("What the position is of. Default: detector, the worker's."),
  pipelines: z
    .array(pipeline)
    .superRefine((names, context) => {
      for (const [index, name] of names.entries()) {
        const first = names.findIndex((other) => baseName(other) === baseName(name));
        if (first === index) continue;
        const message = `has "${name}" beside "${names[first]}": outputs go by the name without folder, extension and #subset, so both would be one`;
        context.addIssue({ code: "custom", path: [], message });
      }
    })
    .describe("Pipelines in the order in which they are tried; the first that can run does. Empty: none, a decision."),
});

/** Nodes of pipelines, first match wins. */
const nodes = z
  .array(node)
  .min(1, "must have at least one node: an empty configuration is refused by the worker")
  .superRefine((all, context) => {
    const seen = new Set<string>();
    for (const [index, one] of all.entries()) {
      for (const survey of surveysOf(one)) {
        const key = JSON.stringify([survey, one.ra, one.dec, one.binaryMap, one.coordType]);
        const message =
          survey === undefined && !isSpatial(one)
            ? "fits every visit: say what happens to others by unmatchedSurvey"
            : seen.has(key)
              ? `asks for survey "${survey ?? "any"}" as a node before does, so it is never reached`
              : undefined;
        if (message !== undefined) context.addIssue({ code: "custom", path: [index], message });
        seen.add(key);
      }
    }
  });

/** Pipelines of an instrument, and what becomes of a visit that no node fits. */
export const pipelinesSchema = z.strictObject({
  main: nodes.describe("Pipelines that process a visit's raws."),
  preprocessing: nodes.describe("Pipelines that run before the raws are there."),
  unmatchedSurvey: z
    .enum(["ignore", "fail"])
    .describe(
      "A visit that no node fits: ignore = it is none of ours, a last node without pipelines; fail = an error that is seen. " +
        "There is no default: it is a decision.",
    ),
});

export type PipelineNode = z.output<typeof node>;
export type Pipelines = z.output<typeof pipelinesSchema>;

/** A node as the worker reads it: one survey at most, whole paths. */
export interface WorkerNode {
  readonly survey?: string;
  readonly ra?: { readonly min: number; readonly max: number };
  readonly dec?: { readonly min: number; readonly max: number };
  readonly "binary-map"?: string;
  readonly "coord-type"?: "detector" | "boresight";
  readonly pipelines: readonly string[];
}

/**
 * Nodes as the worker reads them, the decision about all other visits last.
 * @param instrument - Its folder of pipelines.
 */
export function workerNodes(
  list: readonly PipelineNode[],
  unmatchedSurvey: Pipelines["unmatchedSurvey"],
  instrument: string,
): WorkerNode[] {
  const given = list.flatMap((one) =>
    surveysOf(one).map((survey): WorkerNode => {
      const { ra, dec, binaryMap, coordType } = one;
      return {
        ...(survey !== undefined && { survey }),
        ...(ra && { ra }),
        ...(dec && { dec }),
        ...(binaryMap !== undefined && { "binary-map": binaryMap }),
        ...(coordType !== undefined && { "coord-type": coordType }),
        pipelines: one.pipelines.map((name) => pathOf(name, instrument)),
      };
    }),
  );
  return unmatchedSurvey === "ignore" ? [...given, { pipelines: [] }] : given;
}

/**
 * Text of nodes for Python's yaml, which reads YAML 1.1: every text is quoted, since `ON`, `1_000` and `12:30` are none
 * there otherwise; numbers have no exponent, since `1e-7` is none.
 */
export function pipelinesText(list: readonly WorkerNode[]): string {
  return list
    .flatMap(({ pipelines, ...conditions }) => {
      const lines = Object.entries(conditions).flatMap(([key, value]) =>
        typeof value === "object"
          ? [`${key}:`, ...Object.entries(value).map(([side, number]) => `  ${side}: ${plainNumber(number as number)}`)]
          : [`${key}: ${JSON.stringify(value)}`],
      );
      const last = pipelines.length === 0 ? ["pipelines: []"] : ["pipelines:", ...pipelines.map((one) => `- ${JSON.stringify(one)}`)]; // prettier-ignore
      return [...lines, ...last].map((line, index) => `${index === 0 ? "- " : "  "}${line}\n`);
    })
    .join("");
}

/** Text of a list of regular expressions for Python's yaml. */
export const listText = (list: readonly string[]): string => list.map((one) => `- ${JSON.stringify(one)}\n`).join("");

function surveysOf({ survey }: PipelineNode): (string | undefined)[] {
  return Array.isArray(survey) ? survey : [survey];
}

const isSpatial = ({ ra, dec, binaryMap }: PipelineNode) =>
  ra !== undefined || dec !== undefined || binaryMap !== undefined;

const baseName = (name: string) =>
  name
    .replace(/#.*$/, "")
    .replace(/^.*\//, "")
    .replace(/\.[^.]*$/, "");

function pathOf(name: string, instrument: string): string {
  return /^[/$]/.test(name) ? name : `\${PROMPT_PROCESSING_DIR}/pipelines/${instrument}/${name}.yaml`;
}

function plainNumber(value: number): string {
  const text = String(value);
  return text.includes("e") ? value.toFixed(20) : text;
}
