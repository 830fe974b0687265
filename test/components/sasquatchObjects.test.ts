import { salTopics } from "../../components/sasquatch/sal";
import { declarationOf } from "../../local/preview/declaration";
import { recordStack } from "../../local/record";
import { everything } from "../engine/stacks";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, looked into field by field */

/** Objects of an environment with each kind of sink, by kind and name. */
let objects: Map<string, any>;
const find = (kind: string, name: string) => {
  const found = objects.get(`${kind} ${name}`);
  if (!found) throw new Error(`no ${kind} ${name}; there are ${[...objects.keys()].join(", ")}`);
  return found;
};

beforeAll(async () => {
  const { objects: all } = declarationOf(
    await recordStack("engine", { config: { config: everything("http://rgw") } as any }),
  );
  const own = all.filter(({ system }) => system === "sasquatch").map(({ content }) => content as any);
  objects = new Map(own.map((one) => [`${one.kind} ${one.metadata.name}`, one]));
});

describe("Kafka", () => {
  it("lets in named namespaces and the allow list only, each listener by TLS or because it was asked for", () => {
    const { listeners, authorization, config } = find("Kafka", "sasquatch").spec.kafka;
    for (const { name, type, tls, authentication, networkPolicyPeers, configuration } of listeners) {
      expect([name, tls]).toEqual([name, name !== "plain"]);
      expect(authentication.type).toBe(name === "tls" ? "tls" : "scram-sha-512");
      if (type === "internal")
        expect(networkPolicyPeers).toEqual([
          { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "sasquatch" } } },
        ]);
      else expect(configuration.loadBalancerSourceRanges).toEqual(["192.0.2.0/24"]);
    }
    expect(authorization).toEqual({ type: "simple", superUsers: ["CN=kafka-admin"] });
    expect(config["replica.fetch.max.bytes"]).toBe(config["message.max.bytes"]);
    expect(Object.keys(config).filter((key) => /^log\.retention/.test(key))).toEqual(["log.retention.minutes"]);
  });

  it("has pools with the ids of the configuration, whose volumes stay", () => {
    const pools = ["controller", "kafka", "next"].map((name) => find("KafkaNodePool", name));
    expect(pools.map(({ metadata }) => metadata.annotations["strimzi.io/next-node-ids"])).toEqual([
      "[2]",
      "[0]",
      "[1]",
    ]);
    for (const { spec } of pools) {
      expect(spec.replicas).toBe(1);
      expect(spec.storage.volumes[0].deleteClaim).toBe(false);
    }
    expect(find("KafkaRebalance", "sasquatch-leave-0").spec).toEqual({ mode: "remove-brokers", brokers: [0] });
    expect(find("Certificate", "sasquatch-external-tls").spec.dnsNames).toEqual([
      "bootstrap.example.org",
      "zero.example.org",
      "one.example.org",
    ]);
  });
});

describe("mirrors", () => {
  it("carry what the brokers take, and never move the offsets of connectors", () => {
    const { mirrors, target } = find("KafkaMirrorMaker2", "sasquatch").spec;
    const [{ source, sourceConnector, groupsExcludePattern, topicsPattern }] = mirrors;
    expect([source.alias, target.alias]).toEqual(["summit", "engine"]);
    const largest = find("Kafka", "sasquatch").spec.kafka.config["message.max.bytes"];
    expect(sourceConnector.config["producer.override.max.request.size"]).toBe(largest);
    expect(sourceConnector.config["producer.override.buffer.memory"]).toBeGreaterThanOrEqual(largest);
    expect(
      groupsExcludePattern.split(",").some((pattern: string) => new RegExp(`^(${pattern})$`).test("connector-cp")),
    ).toBe(true);
    expect(topicsPattern.split(",")).toContain("registry-schemas");
  });
});

