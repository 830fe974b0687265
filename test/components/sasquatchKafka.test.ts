import { loadStackConfig, type SasquatchConfig, type StackConfigError } from "../../components/config";
import { kafkaTopics, kafkaUsers } from "../../components/sasquatch";
import { planOf } from "../../components/sasquatch/plan";
import { stackConfig } from "../../local/stackConfig";

const place = { kubeContext: "c", host: "h.example.org", secrets: { path: "secret/e" } };

/** Faults of an environment `e`, each without what it begins with. */
function faultsOf(environment: Record<string, unknown>): string[] {
  try {
    loadStackConfig({ sasquatch: { environments: { e: { ...place, ...environment } } } });
    return [];
  } catch (error) {
    return (error as StackConfigError).faults.map((fault) => fault.replace("usdf:sasquatch.environments.e.", ""));
  }
}

describe("mistakes that went unnoticed in untyped values are refused", () => {
  const hosts = { bootstrap: { host: "b.example.org", address: "192.0.2.1" } };
  it.each([
    [
      "1-3 a key that no template reads",
      { kafka: { millisecondsRetained: 1 } },
      /^kafka\.millisecondsRetained is unknown\./,
    ],
    [
      "4 a pool whose ids are misspelt",
      { kafka: { brokers: { next: { nodeIDs: [6] } } } },
      /^kafka\.brokers\.next\.nodeIDs is unknown\./,
    ],
    [
      "4 brokers that leave and are none",
      { kafka: { leaving: [9], cruiseControl: true } },
      /^kafka\.leaving has 9, no broker \(0, 1, 2\)\.$/,
    ],
    [
      "4 brokers that leave, and nothing that moves their data",
      { kafka: { leaving: [0], replication: 2 } },
      /^kafka\.leaving needs cruiseControl: it is what moves the data\.$/,
    ],
    ["5 options at another level", { jvmOptions: {} }, /^jvmOptions is unknown\./],
    [
      "6 more copies than brokers",
      { kafka: { brokers: { kafka: { ids: [0] } } } },
      /^kafka\.replication is 3, more copies than brokers that stay \(1\)\.$/,
    ],
    [
      "6 one id for several nodes",
      { kafka: { controllers: { ids: [2, 3] } } },
      /^kafka\.brokers\.kafka\.ids has 2, which controllers has too\.$/,
    ],
    [
      "7 a setting that has its place elsewhere",
      { kafka: { config: { "min.insync.replicas": 1 } } },
      /^kafka\.config\["min\.insync\.replicas"\] is set elsewhere\. Set replication instead\.$/,
    ],
    ["8 a switch by another name", { "schema-registry": { enabled: false } }, /^schema-registry is unknown\./],
    [
      "9 a host that is null",
      { kafka: { external: { brokers: { "0": { host: null } } } } },
      /kafka\.external\.brokers\.0\.host is null: it must be a string\.$/,
    ],
    [
      "9 a setting that single brokers do not have",
      { kafka: { external: { brokers: { "0": { allocateLoadBalancerNodePorts: false } } } } },
      /allocateLoadBalancerNodePorts is unknown\./,
    ],
    [
      "13 a mirror without alias",
      { mirrors: { "": { bootstrap: "h:1" } } },
      /^mirrors\[""\] is a name that is refused/,
    ],
    [
      "16 a Kafka that the operator does not run",
      { kafka: { version: "3.9.1" } },
      /^kafka\.version is 3\.9\.1, which operator 1\.2 does not run \(4\.2\.0, 4\.2\.1, 4\.3\.0, 4\.3\.1\)\.$/,
    ],
    [
      "16 a metadata version that was forgotten",
      { kafka: { metadataVersion: "3.8-IV0" } },
      /^kafka\.metadataVersion is 3\.8-IV0; with Kafka 4\.2\.1 it must be that version's or the one before\. Leave it out once the upgrade is done\.$/,
    ],
    [
      "25 schemas that may break every reader",
      { registry: { compatibility: "NONE" } },
      /NONE would let a producer break every reader/,
    ],
    [
      "26 a limit of each partition taken for one of the disk",
      { kafka: { config: { "log.retention.bytes": 322122547200 } } },
      /Set retentionMinutes \(bytes would be of each partition, and no limit of a disk\) instead\.$/,
    ],
    [
      "26 retention in two units",
      { kafka: { config: { "log.retention.hours": 30 } } },
      /Set retentionMinutes instead\.$/,
    ],
    ["28 a proxy for anyone", { rest: { anonymous: true } }, /^rest\.anonymous is unknown\./],
    [
      "28 passwords in plain text outside",
      { kafka: { external: { tls: false } } },
      /must be true: passwords and data leave the cluster here\.$/,
    ],
    [
      "30 an image that moves",
      { connect: { image: "example.org/connect:latest" } },
      /latest and names of branches move\.$/,
    ],
    [
      "33 a heap as large as its limit",
      { rest: { heapMi: 4096 } },
      /^rest\.heapMi is 4096, more than three quarters of the memory limit 4Gi\. Raise the limit or lower the heap\.$/,
    ],
    [
      "33 the same of brokers",
      { kafka: { brokers: { kafka: { heapMi: 8192 } } } },
      /^kafka\.brokers\.kafka\.heapMi is 8192, more than three quarters of the memory limit 8Gi\./,
    ],
    [
      "an address twice",
      {
        kafka: {
          external: {
            ...hosts,
            brokers: { "0": { address: "192.0.2.1" }, "1": { address: "192.0.2.2" }, "2": { address: "192.0.2.3" } },
          },
        },
      },
      /^kafka\.external\.brokers\.0\.address is 192\.0\.2\.1, which external\.bootstrap has too\.$/,
    ],
    [
      "addresses of the brokers of last year",
      { kafka: { external: { ...hosts, brokers: { "7": {} } } } },
      /brokers\.7 is no broker \(0, 1, 2\): the ids follow the pools\.\n.*leaves out 0, 1, 2: name every broker, or none\.$/,
    ],
    [
      "a public certificate without names",
      { kafka: { external: { issuer: "letsencrypt" } } },
      /^kafka\.external\.issuer needs a host of bootstrap, brokers: a public certificate is for names\.$/,
    ],
    [
      "a mirror that waits longer than a copy may be behind",
      { mirrors: { summit: { bootstrap: "h:1", requestTimeoutSeconds: 240 } } },
      /^mirrors\.summit\.requestTimeoutSeconds is 240, above kafka\.replicaLagTimeMaxSeconds \(120\)\./,
    ],
    [
      "offsets that go before their records",
      { kafka: { offsetsRetentionMinutes: 1440 } },
      /^kafka\.offsetsRetentionMinutes is 1440, below retentionMinutes \(4320\)/,
    ],
    [
      "a Kafka elsewhere without registry",
      { kafka: { kind: "external", brokerList: ["k:9092"] } },
      /^registry\.url is missing: with kafka\.kind external no registry is declared\.$/,
    ],
  ] as [string, Record<string, unknown>, RegExp][])("%s", (_about, environment, message) => {
    expect(faultsOf(environment).join("\n")).toMatch(message);
  });

  it("and what is right is taken", () => {
    const brokers = { "0": { host: "0.example.org" }, "1": { host: "1.example.org" }, "2": { host: "2.example.org" } };
    expect(
      faultsOf({ kafka: { metadataVersion: "4.1", external: { ...hosts, brokers, issuer: "letsencrypt" } } }),
    ).toEqual([]);
    expect(faultsOf({ mirrors: { summit: { bootstrap: "h:1" } }, rest: { heapMi: 3072 } })).toEqual([]);
  });
});

