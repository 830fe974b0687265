import { loadStackConfig, type StackConfigError } from "../../components/config";
import { topicAttributes, topicFaults } from "../../components/ceph";
import { type RecordedStack, recordStack } from "../../local/record";
import { recorded } from "../support/recorded";
import { envOf, Objects } from "./objects";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, looked into field by field */

const environmentOf: Readonly<Record<string, string>> = {
  dev: "usdfdev-prompt-processing",
  prod: "usdfprod-prompt-processing",
};

/** Objects of one namespace of the environment; Sasquatch has clusters of the same name elsewhere. */
async function objectsOf(stack: string, namespace: string): Promise<Objects> {
  const { resources, ...rest } = await recorded(stack);
  const own = resources.filter(({ name }) => name.startsWith(`prompt-${environmentOf[stack]}`));
  return new Objects({ ...rest, resources: own } as RecordedStack, namespace);
}

/** What the clusters have today: addresses, sizes and listeners as they are in Phalanx. */
const clusters = [
  {
    ...{ stack: "dev", namespace: "s3-file-notifications", size: "100Gi", controllers: [0, 1, 2], brokers: [3, 4, 5] },
    ...{ addresses: ["172.24.10.50", "172.24.10.51", "172.24.10.52", "172.24.10.53"], listener: "open" },
    ...{ cpu: ["2", "4"], memory: ["4Gi", "8Gi"], retentionMinutes: 10080, offsetsMinutes: 10080 },
    topics: { "prompt-processing-dev-20260114": [10, 604_800_000, undefined] },
  },
  {
    ...{
      stack: "prod",
      namespace: "s3-file-notifications",
      size: "1000Gi",
      controllers: [0, 1, 2],
      brokers: [3, 4, 5],
    },
    ...{ addresses: ["172.24.10.54", "172.24.10.55", "172.24.10.56", "172.24.10.57"], listener: "open" },
    ...{ cpu: ["2", "4"], memory: ["4Gi", "8Gi"], retentionMinutes: 10080, offsetsMinutes: 10080 },
    topics: { "rubin-summit-notification-8": [200, 86_400_000, undefined] },
  },
  {
    ...{ stack: "dev", namespace: "prompt-kafka", size: "100Gi", controllers: [0, 1, 2], brokers: [3, 4, 5] },
    ...{ addresses: ["172.24.10.42", "172.24.10.43", "172.24.10.44", "172.24.10.84"], listener: "tls" },
    ...{ cpu: ["4", "8"], memory: ["32Gi", "64Gi"], retentionMinutes: 2880, offsetsMinutes: 43200 },
    topics: {
      "butler-writer": [1, 1_209_600_000, undefined],
      "butler-writer-ingestion-events": [1, 1_209_600_000, undefined],
    },
  },
  {
    ...{ stack: "prod", namespace: "prompt-kafka", size: "100Gi", controllers: [0, 1, 2], brokers: [3, 4, 5] },
    ...{ addresses: ["172.24.10.85", "172.24.10.86", "172.24.10.87", "172.24.10.88"], listener: "tls" },
    ...{ cpu: ["4", "8"], memory: ["32Gi", "64Gi"], retentionMinutes: 2880, offsetsMinutes: 43200 },
    topics: { "butler-writer": [1, 1_209_600_000, undefined], "butler-writer-ingestion-events": [1, -1, undefined] },
  },
  {
    ...{ stack: "dev", namespace: "sasquatch", size: "35Ti", controllers: [0, 1, 2], brokers: [3, 4, 5, 6, 7] },
    addresses: ["199", "201", "203", "204", "205", "206"].map((last) => `134.79.23.${last}`),
    listener: "password",
    ...{ cpu: ["8", "8"], memory: ["32Gi", "32Gi"], retentionMinutes: 10080, offsetsMinutes: 10080 },
    topics: {
      "alert-stream-test": [400, 2_629_740_000, 300_000_000_000],
      "alerts-simulated": [45, 2_629_740_000, 300_000_000_000],
      "lsst-alerts-v11": [45, 2_629_740_000, 300_000_000_000],
    },
  },
  {
    ...{ stack: "prod", namespace: "sasquatch", size: "35Ti", controllers: [0, 1, 2, 8, 9], brokers: [3, 4, 5, 6, 7] },
    addresses: ["209", "210", "211", "212", "213", "215"].map((last) => `134.79.23.${last}`),
    listener: "password",
    ...{ cpu: ["8", "8"], memory: ["32Gi", "32Gi"], retentionMinutes: 10080, offsetsMinutes: 10080 },
    topics: {
      "alerts-simulated": [45, 2_629_740_000, 300_000_000_000],
      "lsst-alerts-v11": [45, 2_629_740_000, 300_000_000_000],
    },
  },
] as const;

