import {
  type Client,
  clientsOf,
  mirroredSelectors,
  type SasquatchConfig,
  type SasquatchEnvironment,
} from "../../components/config";
import { salNamespace, salTopics } from "../../components/sasquatch/sal";
import { kindOf, matcherOf, namePrefix, type TopicSelector } from "../../workloads/src/lib/topicSelector";

/** Which topics of an environment are stored, by what, and which are not. Names are as Kafka has them there. */
export interface TopicsAudit {
  readonly environment: string;
  /** Topics that are known to exist there: of SAL, declared ones, and what is mirrored of both. */
  readonly topics: number;
  readonly stored: number;
  /** Produced there and stored by no connector. */
  readonly notStored: readonly string[];
  /** Mirrored there and stored by no connector. */
  readonly mirroredNotStored: readonly string[];
  readonly storedTwice: readonly { readonly topic: string; readonly connectors: readonly string[] }[];
  /** Deliberately not stored, as the configuration says. */
  readonly leftOut: readonly { readonly topic: string; readonly reason: string }[];
  /** Selectors, or names in them, that take no known topic. */
  readonly dead: readonly { readonly entry: string; readonly name?: string }[];
  /** Stored topics of which two fields have one name in InfluxDB; with the reason where that is known. */
  readonly colliding: readonly {
    readonly topic: string;
    readonly fields: readonly string[];
    readonly reason?: string;
  }[];
  readonly components: readonly ComponentAudit[];
}

/** One CSC; topics outside SAL are under the namespace of their client. */
export interface ComponentAudit {
  readonly component: string;
  readonly topics: number;
  readonly stored: number;
  readonly notStored: number;
  readonly storedTwice: number;
  readonly leftOut: number;
  readonly connectors: readonly string[];
}

interface Topic {
  readonly name: string;
  readonly component: string;
  readonly isMirrored: boolean;
  /** Names that two fields of a point have. */
  readonly collisions: readonly string[];
}

/** A selector of the configuration that leaves topics out. */
interface Exception {
  readonly entry: string;
  readonly selector: TopicSelector;
  readonly reason: string;
}

const declaredWithout = "declared without a client";

/**
 * Compares the topics that are known with the connectors that are declared.
 * @throws Error where there is no environment of that name.
 */
export function auditTopics(environmentName: string, sasquatch: SasquatchConfig): TopicsAudit {
  const environment = sasquatch.environments[environmentName];
  if (environment === undefined) throw new Error(`usdf:sasquatch has no environment "${environmentName}".`);
  const clients = clientsOf(sasquatch.clients, environment);
  const topics = topicsOf(sasquatch, environment, clients);
  const connectors = withMatchers(clients.flatMap((client) => client.connectors));
  const exceptions = withMatchers(exceptionsOf(environment, clients));
  const accepted = withMatchers(clients.flatMap((client) => selectorsOf(client, "colliding")));

  /** Connectors that may take topics of a CSC; most name theirs. */
  const asked = new Map<string, typeof connectors>();
  const askedOf = (component: string) => {
    const known = asked.get(component);
    if (known) return known;
    const isCsc = !component.includes(".");
    const some = connectors.filter(
      ({ selector }) => !(isCsc && isKnowable(selector) && selector.components?.includes(component) === false),
    );
    asked.set(component, some);
    return some;
  };

  const used = new Set<unknown>();
  const takenBy = new Map<string, Topic[]>(connectors.map(({ name }) => [name, []]));
  const rows = new Map<string, { -readonly [Key in keyof ComponentAudit]: ComponentAudit[Key] }>();
  const found = {
    notStored: [] as string[],
    mirroredNotStored: [] as string[],
    storedTwice: [] as { topic: string; connectors: string[] }[],
    leftOut: [] as { topic: string; reason: string }[],
    colliding: [] as { topic: string; fields: readonly string[]; reason?: string }[],
  };
  for (const topic of topics) {
    const { name, component, isMirrored, collisions } = topic;
    const none = { component, topics: 0, stored: 0, notStored: 0, storedTwice: 0, leftOut: 0, connectors: [] };
    const row = rows.get(component) ?? none;
    rows.set(component, row);
    row.topics += 1;
    const takers = askedOf(component).filter(({ takes }) => takes(name));
    const names = takers.map((connector) => connector.name);
    for (const taker of names) {
      takenBy.get(taker)!.push(topic);
      if (!row.connectors.includes(taker)) row.connectors = [...row.connectors, taker];
    }
    if (takers.length > 1) {
      row.storedTwice += 1;
      found.storedTwice.push({ topic: name, connectors: names });
    }
    if (takers.length > 0) {
      if (collisions.length > 0) {
        const known = accepted.find(({ takes }) => takes(name));
        found.colliding.push({ topic: name, fields: collisions, ...(known && { reason: known.reason }) });
      }
      row.stored += 1;
      continue;
    }
    const exception = exceptions.find(({ takes }) => takes(name));
    if (exception !== undefined) {
      row.leftOut += 1;
      used.add(exception);
      found.leftOut.push({ topic: name, reason: exception.reason });
    } else {
      row.notStored += 1;
      (isMirrored ? found.mirroredNotStored : found.notStored).push(name);
    }
  }
  return {
    environment: environmentName,
    topics: topics.length,
    stored: [...rows.values()].reduce((sum, { stored }) => sum + stored, 0),
    ...found,
    dead: [
      ...deadParts(clients, takenBy),
      ...exceptions
        .filter((one) => !used.has(one) && one.reason !== declaredWithout && isKnowable(one.selector))
        .map(({ entry }) => ({ entry })),
    ],
    components: [...rows.values()].sort((a, b) => (a.component < b.component ? -1 : 1)),
  };
}

