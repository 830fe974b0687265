import { nearest } from "../../../workloads/src/lib/contract";
import { commonTopic, patternOf } from "../../../workloads/src/lib/topicSelector";
import type { ClientConfig } from "./clients";
import { secondsOf } from "./durations";
import type { SasquatchEnvironment } from "./environment";
import type { InfluxdbConfig } from "./influxdb";
import { type Client, clientNames, clientRecord, clientsOf, type Connector } from "./resolve";

function nearestOf(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant === undefined ? `Known: ${known.join(", ")}` : `The nearest is ${meant}`;
}

/** A fault of the configuration: the entry that has it, and what is wrong with it. */
export type Fault = [path: string[], message: string];

/** Users that the environment itself has; a client's or an operator's would be a second object of the same name. */
const ownUsers = ["kafka-admin", "schema-registry", "sasquatch-connect", "sasquatch-mirror"];

/** Environments that Rubin has, besides those of this stack: aliases of mirrors are names of environments. */
const environmentNames = [
  ...["summit", "base", "tucson-teststand", "usdfprod", "usdfint", "usdfdev", "idfprod", "idfint", "idfdev"],
  ...["roundtable-prod", "roundtable-dev"],
];

/** Objects are named `sasquatch-<connector>-…`, and a label has 63 characters. */
const maxConnectorName = 40;

/** A consumer or a mirror that stands still for a night must find the messages still there. */
const minTopicRetentionMs = 24 * 3_600_000;

/** Buckets of InfluxDB keep points for an hour at least. */
const minBucketSeconds = 3600;

/** All that is wrong with the clients and environments, as far as the configuration alone tells. */
export function sasquatchFaults(sasquatch: {
  clients: Record<string, ClientConfig>;
  environments: Record<string, SasquatchEnvironment>;
}): Fault[] {
  const { clients, environments } = sasquatch;
  return [
    ...Object.keys(clients).flatMap((name) => recordFaults(clients, name)),
    ...Object.entries(environments).flatMap(([name, environment]) =>
      [
        ...clientFaults(clients, environment),
        ...bucketFaults(clientsOf(clients, environment)),
        ...overlapFaults(clientsOf(clients, environment)),
        ...nameFaults(clientsOf(clients, environment), environment.influxdb.standby !== undefined),
        ...userFaults(clientsOf(clients, environment), environment),
        ...mirrorFaults(name, environment, environments),
        ...influxdbFaults(clientsOf(clients, environment), environment.influxdb),
      ].map(([path, message]): Fault => [["environments", name, ...path], message]),
    ),
  ];
}

function recordFaults(clients: Record<string, ClientConfig>, name: string): Fault[] {
  const record = clientRecord(clients, name)!;
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name))
    return [[["clients", name], "is no name for a client: use a-z, 0-9, - and ., a letter or digit at the ends"]];
  if (record.topics === undefined)
    return [
      [["clients", name, "topics"], "is missing: say which topics are the client's, e.g. { namespace: lsst.dm }"],
    ];
  const { namespace: _, ...narrowing } = record.topics;
  const extra = Object.keys(narrowing)[0];
  if (extra !== undefined && Object.keys(record.connectors ?? {}).length > 0) {
    const message = `cannot be narrowed where the client has connectors: say ${extra} in each of them`;
    return [[["clients", name, "topics", extra], message]];
  }
  return [];
}

