import type { DeclaredObject, Manifest } from "../model";
import { podTemplateOf, selects, type LabelSelector, type PodTemplate } from "../pods";
import { byNamespace, error, titleOf, warning, type StackFinding } from "./finding";

interface Pods {
  readonly object: DeclaredObject;
  readonly template: PodTemplate;
}

/** Selectors that find nothing, and ports that no selected container has. */
export function checkSelectors(objects: readonly DeclaredObject[]): StackFinding[] {
  const cluster = (object: DeclaredObject) => objects.filter(({ place }) => place === object.place);
  return byNamespace(objects).flatMap((group) => {
    const pods = podsAmong(group);
    return group.flatMap((object): StackFinding[] => {
      const { kind, spec, metadata } = object.content as Manifest;
      switch (kind) {
        case "Service":
          return checkService(object, pods);
        case "Deployment":
        case "StatefulSet":
        case "DaemonSet":
          return checkOwner(object, group);
        case "PodDisruptionBudget":
          return checkSelects(object, spec?.selector ?? {}, pods);
        case "NetworkPolicy":
          return isOfOperator(spec?.podSelector, group) ? [] : checkSelects(object, spec?.podSelector ?? {}, pods);
        case "PodMonitor":
        case "ServiceMonitor": {
          if (isOfOperator(spec?.selector, group)) return [];
          const reach = namespaces(spec?.namespaceSelector, metadata.namespace, cluster(object));
          return kind === "PodMonitor" ? checkPodMonitor(object, podsAmong(reach)) : checkServiceMonitor(object, reach);
        }
        default:
          return [];
      }
    });
  });
}

/** Kinds whose pods an operator makes, and the label that these have with the object's name. */
const operatorKinds: Readonly<Record<string, string>> = {
  Kafka: "strimzi.io/cluster",
  KafkaConnect: "strimzi.io/cluster",
  KafkaMirrorMaker2: "strimzi.io/cluster",
  KafkaBridge: "strimzi.io/cluster",
  Cluster: "cnpg.io/cluster",
  Pooler: "cnpg.io/poolerName",
};

/** Whether pods that are selected are those that an operator makes for an object of the namespace; all pods are, too. */
function isOfOperator(selector: LabelSelector | undefined, group: readonly DeclaredObject[]): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  const all = Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
  const kind = matchLabels["strimzi.io/kind"];
  return group.some((object) => {
    const label = operatorKinds[object.kind];
    if (label === undefined) return false;
    if (all) return true;
    return (kind ?? object.kind) === object.kind && matchLabels[label] === (object.content as Manifest).metadata.name;
  });
}

function podsAmong(objects: readonly DeclaredObject[]): Pods[] {
  return objects.flatMap((object) => {
    const template = podTemplateOf(object);
    return template ? [{ object, template }] : [];
  });
}

function portsOf(pods: readonly Pods[]) {
  return pods.flatMap(({ template }) => (template.spec.containers ?? []).flatMap(({ ports }) => ports ?? []));
}

function checkService(object: DeclaredObject, pods: readonly Pods[]): StackFinding[] {
  const { spec } = object.content as Manifest;
  if (!spec?.selector || spec.type === "ExternalName") return []; // someone else keeps its endpoints
  const selected = pods.filter(({ template }) => selects({ matchLabels: spec.selector }, template.labels));
  if (selected.length === 0) return [nothing(object, spec.selector, pods)];
  const names = selected.map((pod) => titleOf(pod.object)).join(", ");
  const ports = portsOf(selected);
  const known = ports.map(({ name, containerPort }) => (name ? `${name}=${containerPort}` : containerPort)).join(", ");
  return ((spec.ports ?? []) as { port: number; targetPort?: number | string }[]).flatMap(
    ({ port, targetPort = port }) => {
      const isName = typeof targetPort === "string";
      if (ports.some(({ name, containerPort }) => (isName ? name === targetPort : containerPort === targetPort)))
        return [];
      const message = `targetPort ${targetPort} of port ${port} is no port of ${names} (${known || "none"}). Correct it.`;
      // A number works for a container that listens without saying so; a name never does.
      return [isName || ports.length > 0 ? error(object, message) : warning(object, message)];
    },
  );
}