it("connectors share one policy and one PodMonitor, which find their pods, and no others, and open what each is told to reach", () => {
  const [policy, monitor] = [find("NetworkPolicy", "sasquatch-connectors"), find("PodMonitor", "sasquatch-connectors")];
  const ports = policy.spec.egress.flatMap((rule: any) => rule.ports.map(({ port }: any) => port));
  const found: string[] = [];
  for (const { kind, metadata, spec } of objects.values()) {
    const { labels } = spec?.template?.metadata ?? {};
    if (kind !== "Deployment" || labels === undefined) continue;
    const isFound = ({ matchLabels }: any) =>
      Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
    expect([metadata.name, isFound(policy.spec.podSelector), isFound(monitor.spec.selector)]).toEqual([
      metadata.name,
      ...Array(2).fill(/^sasquatch-connector-/.test(metadata.name)),
    ]);
    if (!isFound(policy.spec.podSelector)) continue;
    found.push(metadata.name);
    const [{ env, ports: own }] = spec.template.spec.containers;
    const told = env.filter(({ name }: any) => ["KAFKA_BROKERS", "REGISTRY_URL", "INFLUXDB_URL"].includes(name));
    for (const { value } of told) expect(ports).toContain(Number(/:(\d+)$/.exec(value)![1]));
    expect(own.map(({ name }: any) => name)).toEqual(monitor.spec.podMetricsEndpoints.map(({ port }: any) => port));
    expect(objects.has(`NetworkPolicy ${metadata.name}`)).toBe(false);
  }
  expect(found.length).toBeGreaterThan(1);
});

it("a table whose name the database would cut off is refused", async () => {
  const config = everything("http://rgw") as any;
  const jdbc = { url: "jdbc:postgresql://192.0.2.7/engine", user: "engine" };
  config["usdf:sasquatch"].environments.engine.clients.efd = { jdbc };
  const long = salTopics().filter(({ name }) => name.slice("lsst.sal.".length).length > 63).length;
  await expect(recordStack("engine", { config: { config } })).rejects.toThrow(
    `usdf:sasquatch.environments.engine.clients.efd.jdbc: ${long} of its topics would be tables with names above 63 bytes`,
  );
});

describe("connectors in Kafka Connect", () => {
  const config = (name: string) => find("KafkaConnector", name).spec.config;

  it("park what they cannot read, read as their own users, and hold no secret", () => {
    for (const name of ["engine-connect", "engine-connect-jdbc", "engine-connect-parquet"]) {
      const one = config(name);
      expect(one["errors.deadletterqueue.topic.name"]).toBe(`dead-letters.${name}`);
      expect(one["errors.deadletterqueue.context.headers.enable"]).toBe(true);
      expect(one["consumer.override.group.id"]).toBe(`connector-${name}`);
      const secret = "${secrets:sasquatch/connector-engine-connect:user.key}";
      expect(one["consumer.override.ssl.keystore.key"]).toBe(secret);
      for (const [key, value] of Object.entries(one))
        if (/password|secret|\.key$/.test(key) && !key.startsWith("key."))
          expect(value).toMatch(/^\$\{secrets:|^org\.|^[a-z]/);
    }
    expect(config("engine-connect")["connect.influx.error.policy"]).toBe("RETRY");
    expect(config("engine-connect")["connect.influx.kcql"]).toBe(
      "INSERT INTO engine.connect.One_Topic SELECT * FROM engine.connect.One_Topic WITHTIMESTAMP timestamp TIMESTAMPUNIT=MILLISECONDS",
    );
    const { rules } = find("Role", "sasquatch-connect-secrets");
    expect(rules[0].resourceNames).toEqual(["connector-engine-connect", "sasquatch"]);
  });

  it("give each topic a table of its own, and never write a row twice", () => {
    const one = config("engine-connect-jdbc");
    expect(one).toMatchObject({
      "insert.mode": "upsert",
      "pk.mode": "record_value",
      "quote.sql.identifiers": "ALWAYS",
    });
    // As the router does it: the whole name must match.
    const router = new RegExp(`^(?:${one["transforms.table.regex"]})$`);
    const tables = salTopics().map(({ name }) => {
      const match = router.exec(name)!;
      return `${match[1]}_${match[2]}`;
    });
    expect(new Set(tables).size).toBe(3348);
    expect(tables.some((table) => table.includes("."))).toBe(false);
  });
});

it("Telegraf writes one bucket that is there, at whole names only, and names the broker's version", () => {
  const text: string = find("ConfigMap", "sasquatch-telegraf-engine-json").data["telegraf.conf"];
  expect(text).toContain("  skip_database_creation = true\n");
  expect(text).toContain('  kafka_version = "4.2.1"\n');
  expect(text).toContain('  password = "${INFLUX_PASSWORD}"\n');
  expect(text.match(/\[\[outputs\.influxdb\]\]/g)).toHaveLength(1);
  const [, pattern] = /topic_regexps = \["(.*)"\]/.exec(text)!;
  const go = new RegExp(JSON.parse(`"${pattern}"`));
  expect(
    ["engine.json.a", "summit.engine.json.a", "engine.jsonx.a", "engineXjson.a"].map((topic) => go.test(topic)),
  ).toEqual([true, false, false, false]);
});
