import { topicAttributes, topicConfiguration, type NotificationInputs, type TopicInputs } from "../../components/ceph";
import { secretMark, type RecordedResource, type RecordedStack } from "../record";
import { cephEnvironments } from "./cephEnvironments";
import type { Declaration, DeclaredObject, Manifest } from "./model";

/** Objects of a recorded stack. Components, providers and the stack itself are none. */
export function declarationOf(recorded: RecordedStack): Declaration {
  const byUrn = new Map(recorded.resources.map((resource) => [resource.urn, resource]));
  const objects: DeclaredObject[] = [];
  for (const resource of recorded.resources) {
    if (resource.custom && /^vault:/.test(resource.type)) objects.push(vaultObject(resource, recorded));
    if (!resource.custom || !/^kubernetes:(?!.*List$)/.test(resource.type)) continue;
    if (typeof resource.inputs.kind !== "string") continue; // a Helm release and the like has no object of its own
    objects.push(kubernetesObject(resource, ancestors(resource, byUrn)));
  }
  objects.push(...cephObjects(recorded, objects));
  return { stack: recorded.stack, objects, recorded };
}

/** Chain of components from the topmost down to the resource's parent; the stack is left out. */
function ancestors(resource: RecordedResource, byUrn: Map<string, RecordedResource>): RecordedResource[] {
  const chain: RecordedResource[] = [];
  for (let parent = resource.parent; parent !== undefined; parent = byUrn.get(parent)?.parent) {
    const component = byUrn.get(parent);
    if (component && component.type !== "pulumi:pulumi:Stack") chain.unshift(component);
  }
  return chain;
}

function kubernetesObject(resource: RecordedResource, chain: readonly RecordedResource[]): DeclaredObject {
  const inputs = withoutSecrets(resource);
  const { apiVersion, kind, metadata, ...rest } = inputs as unknown as Manifest;
  // What no one refers to is named by Pulumi; here it goes by its logical name.
  const content: Manifest = {
    apiVersion,
    kind,
    metadata: { ...metadata, name: metadata?.name ?? resource.name },
    ...rest,
  };
  const { name, namespace } = content.metadata;
  const [top, part] = chain;
  const system = top?.type.split(":")[1] ?? "stack";
  // Sasquatch has a namespace of the same name in each cluster: its folders go by environment.
  const place = system === "sasquatch" ? top?.name : undefined;
  const folder = place ?? (kind === "Namespace" ? name : (namespace ?? "_cluster"));
  return {
    type: "kubernetes",
    system,
    environment: top?.name ?? recordedIn(resource),
    component: part ? shortName(part.name, top!.name) : "",
    kind,
    name: namespace ? `${namespace}/${name}` : name,
    place: resource.provider ?? "",
    file: [system, folder, `${kind}-${name}.yaml`].map(fileName).join("/"),
    content,
    resources: [resource],
  };
}

/** A policy or a role in Vault: who may read an environment's secrets. */
function vaultObject(resource: RecordedResource, { resources }: RecordedStack): DeclaredObject {
  const [top, part] = ancestors(resource, new Map(resources.map((one) => [one.urn, one])));
  const content = withoutSecrets(resource);
  const kind = `Vault${resource.type.split(":").at(-1)}`;
  const name = String(content.name ?? content.roleName);
  const system = top?.type.split(":")[1] ?? "stack";
  const environment = top?.name ?? recordedIn(resource);
  const provider = resources.find(({ type, name }) => type === "pulumi:providers:vault" && name === resource.provider);
  return {
    type: "vault",
    system,
    environment,
    component: part ? shortName(part.name, environment) : "",
    kind,
    name,
    place: String(provider?.inputs.address ?? ""),
    file: [system, "_vault", `${kind}-${name}.yaml`].map(fileName).join("/"),
    content,
    resources: [resource],
  };
}

/** The stack's name, for what stands directly under it. */
function recordedIn({ urn }: RecordedResource): string {
  return urn.split(":")[2] ?? "";
}

function shortName(name: string, environment: string): string {
  return name.startsWith(`${environment}-`) ? name.slice(environment.length + 1) : name;
}

/** Type token of a topic and of a notification. */
const topicType = /:NotificationTopic$/;
const notificationType = /:BucketNotification$/;
const policyType = /^aws:s3\/bucketPolicy:/;