const withMatchers = <T extends { readonly selector: TopicSelector }>(all: readonly T[]) =>
  all.map((one) => ({ ...one, takes: matcherOf(one.selector) }));

/** Only of SAL is every name known. */
const isKnowable = ({ namespace }: TopicSelector) => namespace === salNamespace;

function topicsOf(sasquatch: SasquatchConfig, environment: SasquatchEnvironment, clients: readonly Client[]): Topic[] {
  const topics = new Map<string, Topic>();
  const add = (name: string, component: string, isMirrored: boolean, collisions: readonly string[] = []) => {
    if (!topics.has(name)) topics.set(name, { name, component, isMirrored, collisions });
  };
  const local = [
    ...clients.filter(({ from }) => from === undefined).map((client) => client.topics),
    ...Object.values(environment.users).flatMap(({ writes }) => writes),
  ].map(matcherOf);
  for (const { name, component, collisions } of salTopics())
    if (local.some((takes) => takes(name))) add(name, component, false, collisions);
  const declared = clients.filter(({ from }) => from === undefined).flatMap(({ kafkaTopics }) => kafkaTopics);
  for (const { name } of [...declared, ...environment.kafkaTopics]) add(name, namespaceOf(name), false);

  const elsewhere = clients.filter(({ from }) => from !== undefined).flatMap(({ kafkaTopics }) => kafkaTopics);
  for (const alias of Object.keys(environment.mirrors)) {
    const selectors = mirroredSelectors(sasquatch.clients, environment, alias).map(matcherOf);
    const isTaken = (name: string) => selectors.some((takes) => takes(name));
    const here = (name: string) => `${alias}.${name}`;
    for (const { name, component, collisions } of salTopics())
      if (isTaken(name)) add(here(name), component, true, collisions);
    for (const { name } of elsewhere) if (isTaken(name)) add(here(name), namespaceOf(name), true);
  }
  return [...topics.values()];
}

const namespaceOf = (topic: string) => topic.split(".").slice(0, 2).join(".");

/** Selectors with a reason of a client, as its topics are named here. */
const selectorsOf = ({ name, topics, ...client }: Client, key: "unstored" | "colliding"): Exception[] =>
  client[key].map(({ reason, namespace = topics.namespace, ...narrowing }, index) => ({
    entry: `clients.${name}.${key}[${index}]`,
    selector: { ...narrowing, namespace, ...(topics.from !== undefined && { from: topics.from }) },
    reason,
  }));

function exceptionsOf(environment: SasquatchEnvironment, clients: readonly Client[]): Exception[] {
  const ofClients = clients.flatMap((client) => selectorsOf(client, "unstored"));
  const ofMirrors = Object.entries(environment.mirrors).flatMap(([alias, { unstored }]) =>
    unstored.map(({ reason, ...selector }, index) => ({
      entry: `mirrors.${alias}.unstored[${index}]`,
      selector: { ...selector, from: alias },
      reason,
    })),
  );
  const declared = environment.kafkaTopics.map(({ name }) => {
    const [namespace, ...rest] = name.split(".");
    return {
      entry: `kafkaTopics ${name}`,
      selector: { namespace: namespace!, topics: [rest.join(".")] },
      reason: declaredWithout,
    };
  });
  return [...ofClients, ...ofMirrors, ...declared];
}