describe.each(clusters)("$stack $namespace", (row) => {
  let objects: Objects;
  beforeAll(async () => {
    objects = await objectsOf(row.stack, row.namespace);
  });

  it("has the nodes, volumes and settings of today", () => {
    const [controllers, brokers] = ["controller", "kafka"].map((name) => objects.find("KafkaNodePool", name));
    expect(JSON.parse(controllers.metadata.annotations["strimzi.io/next-node-ids"])).toEqual(row.controllers);
    expect(JSON.parse(brokers.metadata.annotations["strimzi.io/next-node-ids"])).toEqual(row.brokers);
    const { requests, limits } = brokers.spec.resources;
    expect([requests.cpu, limits.cpu]).toEqual(row.cpu);
    expect([requests.memory, limits.memory]).toEqual(row.memory);
    expect(brokers.spec.storage.volumes[0]).toMatchObject({ size: row.size, class: "wekafs--sdf-k8s01", deleteClaim: false }); // prettier-ignore
    const { config, version } = objects.find("Kafka", row.namespace).spec.kafka;
    expect(version).toBe("4.1.0"); // the oldest that the operator of today runs
    expect(config).toMatchObject({
      "default.replication.factor": 3,
      "min.insync.replicas": 2,
      "log.retention.minutes": row.retentionMinutes,
      "offsets.retention.minutes": row.offsetsMinutes,
      "message.max.bytes": 10_485_760,
      "auto.create.topics.enable": false,
    });
    expect(Object.keys(config).filter((key) => /retention\.(hours|bytes)/.test(key))).toEqual([]); // one unit
  });

  it("shows its listener to the allow list only, as safe as its clients can", () => {
    const { listeners, authorization } = objects.find("Kafka", row.namespace).spec.kafka;
    const external = listeners.find(({ name }: { name: string }) => name === "external");
    const { bootstrap, brokers, loadBalancerSourceRanges } = external.configuration;
    expect([bootstrap, ...brokers].map(({ loadBalancerIP }) => loadBalancerIP)).toEqual(row.addresses);
    expect(loadBalancerSourceRanges.length).toBeGreaterThan(0);
    const scram = { type: "scram-sha-512" };
    const expected = { open: [false, undefined], password: [false, scram], tls: [true, scram] }[row.listener];
    expect([external.tls, external.authentication]).toEqual(expected);
    expect(authorization?.type).toBe(row.listener === "open" ? undefined : "simple");
    for (const { name, networkPolicyPeers } of listeners)
      if (name !== "external") expect(networkPolicyPeers.length).toBeGreaterThan(0);
  });

  it("declares each topic with its partitions and retention", () => {
    const found = objects.names("KafkaTopic").map((name) => {
      const { partitions, replicas, config } = objects.find("KafkaTopic", name).spec;
      expect(replicas).toBe(3);
      return [name, [partitions, config["retention.ms"], config["retention.bytes"]]];
    });
    expect(Object.fromEntries(found)).toEqual(row.topics);
  });

  it("gives no user all groups or all operations", () => {
    for (const name of objects.names("KafkaUser")) {
      for (const { resource, operations } of objects.find("KafkaUser", name).spec.authorization?.acls ?? []) {
        expect(resource.name).not.toBe("*");
        expect(operations).not.toContain("All");
      }
    }
  });
});

const rightsOf = (objects: Objects, user: string): string[] =>
  (objects.find("KafkaUser", user).spec.authorization?.acls ?? []).map(
    ({ resource, operations }: any) =>
      `${resource.type} ${resource.name}${resource.patternType === "prefix" ? "*" : ""}: ${operations.join(" ")}`,
  );

