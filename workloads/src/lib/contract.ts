import { closest, distance } from "fastest-levenshtein";
import { z } from "zod";
import { FacilityError } from "./errors";

/**
 * What a container image and the program that declares it agree on: one entrypoint's environment variables, port,
 * probes and exit codes. The workload parses its environment with it ({@link parseEnv}); the component builds the
 * container's environment from the type of it (`ContainerEnv` in components/platform); the reference is generated from it.
 */
export interface Contract<Env extends z.ZodRawShape = z.ZodRawShape, Secrets extends z.ZodRawShape = z.ZodRawShape> {
  /** Name of the entrypoint and of its folder under `workloads/src`. */
  readonly name: string;
  /** One sentence: what the program does. */
  readonly about: string;
  /** Plain variables. Make each with {@link text}, {@link integer}, {@link seconds}, {@link flag} or {@link choice}. */
  readonly env: z.ZodObject<Env>;
  /** Variables whose value is a secret: the component may only give a reference. */
  readonly secrets: z.ZodObject<Secrets>;
  /** Open families of variables that a library inside reads by itself, e.g. `LSST_RESOURCES_S3_PROFILE_*`. */
  readonly families?: readonly VariableFamily[];
  /** TCP port of the HTTP server (probes, metrics, and the service itself if it has one). */
  readonly httpPort: number;
  /** Longest step that a stop waits for, in seconds; the pod's grace period must be longer. */
  readonly longestStepSeconds: number;
  /** Whether the program ends by itself (a job) or runs until it is told to stop. */
  readonly runs: "until-stopped" | "to-completion";
}

/** An open family of variables: `prefix` + anything. */
export interface VariableFamily {
  readonly prefix: string;
  readonly about: string;
  readonly secret: boolean;
}

/** Exit codes of every workload. */
export const exitCode = {
  /** Stopped as asked, or the job is done. */
  ok: 0,
  /** An error that a restart may cure (a dependency was lost for longer than the retries last). */
  failed: 1,
  /** The environment breaks the contract: a restart does not help, see the message. */
  badConfig: 78,
} as const;

/** Documentation of a variable, kept as zod metadata. */
export interface VariableDoc {
  readonly about: string;
  /** Unit of a number, e.g. `seconds`. */
  readonly unit?: string;
}

/** Text, trimmed of nothing. Empty is refused unless it is the default. */
export function text(doc: VariableDoc): z.ZodString {
  return z
    .string()
    .min(1, "is empty")
    .meta({ ...doc });
}

/** A whole number; `"10"` in the environment, `10` or `"10"` in a component. */
export function integer(doc: VariableDoc & { min?: number; max?: number }) {
  const { min = 0, max = Number.MAX_SAFE_INTEGER, ...rest } = doc;
  return z
    .union([z.number(), z.string().regex(/^-?\d+$/, "is not a whole number")])
    .transform(Number)
    .pipe(z.number().int().min(min).max(max))
    .meta({ ...rest });
}

/** A span of time in seconds, fractions allowed. */
export function seconds(doc: Omit<VariableDoc, "unit"> & { min?: number; max?: number }) {
  const { min = 0, max = Number.MAX_SAFE_INTEGER, ...rest } = doc;
  return z
    .union([z.number(), z.string().regex(/^\d+(\.\d+)?$/, "is not a number of seconds")])
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .meta({ ...rest, unit: "seconds" });
}

/** A switch: `true|1|yes|on`, `false|0|no|off` or empty, in any case. */
export function flag(doc: VariableDoc) {
  return z
    .union([z.boolean(), z.string()])
    .transform((value, context) => {
      if (typeof value === "boolean") return value;
      if (/^(true|1|yes|y|on)$/i.test(value)) return true;
      if (/^(false|0|no|n|off|)$/i.test(value)) return false;
      context.addIssue({ code: "custom", message: `is "${value}", not true or false` });
      return z.NEVER;
    })
    .meta({ ...doc });
}

/** One of a few words. */
export function choice<const T extends readonly [string, ...string[]]>(values: T, doc: VariableDoc) {
  return z.enum(values).meta({ ...doc });
}

/** A comma-separated list. */
export function list(doc: VariableDoc) {
  return z
    .string()
    .transform((value) =>
      value
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== ""),
    )
    .meta({ ...doc });
}

/** A document as JSON; a fault names where in the document it is. */
export function json<Output>(shape: z.ZodType<Output>, doc: VariableDoc) {
  return z
    .string()
    .transform((value, context): unknown => {
      try {
        return JSON.parse(value);
      } catch (error) {
        context.addIssue({ code: "custom", message: `is no JSON (${(error as Error).message})` });
        return z.NEVER;
      }
    })
    .pipe(shape)
    .meta({ ...doc });
}

