import type { TopicSelector } from "../../../workloads/src/lib/topicSelector";
import type { ClientConfig, ConnectorPart } from "./clients";
import type { EnvironmentClient, SasquatchEnvironment } from "./environment";
import { knownClients } from "./known";

type Optional = "fields" | "deadman" | "parquet" | "jdbc" | "aggregate";

/** A client as an environment has it, with all defaults: the program's record, then the stack's, then the environment's. */
export interface Client
  extends Required<Omit<ClientConfig, Optional | "topics" | "connectors">>, Pick<ClientConfig, Optional> {
  readonly name: string;
  /** Environment that its topics are mirrored from; undefined where they are produced here. */
  readonly from?: string;
  /** Its topics as they are named here. */
  readonly topics: TopicSelector;
  readonly connectors: readonly Connector[];
}

/** A part of a client's topics, and what writes it to the bucket. */
export interface Connector {
  /** `<client>`, or `<client>-<part>`; a DNS label. */
  readonly name: string;
  /** Key in `connectors`; undefined for the only part of a client without any. */
  readonly part?: string;
  /** Its topics as they are named here. */
  readonly selector: TopicSelector;
  readonly settings: ConnectorPart;
}

type SasquatchClients = Readonly<Record<string, ClientConfig>>;

/** Record of a client before an environment says something anew; undefined for a name that nobody knows. */
export function clientRecord(clients: SasquatchClients, name: string): ClientConfig | undefined {
  const known = Object.hasOwn(knownClients, name) ? knownClients[name] : undefined;
  const own = Object.hasOwn(clients, name) ? clients[name] : undefined;
  return known || own ? overridden(known ?? {}, own ?? {}) : undefined;
}

/** Names of all clients that an environment may have. */
export function clientNames(clients: SasquatchClients): string[] {
  return [...new Set([...Object.keys(knownClients), ...Object.keys(clients)])];
}

/** The clients of an environment. Those without a record or topics are left out: the schema refuses them. */
export function clientsOf(clients: SasquatchClients, environment: SasquatchEnvironment): Client[] {
  return Object.entries(environment.clients).flatMap(([name, here]) => {
    const record = clientRecord(clients, name);
    return record?.topics === undefined ? [] : [resolved(name, record.topics, record, here)];
  });
}

/** What is mirrored from `alias`, as named there: the topics of the clients that say so, and what the mirror adds. */
export function mirroredSelectors(
  clients: SasquatchClients,
  environment: SasquatchEnvironment,
  alias: string,
): TopicSelector[] {
  const stored = clientsOf(clients, environment)
    .filter(({ from }) => from === alias)
    .flatMap(({ topics, connectors }) =>
      connectors.some(({ settings }) => settings.rest) ? [topics] : connectors.map(({ selector }) => selector),
    )
    .map(({ from: _, ...selector }) => selector);
  return [...stored, ...(environment.mirrors[alias]?.topics ?? [])];
}

function resolved(
  name: string,
  topics: TopicSelector,
  record: ClientConfig,
  { from, ...overrides }: EnvironmentClient,
): Client {
  const { connectors, ...client } = overridden(record, overrides);
  const local = (selector: TopicSelector): TopicSelector => (from === undefined ? selector : { ...selector, from });
  return {
    about: "",
    format: "avro",
    timestamp: { field: "private_efdStamp", unit: "s" },
    tags: [],
    bucket: name,
    retention: "infinite",
    sink: "connector",
    kafkaTopics: [],
    writers: [],
    consumers: [],
    readers: ["efdreader"],
    downsample: [],
    colliding: [],
    unstored: [],
    ...client,
    name,
    ...(from !== undefined && { from }),
    topics: local(topics),
    connectors: partsOf(name, topics, connectors).map((part) => ({ ...part, selector: local(part.selector) })),
  };
}

function partsOf(client: string, topics: TopicSelector, parts: Record<string, ConnectorPart> = {}): Connector[] {
  const base = client.replaceAll(".", "-").toLowerCase();
  if (Object.keys(parts).length === 0) return [{ name: base, selector: topics, settings: {} }];
  const enabled = Object.entries(parts).filter(([, settings]) => settings.enabled !== false);
  const named = enabled.flatMap(([, { components = [] }]) => components);
  return enabled.map(([part, settings]) => ({
    name: `${base}-${part}`,
    part,
    selector: selectorOf(topics.namespace, settings, named),
    settings,
  }));
}

/** A client with parts says no more than its namespace, so that each part reads by itself. */
function selectorOf(namespace: string, part: ConnectorPart, named: readonly string[]): TopicSelector {
  if (part.rest) return { namespace, except: named };
  const { components, kinds, topics, except } = part;
  return {
    namespace,
    ...(components && { components }),
    ...(kinds && { kinds }),
    ...(topics && { topics }),
    ...(except && { except }),
  };
}

/** Keys of `above` win; parts of connectors are laid over each other one by one. */
function overridden<T extends Pick<ClientConfig, "connectors">>(base: T, above: Partial<ClientConfig>): T {
  const set = Object.fromEntries(Object.entries(above).filter(([, value]) => value !== undefined));
  const parts = { ...base.connectors };
  for (const [name, part] of Object.entries(above.connectors ?? {})) parts[name] = { ...parts[name], ...part };
  return { ...base, ...set, ...(Object.keys(parts).length > 0 && { connectors: parts }) };
}
