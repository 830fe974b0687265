import Ajv, { type AnySchema, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import custom from "../../components/platform/schemas/custom.json";
import kubernetes from "../../components/platform/schemas/kubernetes.json";
import { knownKinds, type KubernetesObject, schemaOf, validateObject } from "../../components/platform/schemas";
import { patternOf } from "../../components/platform/schemas/schema";
import { declarationOf } from "../../local/preview/declaration";
import { recorded as recordedStack } from "../support/recorded";

const deployment = (spec: object = {}, container: object = {}): KubernetesObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "d", namespace: "n" },
  spec: {
    selector: { matchLabels: { a: "b" } },
    template: { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "x", image: "y", ...container }] } },
    ...spec,
  },
});
const container = "Deployment n/d: spec.template.spec.containers[0]";

describe("validateObject", () => {
  it.each([
    ["a right one", deployment({ replicas: 2 }, { resources: { limits: { cpu: "1.5", memory: "1Gi" } } }), []],
    ["a type", deployment({ replicas: "2" }), [`Deployment n/d: spec.replicas is "2"; it must be integer`]],
    [
      "a slip of the keyboard",
      deployment({}, { imagePullPolicys: "Always" }),
      [`${container}.imagePullPolicys is no field of Deployment; did you mean imagePullPolicy?`],
    ],
    [
      "a quantity",
      deployment({}, { resources: { limits: { memory: "1Gb" } } }),
      [`${container}.resources.limits.memory is "1Gb"; it must be a quantity`],
    ],
    [
      "an item twice",
      deployment({}, { env: [{ name: "A" }, { name: "A", value: "1" }] }),
      [`${container}.env is [{"name":"A"},{"name":"A","value":"1"}]; it must not repeat name`],
    ],
    [
      "what is missing",
      { apiVersion: "v1", kind: "Service", metadata: { name: "s" }, spec: { ports: [{ targetPort: "http" }] } },
      ["Service s: spec.ports[0].port is missing"],
    ],
    [
      "a pattern of an operator",
      {
        apiVersion: "monitoring.coreos.com/v1",
        kind: "PodMonitor",
        metadata: { name: "m", namespace: "n" },
        spec: { selector: {}, podMetricsEndpoints: [{ port: "http", interval: "30x" }] },
      },
      [expect.stringMatching(/^PodMonitor n\/m: spec\.podMetricsEndpoints\[0\]\.interval is "30x"; it must match /)],
    ],
    [
      "a kind that is not there",
      { apiVersion: "app/v1", kind: "Deployment", metadata: { name: "d" } },
      [expect.stringMatching(/^Deployment d: no schema of app\/v1\/Deployment; did you mean apps\/v1\/Deployment\?/)],
    ],
  ] as [string, KubernetesObject, unknown[]][])("tells %s", (_about, object, faults) => {
    expect(validateObject(object)).toEqual(faults);
  });

  it("takes int-or-string both ways, and unknown fields only where the definition keeps them", () => {
    const service = (targetPort: unknown) =>
      validateObject({
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "s" },
        spec: { ports: [{ port: 1, targetPort }] },
      });
    expect([service(80), service("http")]).toEqual([[], []]);
    expect(service(true)).toHaveLength(1);
  });
});

