import * as pulumi from "@pulumi/pulumi";
import { type Acl, kafkaUser, mergedAcls } from "../kafka";
import { clusterName, type Environment, homeOf, secretKey } from "./environment";
import { mirrorUserName } from "./mirrors";
import type { ConnectorPlan, LongTermPlan, Plan, UserPlan } from "./plan";

/** Kafka users of an environment with exactly the rights that they use. */
export class KafkaUsers extends pulumi.ComponentResource {
  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-users`;
    super("usdf:sasquatch:KafkaUsers", name, {}, opts);
    const home = homeOf(environment);
    for (const user of kafkaUsers(environment)) {
      const password = user.passwordField === undefined ? undefined : secretKey(user.passwordField);
      kafkaUser(home, user, password, this);
    }
    this.registerOutputs();
  }
}

/** Every Kafka user of an environment: those of its clients, and those of what stands around Kafka; each once. */
export function kafkaUsers({ settings, plan }: Pick<Environment, "settings" | "plan">): UserPlan[] {
  const users = new Map<string, UserPlan>();
  for (const user of [...plan.users, ...serviceUsers(settings, plan)]) {
    const known = users.get(user.name);
    users.set(
      user.name,
      known === undefined ? user : { ...known, ...user, acls: mergedAcls([...known.acls, ...user.acls]) },
    );
  }
  return [...users.values()];
}

/** Users of the parts around Kafka. */
function serviceUsers(settings: Environment["settings"], plan: Plan): UserPlan[] {
  const users: UserPlan[] = [
    { name: "kafka-admin", authentication: "tls", acls: [] },
    registryUser("schema-registry", "registry-schemas", ["Read", "Write", "Describe", "DescribeConfigs", "Create"]),
  ];
  for (const { from } of plan.mirrors.filter(({ schemas }) => schemas)) {
    // It may not make the topic, which the mirror does; it writes a no-op there to learn where the topic ends.
    const topic = `${from}.registry-schemas`;
    users.push(registryUser(`schema-registry-${from}`, topic, ["Read", "Write", "Describe", "DescribeConfigs"]));
  }
  if (plan.mirrors.length > 0) users.push(mirrorUser(plan));
  if (needsConnect(plan))
    users.push({ name: connectUser, authentication: "tls", acls: workerAcls(`${clusterName}-connect`) });
  // What these write follows from the clients that name them as writers.
  const readsGroups: Acl = { resource: { type: "group", name: "rest-", patternType: "prefix" }, operations: ["Read"] };
  const made = { passwordField: undefined }; // by Strimzi, for the one pod that uses it
  if (settings.rest !== undefined)
    users.push({ name: "rest-proxy", authentication: "scram-sha-512", acls: [readsGroups], ...made });
  if (settings.bridge !== undefined) users.push({ name: "bridge", authentication: "tls", acls: [], ...made });
  return users;
}

/** Whether something runs in Kafka Connect, and not in pods of its own. */
export function usesConnect(plan: ConnectorPlan | LongTermPlan): boolean {
  if ("sink" in plan) return plan.sink === "influxdb-sink";
  return plan.kind === "jdbc" || (plan.kind === "parquet" && plan.settings.sink === "s3-sink");
}

/** Whether an environment has anything that runs in Kafka Connect. */
export const needsConnect = ({ connectors, longTerm }: Plan): boolean => [...connectors, ...longTerm].some(usesConnect);

export const connectUser = `${clusterName}-connect`;

const topic = (name: string, operations: readonly string[], patternType: "literal" | "prefix" = "literal"): Acl => ({
  resource: { type: "topic", name, patternType },
  operations,
});

const transactions = (name: string, patternType: "literal" | "prefix"): Acl => ({
  resource: { type: "transactionalId", name, patternType },
  operations: ["Describe", "Write"],
});

function registryUser(name: string, schemasTopic: string, operations: readonly string[]): UserPlan {
  return {
    name,
    authentication: "scram-sha-512",
    acls: [
      topic(schemasTopic, operations),
      { resource: { type: "group", name, patternType: "prefix" }, operations: ["Read", "Describe"] },
    ],
  };
}

/** What the workers of a Connect cluster need for themselves: their group and their three topics. */
function workerAcls(groupId: string): Acl[] {
  return [
    { resource: { type: "group", name: groupId, patternType: "literal" }, operations: ["Read", "Describe"] },
    topic(`${groupId}-`, ["Read", "Write", "Create", "Describe", "DescribeConfigs"], "prefix"),
  ];
}

/**
 * What mirrors need here, at the target: to make and write topics with the source's prefix, to keep their place, and to
 * move the offsets of the groups that follow those topics. At the source their user only reads and describes.
 */
function mirrorUser(plan: Plan): UserPlan {
  const operations = ["Read", "Write", "Create", "Describe", "DescribeConfigs", "Alter", "AlterConfigs"];
  const acls = plan.mirrors.flatMap(({ from, to }): Acl[] => [
    topic(`${from}.`, operations, "prefix"),
    topic(`mm2-offset-syncs.${to}.internal`, operations),
    topic(`mm2-offset-syncs.${from}.internal`, operations),
  ]);
  return {
    name: mirrorUserName,
    authentication: "tls",
    acls: mergedAcls([
      ...workerAcls(mirrorUserName),
      ...acls,
      // Transactions of the worker that leads, and of each task.
      transactions(`connect-cluster-${mirrorUserName}`, "literal"),
      transactions(`${mirrorUserName}-`, "prefix"),
      // Offsets of groups that may be any client's: read to see whether a group is live here, written where it is not.
      { resource: { type: "group", name: "*", patternType: "literal" }, operations: ["Read", "Describe"] },
      { resource: { type: "cluster" }, operations: ["Describe"] },
    ]),
  };
}