function checkOwner(object: DeclaredObject, group: readonly DeclaredObject[]): StackFinding[] {
  const { kind, spec } = object.content as Manifest;
  const findings: StackFinding[] = [];
  if (!selects(spec?.selector ?? {}, podTemplateOf(object)?.labels))
    findings.push(error(object, `its selector ${show(spec?.selector)} does not fit the labels of its own pods.`));
  const service = spec?.serviceName as string | undefined;
  const isThere = group.some(
    ({ content }) => content.kind === "Service" && (content as Manifest).metadata.name === service,
  );
  if (kind === "StatefulSet" && service && !isThere)
    findings.push(error(object, `serviceName ${service} is no Service of its namespace. Declare it.`));
  return findings;
}

function checkSelects(object: DeclaredObject, selector: LabelSelector, pods: readonly Pods[]): StackFinding[] {
  return pods.some(({ template }) => selects(selector, template.labels)) ? [] : [nothing(object, selector, pods)];
}

function checkPodMonitor(object: DeclaredObject, pods: readonly Pods[]): StackFinding[] {
  const { spec } = object.content as Manifest;
  const selected = pods.filter(({ template }) => selects(spec?.selector ?? {}, template.labels));
  if (selected.length === 0) return [nothing(object, spec?.selector, pods)];
  return missingPorts(
    object,
    spec?.podMetricsEndpoints,
    portsOf(selected).flatMap(({ name }) => name ?? []),
  );
}

function checkServiceMonitor(object: DeclaredObject, reach: readonly DeclaredObject[]): StackFinding[] {
  const { spec } = object.content as Manifest;
  const services = reach.map(({ content }) => content as Manifest).filter(({ kind }) => kind === "Service");
  const selected = services.filter(({ metadata }) => selects(spec?.selector ?? {}, metadata.labels));
  if (selected.length === 0)
    return [
      error(object, `selects no Service with ${show(spec?.selector)}. Correct the selector or the Service's labels.`),
    ];
  const ports = selected.flatMap((service) => (service.spec?.ports ?? []) as { name?: string }[]);
  return missingPorts(
    object,
    spec?.endpoints,
    ports.flatMap(({ name }) => name ?? []),
  );
}

function missingPorts(
  object: DeclaredObject,
  endpoints: { port?: string }[] = [],
  names: readonly string[],
): StackFinding[] {
  return endpoints
    .filter(({ port }) => port !== undefined && !names.includes(port))
    .map(({ port }) =>
      error(object, `scrapes port "${port}", but what it selects has ${names.join(", ") || "no named port"}.`),
    );
}

/** Objects of the namespaces that a monitor looks at. */
function namespaces(
  selector: { any?: boolean; matchNames?: string[] } | undefined,
  own: string | undefined,
  objects: readonly DeclaredObject[],
): DeclaredObject[] {
  const names = selector?.matchNames ?? [own];
  return objects.filter(({ content }) => selector?.any || names.includes((content as Manifest).metadata.namespace));
}

function nothing(object: DeclaredObject, selector: unknown, pods: readonly Pods[]): StackFinding {
  const near = pods.map((pod) => titleOf(pod.object)).join(", ") || "none";
  return error(
    object,
    `selects no pods with ${show(selector)}. Pods of its namespace: ${near}. Correct selector or labels.`,
  );
}

function show(selector: unknown): string {
  const { matchLabels, ...rest } = (selector ?? {}) as LabelSelector & Record<string, unknown>;
  const labels = Object.entries(matchLabels ?? (rest as Record<string, unknown>));
  return (
    labels.map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(",") ||
    "{}"
  );
}