function clientFaults(clients: Record<string, ClientConfig>, environment: SasquatchEnvironment): Fault[] {
  const faults: Fault[] = [];
  const { retentionMinutes } = environment.kafka;
  if (retentionMinutes * 60_000 < minTopicRetentionMs) {
    const needed = minTopicRetentionMs / 60_000;
    const message = `is ${retentionMinutes}, less than a connector or mirror that stands still for a day needs (${needed})`;
    faults.push([["kafka", "retentionMinutes"], message]);
  }
  for (const [name, { from }] of Object.entries(environment.clients)) {
    if (clientRecord(clients, name) === undefined) {
      const known = clientNames(clients);
      faults.push([
        ["clients", name],
        `is no client that the program or usdf:sasquatch.clients knows. ${nearestOf(name, known)}`,
      ]);
    }
    if (from !== undefined && !Object.hasOwn(environment.mirrors, from)) {
      const mirrors = Object.keys(environment.mirrors).join(", ") || "none";
      faults.push([
        ["clients", name, "from"],
        `is "${from}", from where nothing is mirrored here (mirrors: ${mirrors})`,
      ]);
    }
  }
  for (const client of clientsOf(clients, environment)) {
    const fault = (path: string[], message: string) => faults.push([["clients", client.name, ...path], message]);
    if (client.connectors.length === 0)
      fault(
        ["connectors"],
        `has no enabled part, so nothing would write to bucket ${client.bucket}. Leave the client out`,
      );
    for (const { part, selector, settings } of client.connectors) {
      const path = part === undefined ? [] : ["connectors", part];
      const narrowed = ["components", "kinds", "topics", "except"].find((key) => key in settings);
      if (settings.rest && narrowed !== undefined)
        fault([...path, narrowed], "has no meaning beside rest, which is all that the other parts do not name");
      if (patternOf(selector, "go") === "^$")
        fault(path, "takes no topic at all: its kinds, topics and except leave none");
    }
    if (client.connectors.filter(({ settings }) => settings.rest).length > 1)
      fault(["connectors"], "has two parts with rest, which would take the same topics. Keep one");
    for (const [path, message] of [timestampFaults, fieldFaults, retentionFaults, longTermFaults].flatMap((faultsOf) =>
      faultsOf(client),
    ))
      fault(path, message);
  }
  return faults;
}

/** Stamps of SAL by their unit; the last but efdStamp are TAI, 37 s ahead of the UTC that InfluxDB holds. */
const salStamps = ["private_efdStamp", "private_sndStamp", "private_rcvStamp", "private_kafkaStamp"];

function timestampFaults({ timestamp: { field, unit } }: Client): Fault[] {
  const suffix = /_(s|ms|us|ns)$/.exec(field)?.[1];
  const expected = salStamps.includes(field) ? "s" : suffix;
  if (expected !== undefined && expected !== unit) {
    const wrong = `is ${unit}, but ${field} is in ${expected}: each point would be at another time`;
    return [[["timestamp", "unit"], `${wrong}. Write ${expected}`]];
  }
  if (salStamps.slice(1).includes(field)) {
    const message = `is ${field}, which is TAI and so 37 s ahead of the UTC that InfluxDB holds. Take private_efdStamp`;
    return [[["timestamp", "field"], message]];
  }
  return [];
}

/** Of a client whose schema is declared: its time and tags are fields, and flattened arrays are no other field. */
function fieldFaults({ fields, tags, timestamp }: Client): Fault[] {
  if (fields === undefined) return [];
  const faults: Fault[] = [];
  const known = Object.keys(fields).join(", ");
  const { field } = timestamp;
  if (field !== "" && !/^(int|long|float|double)$/.test(fields[field] ?? ""))
    faults.push([["timestamp", "field"], `is ${field}, no number among its fields (${known})`]);
  tags.forEach((tag, index) => {
    if (!Object.hasOwn(fields, tag)) faults.push([["tags", String(index)], `is ${tag}, none of its fields (${known})`]);
    else if (fields[tag]!.endsWith("]"))
      faults.push([["tags", String(index)], `is ${tag}, an array: no tag can be one`]);
  });
  const owners = new Map<string, string>();
  for (const [name, type] of Object.entries(fields)) {
    const length = /\[(\d+)\]/.exec(type)?.[1];
    const flattened =
      length === undefined ? [name] : Array.from({ length: Number(length) }, (_, index) => `${name}${index}`);
    for (const one of flattened) {
      const owner = owners.get(one);
      if (owner !== undefined)
        faults.push([
          ["fields", name],
          `becomes ${one} in InfluxDB, as ${owner} does: one overwrites the other. Rename it`,
        ]);
      else owners.set(one, name);
    }
  }
  return faults;
}