/** Variables that every workload understands. */
export const commonEnv = {
  /** Address that the HTTP server binds; a component gives the pod's own address. */
  HTTP_HOST: text({ about: "Address that the HTTP server binds" }).default("0.0.0.0"),
  HTTP_PORT: integer({ about: "Port of the HTTP server", min: 1, max: 65535 }).default(8000),
  LOG_CONFIG: z
    .string()
    .meta({ about: "Log levels as `component=LEVEL,…`; a bare LEVEL or `.=LEVEL` sets the level of everything" })
    .default("INFO"),
  POD_NAME: text({ about: "Name of the pod; by default the host name" }).optional(),
} as const;

/** Variables of every workload that keeps its work in Redis. */
export const redisEnv = {
  REDIS_HOST: text({ about: "Host of the Redis that holds the queues" }),
  REDIS_PORT: integer({ about: "Port of that Redis", min: 1, max: 65535 }).default(6379),
  REDIS_TLS: flag({ about: "Speak TLS to Redis" }).default(false),
} as const;
export const redisSecrets = {
  REDIS_PASSWORD: text({ about: "Password of the default user of that Redis" }),
} as const;

/** Environment of a parsed contract: plain variables and secrets together. */
export type EnvOf<C extends Contract> = z.output<C["env"]> & z.output<C["secrets"]>;

/** The environment breaks the contract; the message names every fault, and no value of a secret. */
export class ConfigError extends FacilityError {
  readonly code = "CONFIG";
  readonly retryable = false;
  constructor(
    readonly program: string,
    readonly faults: readonly string[],
  ) {
    super(
      `${program} cannot start: ${faults.length} fault${faults.length === 1 ? "" : "s"} in its environment.\n` +
        faults.map((fault) => `  - ${fault}`).join("\n"),
    );
  }
}

/**
 * Reads the environment by the contract.
 * @throws {@link ConfigError} that lists every missing, misspelt or malformed variable at once.
 */
export function parseEnv<C extends Contract>(contract: C, environment: NodeJS.ProcessEnv): EnvOf<C> {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  const known = [...Object.keys(contract.env.shape), ...Object.keys(contract.secrets.shape)];
  const missing = new Set<string>();
  for (const [schema, isSecret] of [
    [contract.env, false],
    [contract.secrets, true],
  ] as const) {
    for (const [name, field] of Object.entries(schema.shape) as [string, z.ZodType][]) {
      const raw = environment[name];
      const result = field.safeParse(raw);
      if (result.success) {
        values[name] = result.data;
      } else if (raw === undefined) {
        missing.add(name);
        faults.push(`${name} is missing: ${describe(field)}`);
      } else {
        const reason = result.error.issues.map((issue) => reasonOf(issue)).join("; ");
        faults.push(
          isSecret
            ? `${name} (secret, value not shown): ${describe(field)}; it is not valid`
            : `${name}="${raw}" ${reason}: ${describe(field)}`,
        );
      }
    }
  }
  for (const name of Object.keys(environment)) {
    if (known.includes(name)) continue;
    const meant = nearest(
      name,
      known.filter((candidate) => environment[candidate] === undefined),
    );
    if (meant !== undefined) faults.push(`${name} is not a variable of ${contract.name}; did you mean ${meant}?`);
  }
  if (faults.length > 0) throw new ConfigError(contract.name, faults);
  return values as EnvOf<C>;
}

/** The nearest of `candidates` when it is near enough to be a slip of the keyboard, else `undefined`. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const slipsIn = (candidate: string) => Math.max(1, Math.floor(candidate.length / 5));
  // Most need no look at their letters: an environment has a hundred names.
  const alike = candidates.filter((candidate) => Math.abs(candidate.length - name.length) <= slipsIn(candidate));
  if (alike.length === 0) return undefined;
  const best = closest(name, alike);
  return distance(name, best) <= slipsIn(best) ? best : undefined;
}

function reasonOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_union")
    return (
      issue.errors
        .flat()
        .map((inner) => inner.message)
        .find((message) => message.startsWith("is ")) ?? "is malformed"
    );
  if (issue.path.length > 0) return `is refused: ${issue.path.join(".")} ${issue.message}`;
  return issue.message.startsWith("is ") ? issue.message : `is refused (${issue.message})`;
}

function describe(field: z.ZodType): string {
  const meta = docOf(field);
  return meta.unit ? `${meta.about} [${meta.unit}]` : meta.about;
}

/** Documentation of a variable, through defaults and optionals. */
export function docOf(field: z.ZodType): VariableDoc {
  for (let current: z.ZodType | undefined = field; current;) {
    const meta = current.meta() as VariableDoc | undefined;
    if (meta?.about) return meta;
    current = (current as unknown as { def?: { innerType?: z.ZodType } }).def?.innerType;
  }
  return { about: "" };
}
