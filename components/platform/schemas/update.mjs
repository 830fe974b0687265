/**
 * Makes kubernetes.json and custom.json anew, see README.md:
 *   node components/platform/schemas/update.mjs [--kubeconfig FILE] --crds FOLDER
 * Without a kubeconfig kubernetes.json stays as it is. kubernetes.json comes from a real API server's /openapi/v3 (kubectl must be on PATH), custom.json from the YAML files
 * of custom resource definitions below FOLDER. Both hold only the kinds named here and what these refer to.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseAllDocuments } from "yaml";

const kinds = {
  "api/v1": "Namespace ConfigMap Secret Service ServiceAccount PersistentVolumeClaim PersistentVolume Pod".split(" "),
  "apis/apps/v1": ["Deployment", "StatefulSet", "DaemonSet"],
  "apis/batch/v1": ["Job", "CronJob"],
  "apis/networking.k8s.io/v1": ["NetworkPolicy", "Ingress"],
  "apis/policy/v1": ["PodDisruptionBudget"],
  "apis/rbac.authorization.k8s.io/v1": ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
  "apis/storage.k8s.io/v1": ["StorageClass"],
};
const strimzi = "Kafka KafkaNodePool KafkaTopic KafkaUser KafkaConnect KafkaConnector KafkaMirrorMaker2 KafkaBridge KafkaRebalance";
const customKinds = [
  "external-secrets.io/v1/ExternalSecret",
  "external-secrets.io/v1/SecretStore",
  "ricoberger.de/v1alpha1/VaultSecret",
  "monitoring.coreos.com/v1/ServiceMonitor",
  "monitoring.coreos.com/v1/PodMonitor",
  "monitoring.coreos.com/v1/PrometheusRule",
  "cert-manager.io/v1/Certificate",
  ...strimzi.split(" ").map((kind) => `kafka.strimzi.io/v1/${kind}`),
  ...["ScaledJob", "ScaledObject", "TriggerAuthentication"].map((kind) => `keda.sh/v1alpha1/${kind}`),
  ...["Cluster", "Database", "Pooler", "ScheduledBackup"].map((kind) => `postgresql.cnpg.io/v1/${kind}`),
];
/** Definitions that repeat one of Kubernetes' own, by kind and field: written as what they are, a tenth of the size. */
const embedded = {
  "keda.sh/v1alpha1/ScaledJob": { jobTargetRef: "io.k8s.api.batch.v1.JobSpec" },
  "postgresql.cnpg.io/v1/Pooler": { template: "io.k8s.api.core.v1.PodTemplateSpec" },
};
const quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

const { values } = parseArgs({ options: { kubeconfig: { type: "string" }, crds: { type: "string" } } });
if (!values.crds) {
  // eslint-disable-next-line no-console -- a script by hand
  console.error("Usage: node components/platform/schemas/update.mjs [--kubeconfig FILE] --crds FOLDER");
  process.exit(2);
}
const folder = import.meta.dirname;
const write = (file, content) => writeFileSync(join(folder, file), `${JSON.stringify(content, null, 1)}\n`);

/**
 * One schema without words, as strict as the API server is with `fieldValidation=Strict`: what has named fields has no
 * others, unless it keeps unknown ones. Schemas inside anyOf and the like only add conditions, so they stay open.
 */
function prune(schema, closed = true) {
  if (schema["x-kubernetes-int-or-string"] || schema.format === "int-or-string") return { type: ["integer", "string"] };
  // `{default, allOf: [{$ref}]}` is how the API server documents a reference.
  if (schema.allOf?.length === 1 && schema.allOf[0].$ref && !schema.properties) return prune(schema.allOf[0]);
  if (schema.$ref) return { $ref: schema.$ref.replace("#/components/schemas/", "kubernetes#/definitions/") };
  const out = {};
  for (const key of ["type", "format", "pattern", "enum", "required", "minimum", "maximum", "minLength", "maxLength"])
    if (schema[key] !== undefined) out[key] = schema[key];
  for (const key of ["minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems"])
    if (schema[key] !== undefined) out[key] = schema[key];
  if (schema.nullable && out.type) out.type = [out.type, "null"];
  for (const key of ["allOf", "anyOf", "oneOf"]) if (schema[key]) out[key] = schema[key].map((one) => prune(one, false));
  if (schema.not) out.not = prune(schema.not, false);
  if (schema.items) out.items = prune(schema.items, closed);
  if (schema["x-kubernetes-list-map-keys"]) out.uniqueKeys = schema["x-kubernetes-list-map-keys"];
  const open = schema["x-kubernetes-preserve-unknown-fields"] || schema["x-kubernetes-embedded-resource"];
  if (schema.properties) {
    out.properties = Object.fromEntries(Object.entries(schema.properties).map(([name, one]) => [name, prune(one, closed)]));
    if (closed && !open) out.additionalProperties = false;
  }
  if (schema.additionalProperties && typeof schema.additionalProperties === "object")
    out.additionalProperties = prune(schema.additionalProperties, closed);
  return out;
}

