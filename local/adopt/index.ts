import { writeFile } from "node:fs/promises";
import { isAdopting } from "../../components/config";
import { CommandError, exitCodes } from "../exit";
import type { DeclaredObject, Manifest } from "../preview/model";
import { requireStacks, root, stacksOf } from "../preview/stacks";
import { readStackYaml, recordStack } from "../record";
import { stackConfig } from "../stackConfig";
import { Cluster } from "./cluster";
import { type Difference, differencesOf } from "./differences";
import { type Adoption, adoptionOf, importFile, kindOf, manifestOf } from "./importList";
import { sharedWith } from "./owners";
import { stepsOf } from "./steps";

export { sharedWith, type Shared } from "./owners";
export { targets } from "./importList";

/** What `usdf adopt` finds out. */
export interface AdoptionPlan {
  readonly adoption: Adoption;
  /** Objects that exist in the cluster and are taken over. */
  readonly imported: readonly DeclaredObject[];
  /** Objects that `pulumi up` will make. */
  readonly created: readonly DeclaredObject[];
  /** Topics, notifications and policies: creating one that exists takes it over. */
  readonly ceph: readonly DeclaredObject[];
  /** `Kind name` of what is in the namespace and not declared; asked of the cluster only. */
  readonly leftBehind: readonly string[];
  readonly differences: readonly Difference[];
  /** Whether the cluster was asked; else `imported` is what the environments of today have. */
  readonly live: boolean;
  readonly steps: ReturnType<typeof stepsOf>;
}

/** Where to look. */
export interface AdoptOptions {
  /** Default: the one stack that has the environment. */
  readonly stack?: string;
  /** Folder with `Pulumi.<stack>.yaml`. @defaultValue this checkout */
  readonly folder?: string;
}

/** Kinds of today's overlays whose names are the declared ones; the Secrets of today have a hash in their names. */
const kindsOfToday = {
  embargo: ["Namespace", "Service", "Deployment", "StatefulSet", "PersistentVolumeClaim", "ConfigMap"],
  efd: ["Namespace", "PersistentVolumeClaim", "CronJob"],
};

/** Whether today's overlays make an object; those of efd have Jobs where ours has back-fills to start them from. */
function isOfToday({ system }: Adoption, { kind, component }: DeclaredObject): boolean {
  return kindsOfToday[system].includes(kind) && !component.startsWith("backfill-");
}

/** What a cluster puts into every namespace. */
const ofEveryNamespace = ["ConfigMap kube-root-ca.crt"];

/** @throws CommandError, exit code 2, when no stack has the environment. */
export async function findAdoption(environment: string, { stack, folder = root }: AdoptOptions): Promise<Adoption> {
  const stacks = stacksOf(folder);
  if (stack !== undefined) requireStacks([stack], stacks);
  for (const name of stack === undefined ? stacks : [stack]) {
    const config = readStackYaml(name, folder);
    const isKnown = ["usdf:embargo", "usdf:efd"].some((system) => {
      const { environments = {} } = (config.config[system] ?? {}) as { environments?: object };
      return Object.hasOwn(environments, environment);
    });
    if (!isKnown) continue;
    const adoption = adoptionOf(await recordStack(name, { config }), environment);
    if (adoption) return adoption;
  }
  const where = stack === undefined ? `Stacks here: ${stacks.join(", ")}` : `Leave out --stack to look in every stack`;
  throw new CommandError(`No environment "${environment}" in ${stack ?? "any stack"}. ${where}.`, exitCodes.usage);
}

/** What has to be done, and what would hurt. @param live - Whether to ask the cluster. */
export async function planAdoption(
  environment: string,
  options: AdoptOptions & { readonly live: boolean; readonly out: string },
): Promise<AdoptionPlan> {
  const adoption = await findAdoption(environment, options);
  const { objects, namespace, ceph } = adoption;
  const differences = notAdopting(adoption, options);
  let exists = (object: DeclaredObject) => isOfToday(adoption, object);
  let leftBehind: string[] = [];
  if (options.live) {
    const there = await read(adoption, ["Secret", "VaultSecret.v1alpha1.ricoberger.de", "CronJob.v1.batch"]);
    if (!there.has(`Namespace ${namespace}`))
      throw new CommandError(
        `Namespace ${namespace} is not in ${adoption.kubeContext}: there is nothing to take over. \`pulumi up\` makes it.`,
      );
    exists = (object) => there.has(keyOf(object));
    const declared = new Set(objects.map(keyOf));
    leftBehind = [...there.keys()].filter(
      (key) =>
        !declared.has(key) && !ofEveryNamespace.includes(key) && !claimsOf(objects).some((name) => name.test(key)),
    );
    for (const object of objects.filter(exists))
      differences.push(...differencesOf(manifestOf(object), there.get(keyOf(object))!));
  }
  const imported = objects.filter(exists);
  const created = objects.filter((object) => !exists(object));
  const steps = stepsOf(adoption, options);
  return { adoption, imported, created, ceph, leftBehind, differences, live: options.live, steps };
}

/** Writes the file for `pulumi import --file`. */
export async function writeImportFile({ adoption, imported }: AdoptionPlan, out: string): Promise<void> {
  await writeFile(out, `${JSON.stringify(importFile(adoption, imported), null, 2)}\n`);
}

/** Objects that others still deploy, or that are not ours yet; empty when the take-over is complete. */
export async function checkAdoption(adoption: Adoption) {
  const there = await read(adoption, []);
  return adoption.objects.flatMap((object) => {
    const live = there.get(keyOf(object));
    if (live === undefined || object.kind === "Secret") return [];
    return sharedWith(object, live, adoption.kubeContext) ?? [];
  });
}

/** Objects of the environment's namespace, of the declared kinds and of more. */
async function read({ objects, kubeContext, namespace }: Adoption, more: string[]): Promise<Map<string, Manifest>> {
  const cluster = new Cluster(kubeContext);
  const kinds = [...new Set([...objects.map(kindOf), ...more])];
  const lists = await Promise.all(kinds.map((kind) => cluster.list(kind, namespace)));
  return new Map(lists.flat().map((live) => [`${live.kind} ${live.metadata.name}`, live]));
}

const keyOf = ({ kind, content }: DeclaredObject) => `${kind} ${(content as Manifest).metadata.name}`;

/** Volumes that the pods of StatefulSets have, which no program declares. */
function claimsOf(objects: readonly DeclaredObject[]): RegExp[] {
  return objects.map(manifestOf).flatMap(({ metadata, spec }) => {
    const claims = (spec?.volumeClaimTemplates ?? []) as Manifest[];
    return claims.map((claim) => new RegExp(`^PersistentVolumeClaim ${claim.metadata.name}-${metadata.name}-\\d+$`));
  });
}

/** Parts whose pods would be rolled, because the configuration does not say `adopting`. */
function notAdopting({ stack, environment, objects }: Adoption, { folder }: AdoptOptions): Difference[] {
  const settings = stackConfig(stack, readStackYaml(stack, folder)).embargo?.environments[environment];
  if (settings === undefined) return []; // pods of efd end by themselves, and the next are the declared ones
  const pods = objects.filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet");
  return pods
    .filter(({ component }) => !isAdopting(component, settings))
    .map(({ kind, name, component }) => ({
      level: "error",
      object: `${kind} ${name}`,
      message: `${component} is not adopting: its pods would roll. Set adopting and image: upstream on ${environment}.`,
    }));
}
