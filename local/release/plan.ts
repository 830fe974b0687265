import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { type Need, needsOf, servicesOf } from "../../components/config";
import { CommandError, exitCodes } from "../exit";
import { kubectl } from "../kubectl";
import { declarationOf } from "../preview/declaration";
import { changesBetween, type ObjectChange } from "../preview/diff";
import type { DeclaredObject } from "../preview/model";
import { requireStacks, root, stacksOf } from "../preview/stacks";
import { readStackYaml, recordStack, type StackYaml } from "../record";
import { stackConfig } from "../stackConfig";
import { readStackDocument, type TagChange, tagChanges, withTags } from "./edit";

export interface ReleaseOptions {
  /** Default: the one stack that has the environment. */
  readonly stack?: string;
  /** Instruments whose service gets the tag. Default: all of the environment. */
  readonly instruments?: readonly string[];
  /** Ask the cluster how many workers there are. Default: nothing is asked. */
  readonly live?: boolean;
  /** Folder with `Pulumi.<stack>.yaml`. @defaultValue this checkout */
  readonly folder?: string;
}

/** Workers that a release ends. */
export interface Drain {
  /** `namespace/name` of the ScaledJob, or of the Knative service. */
  readonly name: string;
  /** Longest time that one has to finish the visit in hand, s. */
  readonly graceSeconds: number;
  /** Most workers there are. */
  readonly max: number;
  /** Workers there are now; undefined when nobody asked. */
  readonly now: number | undefined;
}

/** What a release of the pipelines does to an environment. */
export interface ReleasePlan {
  readonly environment: string;
  readonly stack: string;
  readonly tag: string;
  readonly services: readonly { readonly instrument: string; readonly from: string | undefined }[];
  /** Whether the configuration knows the release; else nobody has said what it needs. */
  readonly described: boolean;
  readonly needs: readonly Need[];
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly changes: readonly ObjectChange[];
  readonly drains: readonly Drain[];
  readonly edits: readonly TagChange[];
  readonly file: string;
  /** The file's text once the release is applied. */
  readonly text: string;
}

/** @throws CommandError, exit code 2, for an environment or instrument that there is none of. */
export async function planRelease(environment: string, tag: string, options: ReleaseOptions): Promise<ReleasePlan> {
  const { folder = root, live = false } = options;
  const { stack, prompt } = findEnvironment(environment, options);
  const services = servicesOf(prompt, environment);
  const all = services.map(({ instrument }) => instrument);
  const chosen = options.instruments ?? all;
  for (const one of chosen.filter((name) => !all.includes(name)))
    throw new CommandError(`${environment} has no service of "${one}": ${all.join(", ")}.`, exitCodes.usage);
  const file = join(folder, `Pulumi.${stack}.yaml`);
  const before = await readFile(file, "utf8");
  const edits = tagChanges(readStackDocument(before), environment, { all, chosen, tag });
  const text = withTags(before, edits);
  const [old, now] = [await recorded(stack, before), await recorded(stack, text)];
  const changes = changesBetween(old, now).filter((one) => one.environment === `prompt-${environment}`);
  const touched = now.objects.filter(({ file: own }) => changes.some((one) => one.file === own));
  const release = prompt.releases[tag];
  return {
    environment,
    stack,
    tag,
    services: services.filter(({ instrument }) => chosen.includes(instrument)).map(({ instrument, image }) => ({ instrument, from: image.tag })), // prettier-ignore
    described: release !== undefined,
    needs: release ? needsOf(release, prompt.environments[environment]!.versions) : [],
    before: release?.before ?? [],
    after: release?.after ?? [],
    changes,
    drains: await Promise.all(touched.filter(isPool).map((one) => drainOf(one, live))),
    edits,
    file,
    text,
  };
}

function findEnvironment(environment: string, { stack, folder = root }: ReleaseOptions) {
  const stacks = stacksOf(folder);
  if (stack !== undefined) requireStacks([stack], stacks);
  const known: string[] = [];
  for (const name of stack === undefined ? stacks : [stack]) {
    const { prompt } = stackConfig(name, readStackYaml(name, folder));
    if (prompt && Object.hasOwn(prompt.environments, environment)) return { stack: name, prompt };
    known.push(...Object.keys(prompt?.environments ?? {}));
  }
  const message = `No environment of prompt processing is called "${environment}": ${known.join(", ") || "there is none"}.`;
  throw new CommandError(message, exitCodes.usage);
}

async function recorded(stack: string, text: string) {
  return declarationOf(await recordStack(stack, { config: parse(text) as StackYaml }));
}

/** What runs workers with the pipelines' image until they are told to end. */
const isPool = ({ kind, content }: DeclaredObject) =>
  kind === "ScaledJob" || (kind === "Service" && String(content.apiVersion).startsWith("serving.knative.dev/"));

async function drainOf(object: DeclaredObject, live: boolean): Promise<Drain> {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the schema of ScaledJob holds its form
  const spec = object.content.spec as any;
  const pod = object.kind === "ScaledJob" ? spec.jobTargetRef.template.spec : spec.template.spec;
  return {
    name: object.name,
    graceSeconds: pod.terminationGracePeriodSeconds ?? pod.timeoutSeconds ?? 30,
    max:
      spec.maxReplicaCount ?? Number(spec.template?.metadata?.annotations?.["autoscaling.knative.dev/max-scale"] ?? 0),
    now: live ? await workersOf(object) : undefined,
  };
}

async function workersOf({ place, name, kind }: DeclaredObject): Promise<number> {
  const [namespace, own] = name.split("/") as [string, string];
  const label = kind === "ScaledJob" ? `scaledjob.keda.sh/name=${own}` : `serving.knative.dev/service=${own}`;
  const words = ["get", "pods", "-l", label, "--field-selector", "status.phase=Running", "-o", "name"];
  const text = await kubectl({ context: place, namespace }, ...words);
  return text.split("\n").filter((line) => line !== "").length;
}