const definitions = {};
const byKind = {};
let version;
for (const [path, names] of Object.entries(values.kubeconfig ? kinds : {})) {
  const raw = (url) => JSON.parse(execFileSync("kubectl", ["--kubeconfig", values.kubeconfig, "get", "--raw", url], { maxBuffer: 1e8 }));
  version ??= raw("/version").gitVersion;
  const { schemas } = raw(`/openapi/v3/${path}`).components;
  const take = (name) => {
    if (definitions[name]) return;
    definitions[name] = name === quantity ? { type: ["string", "number"], format: "quantity" } : prune(schemas[name]);
    for (const [, next] of JSON.stringify(definitions[name]).matchAll(/kubernetes#\/definitions\/([^"]+)"/g)) take(next);
  };
  for (const kind of names) {
    const group = path === "api/v1" ? "" : path.split("/")[1];
    const isKind = (gvk) => gvk.group === group && gvk.version === "v1" && gvk.kind === kind;
    const name = Object.keys(schemas).find((one) => schemas[one]["x-kubernetes-group-version-kind"]?.some(isKind));
    // What the cluster writes into an object is never ours to send.
    delete schemas[name].properties.status;
    take(name);
    byKind[`${group ? `${group}/` : ""}v1/${kind}`] = name;
  }
}
const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
if (values.kubeconfig) write("kubernetes.json", { version, kinds: sorted(byKind), definitions: sorted(definitions) });

/** Of a SecretStore's many providers we use one; the others would triple the file. */
function keepProvider(schema, name) {
  const { provider } = schema.properties.spec.properties;
  provider.properties = { [name]: provider.properties[name] };
}

const custom = {};
for (const file of readdirSync(values.crds, { recursive: true }).filter((name) => /\.ya?ml$/.test(name))) {
  for (const document of parseAllDocuments(readFileSync(join(values.crds, file), "utf8"))) {
    const crd = document.toJS();
    if (crd?.kind !== "CustomResourceDefinition") continue;
    for (const served of crd.spec.versions.filter((one) => one.served)) {
      const name = `${crd.spec.group}/${served.name}/${crd.spec.names.kind}`;
      if (!customKinds.includes(name)) continue;
      const schema = served.schema.openAPIV3Schema;
      delete schema.properties.status;
      if (crd.spec.names.kind === "SecretStore") keepProvider(schema, "vault");
      const pruned = prune(schema);
      for (const [field, definition] of Object.entries(embedded[name] ?? {}))
        pruned.properties.spec.properties[field] = { $ref: `kubernetes#/definitions/${definition}` };
      Object.assign(pruned.properties, {
        apiVersion: { type: "string" },
        kind: { type: "string" },
        metadata: { $ref: `kubernetes#/definitions/${objectMeta}` },
      });
      custom[name] = pruned;
    }
  }
}
const missing = customKinds.filter((name) => !custom[name]);
if (missing.length > 0) throw new Error(`no definition below ${values.crds} serves ${missing.join(", ")}`);

/** Strimzi's kinds repeat the same pod template in each of their parts: what is there several times is written once. */
const times = new Map();
const isType = (type) => typeof type === "string" || Array.isArray(type); // a field may be named so
const textOf = (schema) => (isType(schema.type) ? JSON.stringify(schema) : "");
const isLong = (text) => text.length > 200;
function count(value) {
  if (typeof value !== "object" || value === null) return;
  const text = textOf(value);
  if (isLong(text)) times.set(text, (times.get(text) ?? 0) + 1);
  for (const inner of Object.values(value)) count(inner);
}
const shared = {};
function share(value, isTop) {
  if (typeof value !== "object" || value === null) return value;
  const parts = () => Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, share(inner)]));
  if (Array.isArray(value)) return value.map((inner) => share(inner));
  const text = textOf(value);
  if (isTop || !isLong(text) || times.get(text) < 2) return parts();
  const name = createHash("sha256").update(text).digest("hex").slice(0, 12);
  shared[name] ??= parts();
  return { $ref: `custom#/definitions/${name}` };
}
Object.values(custom).forEach(count);
const kindsOf = Object.fromEntries(Object.entries(custom).map(([name, schema]) => [name, share(schema, true)]));
write("custom.json", { kinds: sorted(kindsOf), definitions: sorted(shared) });
