import { type Client, kafkaUserOf, type SasquatchEnvironment } from "../../config";
import { namePrefix, type TopicSelector } from "../../../workloads/src/lib/topicSelector";
import { schemasTopic } from "./names";
import { type Acl, mergedAcls } from "../../kafka/acls";
import type { ConnectorPlan, LongTermPlan, UserPlan } from "./model";

const reads = ["Describe", "Read"];
/** A mirror makes topics like those that it reads, so it asks how they are configured. */
const mirrorReads = ["Describe", "DescribeConfigs", "Read"];
/** Where consumer groups are, so that they can go on at the other site. */
const everyGroup: Acl = {
  resource: { type: "group", name: "*", patternType: "literal" },
  operations: ["Describe"],
};
const writes = ["Create", "Describe", "Write"];

/** Kafka users with the least that each needs: those of connectors, of clients and of the environment's own list. */
export function usersOf(
  clients: readonly Client[],
  environment: SasquatchEnvironment,
  { connectors, longTerm }: { connectors: readonly ConnectorPlan[]; longTerm: readonly LongTermPlan[] },
): UserPlan[] {
  const acls = new Map<string, Acl[]>();
  const grant = (user: string, more: readonly Acl[]) => acls.set(user, [...(acls.get(user) ?? []), ...more]);
  for (const client of clients) {
    const user = kafkaUserOf(client);
    for (const reader of [...connectors, ...longTerm].filter((one) => one.client === client.name)) {
      grant(user, topicAcls(reader.selector, reads));
      grant(user, [groupAcl(reader.consumerGroup, "literal"), topicAcl(reader.deadLetterTopic, "literal", writes)]);
    }
    if (client.aggregate) {
      const { from: _, ...here } = client.topics; // aggregated topics of a mirrored client are of this cluster
      grant(user, topicAcls(here, writes));
    }
    for (const writer of client.writers) if (client.from === undefined) grant(writer, topicAcls(client.topics, writes));
    for (const consumer of client.consumers)
      grant(consumer, [...topicAcls(client.topics, reads), groupAcl(consumer, "prefix")]);
  }
  for (const [name, { reads: read, writes: written, groups, mirrors }] of Object.entries(environment.users)) {
    for (const selector of read) grant(name, topicAcls(selector, mirrors ? mirrorReads : reads));
    if (mirrors) grant(name, [topicAcl(schemasTopic, "literal", mirrorReads), everyGroup]);
    for (const selector of written) grant(name, topicAcls(selector, writes));
    if (read.length > 0 || groups.length > 0)
      grant(
        name,
        (groups.length > 0 ? groups : [name]).map((group) => groupAcl(group, "prefix")),
      );
  }
  const ours = new Set(clients.map(kafkaUserOf));
  return [...acls].map(([name, all]) => {
    // Pods mount the certificate that Strimzi makes; who is outside the cluster has a password.
    const authentication = ours.has(name) ? "tls" : (environment.users[name]?.authentication ?? "scram-sha-512");
    const passwordField = authentication === "scram-sha-512" ? { passwordField: `${name}-password` } : {};
    return { name, authentication, acls: mergedAcls(all), ...passwordField };
  });
}

const groupAcl = (name: string, patternType: "literal" | "prefix"): Acl => ({
  resource: { type: "group", name, patternType },
  operations: ["Describe", "Read"],
});

const topicAcl = (name: string, patternType: "literal" | "prefix", operations: readonly string[]): Acl => ({
  resource: { type: "topic", name, patternType },
  operations,
});

/** Kafka's rights know whole names and beginnings of names: kinds and exceptions widen to what begins alike. */
function topicAcls(selector: TopicSelector, operations: readonly string[]): Acl[] {
  const prefix = namePrefix(selector);
  const { components, kinds, topics } = selector;
  if (topics !== undefined && (components !== undefined || kinds === undefined)) {
    const names = components?.flatMap((component) => topics.map((name) => `${component}.${name}`)) ?? topics;
    return names.map((name) => topicAcl(prefix + name, "literal", operations));
  }
  return (components?.map((component) => `${prefix}${component}.`) ?? [prefix]).map((name) =>
    topicAcl(name, "prefix", operations),
  );
}