function cephObjects(recorded: RecordedStack, kubernetes: readonly DeclaredObject[]): DeclaredObject[] {
  const topics = recorded.resources.filter(({ type }) => topicType.test(type));
  const notifications = recorded.resources.filter(({ type }) => notificationType.test(type));
  const policies = recorded.resources.filter(({ type }) => policyType.test(type));
  const gatewayOf = gateways(recorded);
  const environments = cephEnvironments({ topics, notifications, kubernetes, gatewayOf });
  const object = (
    type: "topic" | "notification" | "policy",
    environment: string,
    name: string,
    content: unknown,
    resources: readonly RecordedResource[],
  ): DeclaredObject => ({
    type,
    system: "ceph",
    environment,
    component: "",
    kind: { topic: "NotificationTopic", notification: "BucketNotification", policy: "BucketPolicy" }[type],
    name,
    place: gatewayOf(resources[0]!).url,
    file: ["ceph", environment, `${type}-${name}.json`].map(fileName).join("/"),
    content: content as Record<string, unknown>,
    resources,
  });

  const objects = topics.map((topic) => {
    const { name, ...settings } = withoutSecrets(topic) as unknown as TopicInputs;
    const content = { Name: name, Attributes: topicAttributes(settings) };
    return object("topic", environments.ofTopic(topic), name, content, [topic]);
  });
  const byBucket = new Map<string, RecordedResource[]>();
  for (const notification of notifications) {
    const key = `${gatewayOf(notification).name} ${notification.inputs.bucket}`;
    byBucket.set(key, [...(byBucket.get(key) ?? []), notification]);
  }
  for (const entries of byBucket.values()) {
    const inputs = entries.map((entry) => withoutSecrets(entry) as unknown as NotificationInputs);
    inputs.sort((a, b) => (a.entryId < b.entryId ? -1 : 1));
    const content = { TopicConfigurations: inputs.map((one) => topicConfiguration({ ...one, id: one.entryId })) };
    const { bucket } = inputs[0]!;
    objects.push(object("notification", environments.ofBucket(entries[0]!, bucket), bucket, content, entries));
  }
  for (const policy of policies) {
    const { bucket, policy: document } = withoutSecrets(policy) as { bucket: string; policy: string };
    objects.push(object("policy", environments.ofBucket(policy, bucket), bucket, JSON.parse(document), [policy]));
  }
  return objects;
}

/** Gateway of a Ceph resource: name of its topmost component, and URL (of a policy: that of its provider). */
function gateways(recorded: RecordedStack): (resource: RecordedResource) => { name: string; url: string } {
  const byUrn = new Map(recorded.resources.map((resource) => [resource.urn, resource]));
  const providers = new Map(
    recorded.resources.filter(({ type }) => type === "pulumi:providers:aws").map((one) => [one.name, one]),
  );
  return (resource) => {
    const [top] = ancestors(resource, byUrn);
    const { rgw } = resource.inputs as { rgw?: { url: string } };
    const provider = resource.provider === undefined ? undefined : providers.get(resource.provider);
    // Inputs of a provider are JSON text in the engine's protocol.
    const endpoints = provider?.inputs.endpoints;
    const [endpoint] = (typeof endpoints === "string" ? JSON.parse(endpoints) : (endpoints ?? [])) as { s3?: string }[];
    const url = rgw?.url ?? endpoint?.s3 ?? "";
    return { name: top?.name ?? url, url };
  };
}

/** Inputs of a resource with a mark at the place of each secret, whatever was recorded there. */
function withoutSecrets({ inputs, secrets }: RecordedResource): Record<string, unknown> {
  const copy = structuredClone(inputs);
  for (const path of secrets) {
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- any depth of any object
    const holder = path.slice(0, -1).reduce<any>((value, step) => value?.[step], copy);
    const last = path.at(-1)!;
    const value = holder?.[last];
    if (value !== undefined && !(typeof value === "string" && value.startsWith("[secret"))) holder[last] = secretMark;
  }
  return copy;
}

/** A name as part of a path: nothing in it leads out of the folder. */
function fileName(name: string): string {
  const safe = name.replace(/[^\w.@:-]/g, "_");
  return /^\.+$/.test(safe) ? safe.replaceAll(".", "_") : safe;
}
