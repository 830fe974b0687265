import Ajv, { type AnySchema, type ErrorObject, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import { nearest } from "../../../workloads/src/lib/contract";
import custom from "./custom.json";
import kubernetes from "./kubernetes.json";

/** A Kubernetes object, plain. */
export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

const definitions = kubernetes.definitions as Record<string, AnySchema & { properties?: Record<string, unknown> }>;
const customSchemas = custom as unknown as Record<string, AnySchema>;
const kindsOf: Record<string, string> = kubernetes.kinds;

/** `apiVersion/kind` of every kind that has a schema here. */
export const knownKinds: readonly string[] = [...Object.keys(kindsOf), ...Object.keys(customSchemas)];

let ajv: Ajv | undefined;
const compiled = new Map<string, ValidateFunction>();

/**
 * Checks an object against the schema of its kind as strictly as the API server with `fieldValidation=Strict`.
 * @returns Every fault, e.g. `Deployment embargo/idle: spec.replicas is "2"; must be integer`. Empty when there is none.
 */
export function validateObject(object: KubernetesObject): string[] {
  const { apiVersion = "", kind = "" } = object;
  const type = `${apiVersion}/${kind}`;
  const { name = "(unnamed)", namespace } = object.metadata ?? {};
  const who = `${kind || "object"} ${namespace ? `${namespace}/` : ""}${name}`;
  const validate = validatorOf(type);
  if (!validate) {
    const meant = nearest(type, knownKinds);
    return [
      `${who}: no schema of ${type}${meant ? `; did you mean ${meant}?` : "."} ` +
        "Correct apiVersion and kind, or add the kind to components/platform/schemas (README.md there).",
    ];
  }
  if (validate(object)) return [];
  // A failed alternative is told by its parts; the words "must match" add nothing.
  const errors = (validate.errors ?? []).filter(({ keyword }) => keyword !== "if");
  return [...new Set(errors.map((error) => `${who}: ${describe(error, object)}`))];
}

function validatorOf(type: string): ValidateFunction | undefined {
  const known = compiled.get(type);
  if (known) return known;
  const definition = kindsOf[type];
  const schema = definition ? { $ref: `kubernetes#/definitions/${definition}` } : customSchemas[type];
  if (!schema) return undefined;
  ajv ??= newAjv();
  const validate = ajv.compile(schema);
  compiled.set(type, validate);
  return validate;
}

function newAjv(): Ajv {
  // `strict` would refuse the operators' own schemas; unknown formats are refused by the tests instead.
  const instance = new Ajv({
    allErrors: true,
    strict: false,
    verbose: true,
    inlineRefs: false,
    validateSchema: false,
    code: { regExp: goRegExp, optimize: false },
  });
  addFormats(instance);
  instance.addFormat("quantity", /^[+-]?(\d+(\.\d*)?|\.\d+)(n|u|m|k|M|G|T|P|E|[KMGTPE]i|[eE][+-]?\d+)?$/);
  // A list that the API server keeps as a map: two items of one key are refused.
  instance.addKeyword({
    keyword: "uniqueKeys",
    type: "array",
    error: { message: ({ schema }) => `must not repeat ${(schema as string[]).join(" + ")}` },
    validate: (keys: string[], items: Record<string, unknown>[]) =>
      new Set(items.map((item) => JSON.stringify(keys.map((key) => item[key] ?? standardKeys[key])))).size ===
      items.length,
  });
  instance.addSchema({ definitions } as AnySchema, "kubernetes");
  return instance;
}

/** Patterns are Go's: `(?i)` at the start is a flag in JavaScript. */
const goRegExp = Object.assign(
  (pattern: string, flags: string) =>
    new RegExp(pattern.replace("(?i)", ""), pattern.includes("(?i)") ? `${flags}i` : flags),
  { code: "goRegExp" },
);

/** Defaults of fields that are part of a list's key. */
const standardKeys: Record<string, unknown> = { protocol: "TCP" };

function describe(error: ErrorObject, object: KubernetesObject): string {
  const path = error.instancePath
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((all, step) => (/^\d+$/.test(step) ? `${all}[${step}]` : all ? `${all}.${step}` : step), "");
  const at = (field: string) => (path ? `${path}.${field}` : field);
  if (error.keyword === "additionalProperties") {
    const field = String(error.params.additionalProperty);
    const fields = Object.keys(error.parentSchema?.properties ?? {});
    const meant = nearest(field, fields);
    const hint = meant ? `did you mean ${meant}?` : `known are ${fields.slice(0, 12).join(", ")}`;
    return `${at(field)} is no field of ${object.kind}; ${hint}`;
  }
  if (error.keyword === "required") return `${at(String(error.params.missingProperty))} is missing`;
  const allowed = error.keyword === "enum" ? `: ${(error.params.allowedValues as string[]).join(", ")}` : "";
  return `${path || "it"} is ${shortened(error.data)}; ${error.message}${allowed}`;
}

function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