function retentionFaults(client: Client): Fault[] {
  const faults: Fault[] = [];
  const atLeast = (path: string[], have: string, neededSeconds: number, why: string) => {
    const seconds = secondsOf(have);
    if (seconds !== 0 && seconds < neededSeconds)
      faults.push([path, `is ${have}, less than ${why} needs (${hours(neededSeconds)})`]);
  };
  atLeast(["retention"], client.retention, minBucketSeconds, "InfluxDB");
  if (client.deadman)
    atLeast(
      ["retention"],
      client.retention,
      2 * secondsOf(client.deadman.after),
      `deadman.after ${client.deadman.after}`,
    );
  let below = { path: ["retention"], retention: client.retention, every: 0 };
  client.downsample.forEach(({ every, retention }, index) => {
    const path = ["downsample", String(index)];
    const seconds = secondsOf(every);
    // A task that was down for some windows makes them up from the bucket below.
    atLeast(below.path, below.retention, 10 * seconds, `the task that makes windows of ${every} of it`);
    atLeast([...path, "retention"], retention, Math.max(minBucketSeconds, seconds), "a window of it");
    if (below.every > 0 && (seconds <= below.every || seconds % below.every !== 0))
      faults.push([[...path, "every"], `is ${every}, no multiple of the windows that it is made of`]);
    below = { path: [...path, "retention"], retention, every: seconds };
  });
  for (const [index, { name, config }] of client.kafkaTopics.entries()) {
    const ms = Number(config["retention.ms"] ?? Infinity);
    if (ms >= 0 && ms < minTopicRetentionMs) {
      const message = `is ${ms} for ${name}, less than a connector or mirror that stands still for a day needs (${minTopicRetentionMs})`;
      faults.push([["kafkaTopics", String(index), "config", "retention.ms"], message]);
    }
    if (
      commonTopic(
        { namespace: name.slice(0, name.lastIndexOf(".")), topics: [name.slice(name.lastIndexOf(".") + 1)] },
        plain(client),
      ) === undefined
    )
      faults.push([["kafkaTopics", String(index), "name"], `is ${name}, which is none of the client's topics`]);
  }
  return faults;
}

/** Files and statistics are made of records with a schema, and statistics go to a topic beside their source. */
function longTermFaults({ name, format, topics, parquet, aggregate }: Client): Fault[] {
  const faults: Fault[] = [];
  for (const [key, settings] of Object.entries({ parquet, aggregate })) {
    if (settings === undefined || format === "avro") continue;
    faults.push([[key], `needs records with a schema, and client ${name} is ${format}. Take it away, or write Avro`]);
  }
  if (aggregate && topics.topics !== undefined) {
    const message =
      "would write <topic>-aggregated, which the client's own list of topics leaves out. Name a namespace or components";
    faults.push([["aggregate"], message]);
  }
  return faults;
}

const plain = ({ topics: { from: _, ...selector } }: Client) => selector;

const hours = (seconds: number) =>
  seconds % 86_400 === 0 ? `${seconds / 86_400} d` : `${+(seconds / 3600).toFixed(2)} h`;

/** What clients want of an InfluxDB that its edition cannot do, and buckets that it has not. */
function influxdbFaults(clients: readonly Client[], { edition, mayShortenRetention }: InfluxdbConfig): Fault[] {
  const faults: Fault[] = [];
  const tasks = `is made by tasks of InfluxDB 2; the environment has edition ${edition}. Take it away in this environment's client`;
  for (const { name, downsample, deadman } of edition === "2" ? [] : clients) {
    if (downsample.length > 0) faults.push([["clients", name, "downsample"], tasks]);
    if (deadman !== undefined) faults.push([["clients", name, "deadman"], tasks]);
  }
  const buckets = clients.flatMap(({ bucket, downsample }) => [
    bucket,
    ...downsample.map(({ every }) => ladderBucket(bucket, every)),
  ]);
  for (const name of mayShortenRetention.filter((one) => !buckets.includes(one)))
    faults.push([["influxdb", "mayShortenRetention"], `names ${name}, no bucket here. ${nearestOf(name, buckets)}`]);
  return faults;
}

/** One client, one bucket. */
function bucketFaults(clients: readonly Client[]): Fault[] {
  const faults: Fault[] = [];
  const owners = new Map<string, string>();
  for (const client of clients) {
    const ladder = client.downsample.map(({ every }, index): [string[], string] => [
      ["downsample", String(index)],
      ladderBucket(client.bucket, every),
    ]);
    for (const [path, bucket] of [[["bucket"], client.bucket] as [string[], string], ...ladder]) {
      const owner = owners.get(bucket);
      if (owner === undefined) owners.set(bucket, client.name);
      else {
        const message = `is ${bucket}, the bucket of client ${owner}: a bucket has one client. Name another`;
        faults.push([["clients", client.name, ...path], message]);
      }
    }
  }
  return faults;
}

/** Bucket of the windows of a length, e.g. `efd_1m`. */
export function ladderBucket(bucket: string, every: string): string {
  return `${bucket}_${every}`;
}