describe("held against ajv", () => {
  const ajv = new Ajv({ strict: false, inlineRefs: false, validateSchema: false, code: { regExp: goPattern() } });
  addFormats(ajv);
  ajv.addFormat("quantity", /^[+-]?(\d+(\.\d*)?|\.\d+)(n|u|m|k|M|G|T|P|E|[KMGTPE]i|[eE][+-]?\d+)?$/);
  ajv.addKeyword({
    keyword: "uniqueKeys",
    type: "array",
    validate: (keys: string[], items: Record<string, unknown>[]) => {
      const seen = items.map((item) =>
        keys.map((key) => JSON.stringify(item?.[key] ?? (key === "protocol" ? "TCP" : null))).join(),
      );
      return seen.every((one, index) => seen.indexOf(one) === index);
    },
  });
  ajv.addSchema({ definitions: kubernetes.definitions } as AnySchema, "kubernetes");
  ajv.addSchema({ definitions: custom.definitions } as AnySchema, "custom");
  const compiled = new Map<string, ValidateFunction>();
  const accepts = (object: KubernetesObject) => {
    const type = `${object.apiVersion}/${object.kind}`;
    const validate = compiled.get(type) ?? ajv.compile(schemaOf(type) as AnySchema);
    compiled.set(type, validate);
    return validate(object) === true;
  };

  it("uses only words and formats that are read", () => {
    const words = new Set<string>();
    const formats = new Set<string>();
    const walk = (schema: Record<string, unknown>) => {
      for (const [word, value] of Object.entries(schema)) {
        words.add(word);
        if (word === "format") formats.add(String(value));
        if (word === "properties") Object.values(value as object).forEach(walk);
        else if (["items", "additionalProperties", "not"].includes(word) && typeof value === "object")
          walk(value as never);
        else if (["anyOf", "allOf", "oneOf"].includes(word)) (value as never[]).forEach(walk);
      }
    };
    [kubernetes.definitions, custom.definitions, custom.kinds]
      .flatMap(Object.values)
      .forEach((schema) => walk(schema as never));
    const read =
      "$ref type format pattern enum minimum maximum minLength maxLength minItems maxItems minProperties maxProperties " +
      "uniqueItems uniqueKeys required properties additionalProperties items allOf anyOf oneOf not";
    expect([...words].filter((word) => !read.split(" ").includes(word))).toEqual([]);
    const known = ["quantity", "date-time", "byte", "int32", "int64", "double", "float"];
    expect([...formats].filter((format) => !known.includes(format))).toEqual([]);
  });

  it("agrees on every object of every stack, and on each of them with any one thing broken", async () => {
    const objects: KubernetesObject[] = [];
    for (const stack of ["prod", "dev", "local"])
      for (const { type, content } of declarationOf(await recordedStack(stack)).objects)
        if (type === "kubernetes") objects.push(content);
    expect(objects.filter((object) => !accepts(object) || validateObject(object).length > 0)).toEqual([]);

    // One object a kind is broken at every place in several ways; both must say the same.
    const byKind = new Map(objects.map((object) => [object.kind, object]));
    expect(byKind.size).toBeGreaterThanOrEqual(11);
    let broken = 0;
    let refused = 0;
    for (const object of byKind.values()) {
      for (const change of changesOf(object)) {
        const mine = validateObject(change).length === 0;
        if (mine !== accepts(change)) throw new Error(`ajv says ${!mine} of ${JSON.stringify(change)}`);
        broken++;
        if (!mine) refused++;
      }
    }

    expect(broken).toBeGreaterThan(2000);
    expect(refused / broken).toBeGreaterThan(0.5);
  });

  it("has a schema of each kind that compiles", () => {
    for (const type of knownKinds) expect(() => ajv.compile(schemaOf(type) as AnySchema)).not.toThrow();
  });
});

function goPattern() {
  return Object.assign((pattern: string) => patternOf(pattern), { code: "" });
}

/** The object with one value replaced or left out, or one field added, at every place below apiVersion and kind; put back after. */
function* changesOf(object: KubernetesObject): Generator<KubernetesObject> {
  const extended = new Set<unknown>();
  // The items of a list have one schema: a place in any of them is that place.
  const places = new Map(
    pathsOf(object).map((path) => [path.map((step) => (typeof step === "number" ? "*" : step)).join("/"), path]),
  );
  for (const path of places.values()) {
    if (["apiVersion", "kind"].includes(String(path[0]))) continue;
    const key = path.at(-1)!;
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- any place of any object
    const holder = path.slice(0, -1).reduce((inner: any, step) => inner[step], object);
    const value = holder[key];
    for (const other of ["x", 7, -1.5, null, [], {}]) {
      holder[key] = other;
      yield object;
    }
    if (!Array.isArray(holder)) {
      delete holder[key];
      yield object;
    }
    holder[key] = value;
    if (extended.has(holder)) continue;
    extended.add(holder);
    if (Array.isArray(holder)) {
      holder.push(holder[0]);
      yield object;
      holder.pop();
    } else {
      holder.anUnknownField = 1;
      yield object;
      delete holder.anUnknownField;
    }
  }
}

function pathsOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null) return path.length > 0 ? [path] : [];
  const steps = Array.isArray(value) ? value.map((item, index) => [index, item] as const) : Object.entries(value);
  return [...(path.length > 0 ? [path] : []), ...steps.flatMap(([step, inner]) => pathsOf(inner, [...path, step]))];
}