/** Parts, and components and names in them, that take none of the topics. What is left for the future (rest) is never dead. */
function deadParts(clients: readonly Client[], takenBy: ReadonlyMap<string, readonly Topic[]>): TopicsAudit["dead"] {
  return clients.flatMap((client) =>
    client.connectors
      .filter(({ selector, settings }) => isKnowable(selector) && !settings.rest)
      .flatMap(({ name: connector, part, selector }) => {
        const entry = `clients.${client.name}${part === undefined ? "" : `.connectors.${part}`}`;
        const taken = takenBy.get(connector) ?? [];
        if (taken.length === 0) return [{ entry }];
        const { components = [], topics = [], kinds = [] } = selector;
        const prefix = namePrefix(selector);
        const isNamed = (name: string) =>
          taken.some((topic) =>
            [topic.name.slice(prefix.length), topic.name.slice(prefix.length + topic.component.length + 1)].includes(
              name,
            ),
          );
        return [
          ...components.filter((one) => !taken.some(({ component }) => component === one)),
          ...topics.filter((one) => !isNamed(one)),
          ...kinds.filter((one) => !taken.some(({ name }) => kindOf(name) === one)),
        ].map((name) => ({ entry, name }));
      }),
  );
}

/** What a reviewer should know of an audit. */
export interface TopicsFinding {
  readonly level: "error" | "warning" | "note";
  /** Entry of the configuration of the environment, or a word for the whole. */
  readonly object: string;
  readonly message: string;
}

/** Findings of an audit, by count and examples, not name by name. */
export function findingsOf(audit: TopicsAudit): TopicsFinding[] {
  const findings: TopicsFinding[] = [];
  const add = (level: TopicsFinding["level"], object: string, message: string) =>
    findings.push({ level, object, message });
  const twice = new Map<string, string[]>();
  for (const { topic, connectors } of audit.storedTwice) {
    const key = connectors.join(" and ");
    twice.set(key, [...(twice.get(key) ?? []), topic]);
  }
  for (const [connectors, topics] of twice)
    add("error", connectors, `store ${several(topics)} twice. Narrow one of them`);
  for (const { entry, name } of audit.dead)
    add(
      "error",
      entry,
      name === undefined
        ? "takes no topic that is known here. Take it away"
        : `names ${name}, which no topic that is known here has. Take it away`,
    );
  if (audit.notStored.length > 0)
    add(
      "warning",
      "topics",
      `${several(audit.notStored)} stored by no connector. Give them one, or write them with the reason into unstored`,
    );
  if (audit.mirroredNotStored.length > 0)
    add(
      "warning",
      "mirrored topics",
      `${several(audit.mirroredNotStored)} mirrored and stored by no connector. Give them one, mirror them not, or write them with the reason into unstored`,
    );
  for (const { topic, fields, reason } of audit.colliding)
    if (reason === undefined)
      add(
        "error",
        topic,
        `has two fields that are ${fields.slice(0, 3).join(", ")} in InfluxDB: one overwrites the other. Rename one, or write the topic with the reason into colliding`,
      );
  const reasons = new Map<string, string[]>();
  const known = audit.colliding.flatMap(({ topic, reason }) => (reason === undefined ? [] : [{ topic, reason }]));
  for (const { topic, reason } of known) reasons.set(reason, [...(reasons.get(reason) ?? []), topic]);
  for (const [reason, topics] of reasons)
    add("note", "colliding", `${several(topics)} with fields of one name: ${reason}`);
  reasons.clear();
  for (const { topic, reason } of audit.leftOut) reasons.set(reason, [...(reasons.get(reason) ?? []), topic]);
  for (const [reason, topics] of reasons) add("note", "unstored", `${several(topics)} not stored: ${reason}`);
  return findings;
}

/** `3 topics (a, b, …)` */
function several(topics: readonly string[]): string {
  const shown = topics.slice(0, 3).join(", ");
  return `${topics.length} topic${topics.length === 1 ? "" : "s"} (${shown}${topics.length > 3 ? ", …" : ""})`;
}