describe("users", () => {
  it("of outputs: workers only write, the writer reads those and tells of what it took, publication only reads", async () => {
    const objects = await objectsOf("prod", "prompt-kafka");
    expect(rightsOf(objects, "butler-writer")).toEqual(["topic butler-writer: Describe Write"]);
    expect(rightsOf(objects, "butler-writer-service")).toEqual([
      "topic butler-writer: Describe Read",
      "topic butler-writer-ingestion-events: Describe Write",
      "group butler-writer*: Describe Read",
      "transactionalId butler-writer-output: Describe Write",
    ]);
    expect(rightsOf(objects, "prompt-publication-consumer")).toEqual([
      "topic butler-writer-ingestion-events: Describe Read",
      "group prompt-publication*: Describe Read",
    ]);
    expect(objects.find("KafkaUser", "butler-writer").spec.authentication.password.valueFrom.secretKeyRef).toEqual({
      name: "prompt-kafka-users",
      key: "butler-writer-password",
    });
  });

  it("of alerts: pipelines write, brokers read what is theirs, in groups of their own name", async () => {
    const objects = await objectsOf("dev", "sasquatch");
    expect(rightsOf(objects, "prompt-alert")).toEqual([
      "topic alert-stream-test: Describe Write",
      "topic alerts-simulated: Describe Write",
      "topic lsst-alerts-v11: Describe Write",
    ]);
    const brokers = ["alerce", "ampel", "antares", "babamul", "fink", "lasair", "pittgoogle", "poi", "snaps"];
    for (const broker of brokers)
      expect(rightsOf(objects, `${broker}-usdf`)).toEqual([
        "topic alerts-simulated: Describe Read",
        "topic lsst-alerts-v11: Describe Read",
        `group ${broker}-usdf*: Describe Read`,
      ]);
    expect(rightsOf(objects, "rubin-devel-idfint")).toHaveLength(4); // every topic, and its own groups
    expect(objects.names("KafkaUser").sort()).toEqual(
      [
        ...brokers.map((one) => `${one}-usdf`),
        "alert-test",
        "kafka-admin",
        "prompt-alert",
        "rubin-devel-idfint",
      ].sort(),
    );
  });
});

describe("services around the outputs", () => {
  it("the writer speaks to its topics as its user, with files that nobody else reads", async () => {
    const objects = await objectsOf("prod", "butler-writer-service");
    const writer = objects.find("StatefulSet", "butler-writer-service");
    expect(envOf(writer)).toMatchObject({
      BUTLER_REPOSITORY: "s3://embargo@rubin-summit-users/",
      KAFKA_CLUSTER: "prompt-kafka-kafka-bootstrap.prompt-kafka:9092",
      KAFKA_TOPIC: "butler-writer",
      OUTPUT_TOPIC: "butler-writer-ingestion-events",
      KAFKA_USERNAME: "butler-writer-service",
      KAFKA_PASSWORD: "secret/kafka-user/butler-writer-service-password",
      LSST_DB_AUTH: "/app/lsst-credentials/db-auth.yaml",
    });
    expect(writer.spec.replicas).toBe(1);
    expect(writer.spec.template.spec.initContainers[0].command[2]).toContain("chmod 0400");
  });

  it("publication runs by day only: KEDA says how many pods there are", async () => {
    const objects = await objectsOf("prod", "prompt-pub");
    expect(objects.find("StatefulSet", "prompt-pub").spec.replicas).toBeUndefined();
    const { minReplicaCount, triggers, scaleTargetRef } = objects.find("ScaledObject", "prompt-pub").spec;
    expect([minReplicaCount, scaleTargetRef.name]).toEqual([0, "prompt-pub"]);
    expect(triggers[0].metadata).toEqual({ timezone: "Etc/UTC", start: "0 12 * * *", end: "30 21 * * *", desiredReplicas: "1" }); // prettier-ignore
    await expect(objectsOf("dev", "prompt-pub").then(({ all }) => all)).resolves.toEqual([]);
  });
});