/** One topic, one connector. */
function overlapFaults(clients: readonly Client[]): Fault[] {
  const faults: Fault[] = [];
  const all = clients.flatMap((client) => client.connectors.map((connector) => ({ client, connector })));
  all.forEach((one, index) => {
    for (const earlier of all.slice(0, index)) {
      const topic = commonTopic(one.connector.selector, earlier.connector.selector);
      if (topic === undefined) continue;
      const other = pathOf(earlier.client, earlier.connector).join(".");
      const message = `takes topics such as ${topic}, as ${other} does: they would be stored twice. Narrow one of them`;
      faults.push([pathOf(one.client, one.connector), message]);
    }
  });
  return faults;
}

const pathOf = (client: Client, { part }: Connector) => [
  "clients",
  client.name,
  ...(part === undefined ? [] : ["connectors", part]),
];

function nameFaults(clients: readonly Client[], hasStandby: boolean): Fault[] {
  const faults: Fault[] = [];
  const longest = maxConnectorName - (hasStandby ? "-standby".length : 0);
  const taken = new Map<string, string>();
  for (const client of clients) {
    for (const connector of client.connectors) {
      const path = pathOf(client, connector);
      const { name } = connector;
      if (name.length > longest) faults.push([path, `makes the name ${name}, longer than ${longest}. Shorten it`]);
      const other = taken.get(name);
      if (other !== undefined)
        faults.push([path, `makes the name ${name}, as ${other} does. Name one of them otherwise`]);
      taken.set(name, path.join("."));
    }
  }
  return faults;
}

/** A Kafka user has one specification. */
function userFaults(clients: readonly Client[], environment: SasquatchEnvironment): Fault[] {
  const faults: Fault[] = [];
  const connectorUsers = new Set(clients.map(kafkaUserOf));
  const check = (path: string[], user: string) => {
    if (connectorUsers.has(user))
      faults.push([path, `is ${user}, the user of the connectors of a client. Choose another`]);
    else if (ownUsers.includes(user) || user.startsWith("schema-registry-"))
      faults.push([path, `is ${user}, a user that the environment has for itself, with other rights. Choose another`]);
  };
  for (const user of Object.keys(environment.users)) {
    check(["users", user], user);
    if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(user))
      faults.push([
        ["users", user],
        "is no name for a Kafka user (RFC 1123): use a-z, 0-9, - and ., a letter or digit at the ends",
      ]);
  }
  for (const client of clients) {
    for (const key of ["writers", "consumers"] as const)
      for (const user of client[key]) check(["clients", client.name, key], user);
  }
  return faults;
}

/** Kafka user of a client's connectors. */
export function kafkaUserOf({ name }: Pick<Client, "name">): string {
  return `connector-${name.replaceAll(".", "-")}`;
}

function mirrorFaults(
  name: string,
  environment: SasquatchEnvironment,
  environments: Record<string, SasquatchEnvironment>,
): Fault[] {
  const faults: Fault[] = [];
  const known = [...new Set([...environmentNames, ...Object.keys(environments)])];
  for (const [alias, mirror] of Object.entries(environment.mirrors)) {
    const fault = (path: string[], message: string) => faults.push([["mirrors", alias, ...path], message]);
    if (alias === name) fault([], "is this environment itself: its topics are here already. Take it away");
    else if (!known.includes(alias)) {
      fault([], `is no name of an environment, and aliases are names of environments. ${nearestOf(alias, known)}`);
    }
    if (!mirror.schemas) {
      const avro = Object.entries(environment.clients).find(
        ([, { from, format }]) => from === alias && format !== "json",
      );
      if (avro) fault(["schemas"], `is false, but client ${avro[0]} needs the schemas of ${alias}. Take it away`);
    }
    mirror.topics.forEach(({ namespace }, index) => {
      const origin = known.find((one) => namespace === one || namespace.startsWith(`${one}.`));
      if (origin !== undefined) {
        const message = `is ${namespace}: what ${alias} has mirrored from ${origin} itself. Mirror it from ${origin}`;
        fault(["topics", String(index), "namespace"], message);
      }
    });
    const others = Object.entries(environments).filter(([other, { mirrors }]) => other !== name && mirrors[alias]);
    if (mirror.offsetSyncs === "source" && others.length > 0) {
      const targets = others.map(([other]) => other).join(", ");
      fault(
        ["offsetSyncs"],
        `is source, but ${targets} mirrors ${alias} too: both would write one topic there. Take target`,
      );
    }
  }
  return faults;
}
