import { declarationOf } from "../preview/declaration";
import type { DeclaredObject, Manifest } from "../preview/model";
import type { RecordedResource, RecordedStack } from "../record";

/** An environment as its stack declares it. */
export interface Adoption {
  readonly system: "embargo" | "efd";
  readonly environment: string;
  readonly stack: string;
  readonly kubeContext: string;
  readonly namespace: string;
  /** Its Kubernetes objects. */
  readonly objects: readonly DeclaredObject[];
  /** Its topics, notifications and bucket policies; `pulumi import` cannot take these, creating them takes them over. */
  readonly ceph: readonly DeclaredObject[];
  readonly recorded: RecordedStack;
}

/** Finds an environment in a recorded stack; `undefined` when it has none of that name. */
export function adoptionOf(recorded: RecordedStack, environment: string): Adoption | undefined {
  const own = declarationOf(recorded).objects.filter((object) => object.environment === environment);
  const objects = own.filter(({ type }) => type === "kubernetes");
  const namespace = objects.find(({ kind }) => kind === "Namespace");
  if (namespace === undefined) return undefined;
  const ceph = own.filter(({ system }) => system === "ceph");
  const { place: kubeContext, name } = namespace;
  const system = namespace.system as Adoption["system"];
  return { system, environment, stack: recorded.stack, kubeContext, namespace: name, objects, ceph, recorded };
}

/** One resource of the file that `pulumi import --file` reads. */
interface ImportedResource {
  readonly type: string;
  /** Name in the file, where `parent` and `provider` refer to it. */
  readonly name: string;
  /** Name in the program. */
  readonly logicalName: string;
  readonly parent?: string;
  /** `namespace/name` of the object in the cluster. */
  readonly id?: string;
  readonly provider?: string;
  readonly component?: true;
  readonly inputs?: Record<string, unknown>;
}

/**
 * The file that `pulumi import --file` reads: the objects, and before them the provider and the components that they are
 * in, so that the program finds every one of them under the URN that it gives it. Taking it in twice changes nothing.
 */
export function importFile(
  { recorded }: Adoption,
  objects: readonly DeclaredObject[],
): { resources: ImportedResource[] } {
  const chosen = new Map(objects.flatMap((object) => object.resources.map((one) => [one, object] as const)));
  const parents = new Set([...chosen.keys()].flatMap((resource) => ancestors(recorded, resource)));
  const providers = new Set([...chosen.keys()].map(({ provider }) => provider));
  return {
    resources: recorded.resources.flatMap((resource): ImportedResource[] => {
      const { type, name: logicalName, inputs, provider } = resource;
      const common = { type, name: fileName(resource), logicalName };
      if (isProvider(resource)) return providers.has(logicalName) ? [{ ...common, inputs }] : [];
      const [parent] = ancestors(recorded, resource);
      const place = { ...common, parent: parent && fileName(parent) };
      if (parents.has(resource)) return [{ ...place, component: true }];
      const object = chosen.get(resource);
      if (object === undefined) return [];
      const providerName = recorded.resources.find((one) => isProvider(one) && one.name === provider);
      return [{ ...place, id: object.name, provider: providerName && fileName(providerName) }];
    }),
  };
}

/**
 * URNs of all that belongs to the environment, for `pulumi up --target`: its objects, the components that they are in and
 * their providers. A stack has several environments, and the others may not be taken over yet.
 */
export function targets({ recorded, objects, ceph }: Adoption): string[] {
  const resources = [...objects, ...ceph].flatMap((object) => object.resources);
  const parents = resources.flatMap((resource) => ancestors(recorded, resource));
  const names = new Set(resources.map(({ provider }) => provider));
  const providers = recorded.resources.filter((one) => one.type.startsWith("pulumi:providers:") && names.has(one.name));
  return [...new Set([...providers, ...parents, ...resources].map((resource) => urnOf(recorded, resource)))];
}

/** The URN that the engine gives a resource: it names the types of all components above; a recorded one only the nearest. */
function urnOf(recorded: RecordedStack, resource: RecordedResource): string {
  const types = [resource, ...ancestors(recorded, resource)].map(({ type }) => type);
  const [stack, project] = resource.urn.split("::");
  return `${stack}::${project}::${types.reverse().join("$")}::${resource.name}`;
}

/** From the parent up to the topmost component; the stack is none. */
function ancestors(recorded: RecordedStack, { parent }: RecordedResource): RecordedResource[] {
  const found = recorded.resources.find(({ urn }) => urn === parent);
  return found === undefined || found.type === "pulumi:pulumi:Stack" ? [] : [found, ...ancestors(recorded, found)];
}

const isProvider = ({ type }: RecordedResource) => type === "pulumi:providers:kubernetes";

/** Unique in the file, where logical names alone are not: a component and its child may have the same. */
const fileName = ({ type, name }: RecordedResource) => `${type.split(":").at(-1)} ${name}`;

/** The object's own text, as the API takes it. */
export const manifestOf = ({ content }: DeclaredObject) => content as Manifest;

/** Its kind as kubectl takes it without doubt, `Deployment.v1.apps`. */
export function kindOf(object: DeclaredObject): string {
  const { apiVersion, kind } = manifestOf(object);
  const [version, group] = apiVersion.split("/").reverse();
  return group === undefined ? kind : `${kind}.${version}.${group}`;
}
