import { nearest } from "../../../workloads/src/lib/contract";
import byHand from "./byHand.json";
import custom from "./custom.json";
import kubernetes from "./kubernetes.json";
import { type Fault, faultsOf, type Schema } from "./schema";

/** A Kubernetes object, plain. */
export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

const definitions = kubernetes.definitions as Record<string, Schema>;
const customDefinitions = custom.definitions as unknown as Record<string, Schema>;
const customSchemas = { ...custom.kinds, ...byHand } as unknown as Record<string, Schema>;
const definitionOfKind: Record<string, string> = kubernetes.kinds;

/** `apiVersion/kind` of every kind that has a schema here. */
export const knownKinds: readonly string[] = [...Object.keys(definitionOfKind), ...Object.keys(customSchemas)];

/** Schema of a kind, `apiVersion/kind`. */
export function schemaOf(type: string): Schema | undefined {
  const definition = definitionOfKind[type];
  return definition === undefined ? customSchemas[type] : definitions[definition];
}

/** Schema that a `$ref` names. */
export function resolveReference(reference: string): Schema {
  const name = reference.slice(reference.lastIndexOf("/") + 1);
  const schema = (reference.startsWith("custom#") ? customDefinitions : definitions)[name];
  if (!schema) throw new Error(`No schema of ${reference} in kubernetes.json and custom.json. Make both anew with update.mjs.`);
  return schema;
}

/**
 * Checks an object against the schema of its kind as strictly as the API server with `fieldValidation=Strict`.
 * @returns Every fault, e.g. `Deployment embargo/idle: spec.replicas is "2"; it must be integer`. Empty when there is none.
 */
export function validateObject(object: KubernetesObject): string[] {
  const { apiVersion = "", kind = "" } = object;
  const type = `${apiVersion}/${kind}`;
  const { name = "(unnamed)", namespace } = object.metadata ?? {};
  const who = `${kind || "object"} ${namespace ? `${namespace}/` : ""}${name}`;
  const schema = schemaOf(type);
  if (schema) return faultsOf(object, schema, resolveReference).map((fault) => `${who}: ${describe(fault, kind)}`);
  const meant = nearest(type, knownKinds);
  return [
    `${who}: no schema of ${type}${meant ? `; did you mean ${meant}?` : "."} ` +
      "Correct apiVersion and kind, or add the kind to components/platform/schemas (README.md there).",
  ];
}

function describe({ path, value, reason, fields }: Fault, kind: string): string {
  const where = path.reduce<string>(
    (all, step) => (typeof step === "number" ? `${all}[${step}]` : all ? `${all}.${step}` : step),
    "",
  );
  if (fields) {
    const meant = nearest(String(path.at(-1)), fields);
    const hint = meant ? `did you mean ${meant}?` : `known are ${fields.slice(0, 12).join(", ")}`;
    return `${where} is no field of ${kind}; ${hint}`;
  }
  return value === undefined ? `${where} ${reason}` : `${where || "it"} is ${shortened(value)}; it ${reason}`;
}

function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