describe("file notifications", () => {
  const notifications = {
    cluster: { external: { bootstrap: { host: "kafka.example.org" } } },
    allow: ["192.0.2.0/24"],
    topics: { raws: { partitions: 4, retentionSeconds: 3600 } },
    users: { enqueue: { reads: ["raws"] } },
    gatewayCaLocation: "/etc/ceph/kafka.pem",
  };
  const stackWith = async (fileNotifications: object, rgw = "https://rgw.example.org") => {
    const fanOut = { kafka: "h:1", registryUrl: "http://r:1" };
    const environment = { kubeContext: "c", host: "h", secrets: { prefix: "secret/p" }, fanOut, services: {} };
    const topics = { raws: { to: { prompt: "e" }, persistent: false } };
    return {
      "usdf:prompt": { environments: { e: { ...environment, fileNotifications } } },
      "usdf:ceph": { endpoints: { g: { url: rgw, topics } } },
    };
  };

  it("are pushed by gateways that log in over TLS, unless a reason says otherwise", async () => {
    const { resources } = await recordStack("x", { config: { config: await stackWith(notifications) } });
    const topic = resources.find(({ type }) => type.endsWith("NotificationTopic"))!;
    expect(topic.inputs).toMatchObject({
      useSsl: true,
      caLocation: "/etc/ceph/kafka.pem",
      saslMechanism: "SCRAM-SHA-512",
      pushEndpoint: "kafka://kafka.example.org:9094",
      kafkaUser: "rgw",
      kafkaPassword: "[secret secret/p/s3-file-notifications#rgw-password]",
    });
    expect(topic.secrets).toContainEqual(["kafkaPassword"]);
    const users = resources.filter(({ type }) => type.endsWith(":KafkaUser")).map(({ inputs }) => inputs as any);
    const acls = Object.fromEntries(users.map(({ metadata, spec }) => [metadata.name, spec.authorization?.acls]));
    expect(acls).toEqual({
      "kafka-admin": undefined,
      enqueue: [
        { resource: { type: "topic", name: "raws", patternType: "literal" }, operations: ["Describe", "Read"] },
        { resource: { type: "group", name: "enqueue", patternType: "prefix" }, operations: ["Describe", "Read"] },
      ],
      rgw: [{ resource: { type: "topic", name: "raws", patternType: "literal" }, operations: ["Describe", "Write"] }],
      "notification-router": [
        { resource: { type: "topic", name: "raws", patternType: "literal" }, operations: ["Describe", "Read"] },
        { resource: { type: "group", name: "notification-router", patternType: "prefix" }, operations: ["Describe", "Read"] }, // prettier-ignore
      ],
    });
  });

  it("of dev and prod are pushed where they are pushed today", async () => {
    for (const [stack, topic, endpoint] of [
      ["dev", "prompt-processing-dev-20260114", "kafka://172.24.10.50:9094"],
      ["prod", "rubin-summit-notification-8", "kafka://172.24.10.54:9094"],
    ] as const) {
      const { resources } = await recorded(stack);
      const { inputs } = resources.find(({ type, inputs: one }) => type.endsWith("NotificationTopic") && one.name === topic)!; // prettier-ignore
      expect(inputs.pushEndpoint).toBe(endpoint);
      expect(inputs.saslMechanism).toBeUndefined();
    }
  });

  it("login is what Ceph's CreateTopic takes, over https only", () => {
    const topic = {
      name: "raws",
      pushEndpoint: "kafka://h:9094",
      useSsl: true,
      saslMechanism: "SCRAM-SHA-512",
      kafkaUser: "rgw",
      kafkaPassword: "p@w",
    };
    expect(topicAttributes(topic)).toEqual({
      "push-endpoint": "kafka://rgw:p%40w@h:9094",
      OpaqueData: "",
      persistent: "true",
      "use-ssl": "true",
      mechanism: "SCRAM-SHA-512",
    });
    expect(topicFaults({ rgw: { url: "https://rgw" }, ...topic })).toEqual([]);
    expect(topicFaults({ rgw: { url: "http://rgw" }, ...topic }).map(({ property }) => property)).toEqual([
      "pushEndpoint",
    ]);
  });

  const at = "usdf:prompt.environments.e.fileNotifications";
  it.each([
    ["a reader of another topic", { users: { a: { reads: ["b"] } } }, `${at}.users.a.reads has "b", no topic of this cluster (raws).`], // prettier-ignore
    ["the gateways' user twice", { users: { rgw: {} } }, `${at}.users.rgw is what gatewayUser declares by itself. Leave it out.`], // prettier-ignore
    ["a listener for everyone", { allow: [] }, `${at}.allow is empty: name the networks that reach the external listener, or leave that out.`], // prettier-ignore
    ["a listener without TLS and reason", { cluster: { external: { exception: { reason: "so" } } } }, `${at}.cluster.external.exception.reason is "so": it must be at least 20.`], // prettier-ignore
    ["retention in another unit", { topics: { raws: { millisecondsRetained: 1 } } }, `${at}.topics.raws.millisecondsRetained is unknown. Known: partitions, retentionSeconds, retentionBytesPerPartition.`], // prettier-ignore
    ["a topic of Ceph that nobody has", { topics: { other: {} }, users: {} }, 'usdf:ceph.endpoints.g.topics.raws.to.prompt is "e", whose fileNotifications have topics other; add raws there.'], // prettier-ignore
  ])("refuse %s", async (_what, change, fault) => {
    const config = await stackWith({ ...notifications, ...change });
    const load = () => loadStackConfig({ prompt: config["usdf:prompt"], ceph: config["usdf:ceph"] });
    expect(load).toThrow();
    try {
      load();
    } catch (error) {
      expect((error as StackConfigError).faults).toEqual([fault]);
    }
  });
});