describe.each(["prod", "dev", "ldf"])("Kafka users of stack %s", (stack) => {
  const sasquatch = stackConfig(stack).sasquatch as SasquatchConfig;
  const environments = Object.keys(sasquatch.environments).map((name) => {
    const settings = sasquatch.environments[name]!;
    const plan = planOf(name, sasquatch);
    return { name, plan, settings, users: kafkaUsers({ settings, plan }), topics: kafkaTopics({ settings, plan }) };
  });

  it.each(environments.map((one) => [one.name, one] as const))(
    "%s: nobody may do more than their part",
    (_name, { users, plan, topics }) => {
      const names = users.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length); // 12: one object a name
      const acls = users.flatMap(({ name, acls }) =>
        acls.map(({ resource, operations }) => ({ user: name, ...resource, operations })),
      );
      expect(acls.filter(({ operations }) => operations.includes("All"))).toEqual([]);
      const wide = acls.filter(({ name }) => name === "*" || name === "");
      // Mirrors look where every group is; nothing else is wide.
      expect(wide.filter(({ type }) => type !== "group")).toEqual([]);
      expect(wide.filter(({ operations }) => operations.some((one) => !["Describe", "Read"].includes(one)))).toEqual(
        [],
      );
      expect(
        [...new Set(wide.map(({ user }) => user))].filter((name) => !["sasquatch-mirror", "replicator"].includes(name)),
      ).toEqual([]);

      // A connector reads its client's topics and writes its dead letters, nothing else.
      for (const { kafkaUser, deadLetterTopic, consumerGroup } of plan.connectors) {
        const own = acls.filter(({ user }) => user === kafkaUser);
        const writes = own.filter(({ type, operations }) => type === "topic" && operations.includes("Write"));
        expect(writes.filter(({ name }) => !name!.startsWith("dead-letters."))).toEqual([]);
        expect(writes.some(({ name }) => name === deadLetterTopic)).toBe(true);
        expect(own.some(({ type, name }) => type === "group" && name === consumerGroup)).toBe(true);
      }
      // The replicator of another site reads and describes only.
      const replicated = acls.filter(({ user }) => user === "replicator").flatMap(({ operations }) => operations);
      expect(replicated.filter((one) => !["Read", "Describe", "DescribeConfigs"].includes(one))).toEqual([]);

      // Every dead-letter topic and the schemas are declared, once.
      const declared = topics.map(({ topicName }) => topicName);
      expect(new Set(declared).size).toBe(declared.length);
      expect(new Set(topics.map(({ objectName }) => objectName)).size).toBe(topics.length);
      for (const { deadLetterTopic } of [...plan.connectors, ...plan.longTerm])
        expect(declared).toContain(deadLetterTopic);
      expect(topics.find(({ topicName }) => topicName === "registry-schemas")?.config).toEqual({
        "cleanup.policy": "compact",
      });
    },
  );
});
