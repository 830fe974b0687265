import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadStackConfig, StackConfigError } from "../../components/config";
import { planOf, topicObjectName } from "../../components/sasquatch/plan";
import { stackConfig } from "../../local/stackConfig";

type Json = Record<string, unknown>;
const least = { kubeContext: "k", host: "h.example.org", secrets: { path: "secret/a/b" } };
/** A stack with a site that produces and one that mirrors it. */
const stackWith = ({ site = {}, far = {}, clients = {} }: { site?: Json; far?: Json; clients?: Json }) => ({
  sasquatch: {
    clients,
    environments: {
      summit: { ...least, clients: { efd: {} }, ...site },
      usdfprod: {
        ...least,
        mirrors: { summit: { bootstrap: "s:9094" } },
        clients: { efd: { from: "summit" } },
        ...far,
      },
    },
  },
});
const sasquatchOf = (raw: unknown) => loadStackConfig(raw, "x").sasquatch!;

function faultsOf(raw: unknown): string[] {
  try {
    loadStackConfig(raw, "x");
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(StackConfigError);
    return [...(error as StackConfigError).faults];
  }
}

/** A client of the test's own, in both places where one is said. */
const own = (record: Json, here: Json = {}) => ({
  clients: { mine: { topics: { namespace: "lsst.mine" }, ...record } },
  site: { clients: { mine: here } },
});
const summit = "usdf:sasquatch.environments.summit";
const usdfprod = "usdf:sasquatch.environments.usdfprod";

it("a client and its environments as they should be have no fault", () => {
  expect(faultsOf(stackWith({}))).toEqual([]);
  expect(
    faultsOf(
      stackWith(
        own({
          retention: "30d",
          downsample: [
            { every: "1m", retention: "3y" },
            { every: "1h", retention: "infinite" },
          ],
        }),
      ),
    ),
  ).toEqual([]);
});

const refused: { about: string; raw: Parameters<typeof stackWith>[0]; says: string }[] = [
  {
    about: "two connectors for one topic, of one client",
    raw: own({ connectors: { a: { components: ["X", "Y"] }, b: { components: ["Y"], kinds: ["telemetry"] } } }),
    says: `${summit}.clients.mine.connectors.b takes topics such as lsst.mine.Y.Zz0, as clients.mine.connectors.a does: they would be stored twice. Narrow one of them.`,
  },
  {
    about: "two connectors for one topic, of two clients",
    raw: {
      site: { clients: { efd: {}, mine: {} } },
      clients: { mine: { topics: { namespace: "lsst.sal", topics: ["ESS.lightning"] } } },
    },
    says: `${summit}.clients.mine takes topics such as lsst.sal.ESS.lightning, as clients.efd.connectors.envsys does: they would be stored twice. Narrow one of them.`,
  },
  {
    about: "what was stored twice in 2023",
    raw: {
      site: {
        clients: {
          efd: {
            connectors: { more: { topics: ["logevent_reportedLinearStagePosition"], components: ["ATSpectrograph"] } },
          },
        },
      },
    },
    says: `${summit}.clients.efd.connectors.more takes topics such as lsst.sal.ATSpectrograph.logevent_reportedLinearStagePosition, as clients.efd.connectors.latiss does: they would be stored twice. Narrow one of them.`,
  },
  {
    about: "a bucket without a connector",
    raw: own({ connectors: { a: { components: ["X"] } } }, { connectors: { a: { enabled: false } } }),
    says: `${summit}.clients.mine.connectors has no enabled part, so nothing would write to bucket mine. Leave the client out.`,
  },
  {
    about: "a connector of topics that do not come here, so without points for its bucket",
    raw: { far: { mirrors: {} } },
    says: `${usdfprod}.clients.efd.from is "summit", from where nothing is mirrored here (mirrors: none).`,
  },
  {
    about: "two clients into one bucket",
    raw: { site: { clients: { efd: {}, obsenv: { bucket: "efd" } } } },
    says: `${summit}.clients.obsenv.bucket is efd, the bucket of client efd: a bucket has one client. Name another.`,
  },
  {
    about: "a bucket of a ladder that is another client's",
    raw: {
      site: { clients: { efd: { downsample: [{ every: "1m", retention: "3y" }] }, obsenv: { bucket: "efd_1m" } } },
    },
    says: `${summit}.clients.obsenv.bucket is efd_1m, the bucket of client efd: a bucket has one client. Name another.`,
  },
  {
    about: "a client that nobody knows",
    raw: { site: { clients: { obsenw: {} } } },
    says: `${summit}.clients.obsenw is no client that the program or usdf:sasquatch.clients knows. The nearest is obsenv.`,
  },
  {
    about: "a new client without topics",
    raw: { clients: { mine: { tags: ["a"] } } },
    says: "usdf:sasquatch.clients.mine.topics is missing: say which topics are the client's, e.g. { namespace: lsst.dm }.",
  },
  {
    about: "a client whose name is none for an object",
    raw: { clients: { Mine: { topics: { namespace: "lsst.mine" } } } },
    says: "usdf:sasquatch.clients.Mine is no name for a client: use a-z, 0-9, - and ., a letter or digit at the ends.",
  },
  {
    about: "a connector whose name is too long",
    raw: own({ connectors: { ["p".repeat(40)]: { components: ["X"] } } }),
    says: `${summit}.clients.mine.connectors.${"p".repeat(40)} makes the name mine-${"p".repeat(40)}, longer than 40. Shorten it.`,
  },
  {
    about: "two connectors of one name",
    raw: {
      clients: {
        mine: { topics: { namespace: "lsst.mine" }, connectors: { "a-b": { components: ["X"] } } },
        "mine-a": { topics: { namespace: "lsst.other" }, connectors: { b: { components: ["X"] } } },
      },
      site: { clients: { mine: {}, "mine-a": {} } },
    },
    says: `${summit}.clients.mine-a.connectors.b makes the name mine-a-b, as clients.mine.connectors.a-b does. Name one of them otherwise.`,
  },
  {
    about: "a retention below what InfluxDB has",
    raw: own({ retention: "0d" }),
    says: 'usdf:sasquatch.clients.mine.retention is "0d": it must be "infinite" or a duration such as "72h", "180d" or "3y".',
  },
  {
    about: "a retention below what the next windows are made of",
    raw: own({ retention: "5h", downsample: [{ every: "1h", retention: "3y" }] }),
    says: `${summit}.clients.mine.retention is 5h, less than the task that makes windows of 1h of it needs (10 h).`,
  },
  {
    about: "a retention in the ladder below what the next windows are made of",
    raw: own({
      downsample: [
        { every: "1m", retention: "6h" },
        { every: "1h", retention: "infinite" },
      ],
    }),
    says: `${summit}.clients.mine.downsample.0.retention is 6h, less than the task that makes windows of 1h of it needs (10 h).`,
  },
  {
    about: "windows that are no multiple of those below",
    raw: own({
      downsample: [
        { every: "7m", retention: "1y" },
        { every: "1h", retention: "infinite" },
      ],
    }),
    says: `${summit}.clients.mine.downsample.1.every is 1h, no multiple of the windows that it is made of.`,
  },
  {
    about: "a retention below what the deadman looks back",
    raw: own({ retention: "1h", deadman: { after: "2h" } }),
    says: `${summit}.clients.mine.retention is 1h, less than deadman.after 2h needs (4 h).`,
  },
  {
    about: "a topic that is gone before a mirror that was down has read it",
    raw: own({ kafkaTopics: [{ name: "lsst.mine.a", config: { "retention.ms": 1_800_000 } }] }),
    says: `${summit}.clients.mine.kafkaTopics.0.config["retention.ms"] is 1800000 for lsst.mine.a, less than a connector or mirror that stands still for a day needs (86400000).`,
  },
  {
    about: "a declared topic that is not the client's",
    raw: own({ kafkaTopics: [{ name: "lsst.other.a" }] }),
    says: `${summit}.clients.mine.kafkaTopics.0.name is lsst.other.a, which is none of the client's topics.`,
  },
  {
    about: "seconds of SAL as milliseconds",
    raw: own({ timestamp: { field: "private_efdStamp", unit: "ms" } }),
    says: `${summit}.clients.mine.timestamp.unit is ms, but private_efdStamp is in s: each point would be at another time. Write s.`,
  },
  {
    about: "nanoseconds by their name as seconds",
    raw: own({ timestamp: { field: "timestamp_ns", unit: "s" } }),
    says: `${summit}.clients.mine.timestamp.unit is s, but timestamp_ns is in ns: each point would be at another time. Write ns.`,
  },
  {
    about: "a time in TAI",
    raw: own({ timestamp: { field: "private_sndStamp", unit: "s" } }),
    says: `${summit}.clients.mine.timestamp.field is private_sndStamp, which is TAI and so 37 s ahead of the UTC that InfluxDB holds. Take private_efdStamp.`,
  },
  {
    about: "a declared schema whose flattened arrays have the name of another field",
    raw: own({
      fields: { timestamp: "double", a: "double[3]", a1: "int" },
      timestamp: { field: "timestamp", unit: "s" },
    }),
    says: `${summit}.clients.mine.fields.a1 becomes a1 in InfluxDB, as a does: one overwrites the other. Rename it.`,
  },
  {
    about: "a time that the declared schema has not",
    raw: own({ fields: { time: "double" }, timestamp: { field: "timestamp", unit: "s" } }),
    says: `${summit}.clients.mine.timestamp.field is timestamp, no number among its fields (time).`,
  },
  {
    about: "a tag that the declared schema has not",
    raw: own({ fields: { t: "long" }, timestamp: { field: "t", unit: "s" }, tags: ["band"] }),
    says: `${summit}.clients.mine.tags.0 is band, none of its fields (t).`,
  },
  {
    about: "a Kafka user with two specifications",
    raw: { site: { clients: { efd: {} }, users: { "connector-efd": {} } } },
    says: `${summit}.users.connector-efd is connector-efd, the user of the connectors of a client. Choose another.`,
  },
  {
    about: "a user that the environment has for itself",
    raw: own({ writers: ["sasquatch-connect"] }),
    says: `${summit}.clients.mine.writers is sasquatch-connect, a user that the environment has for itself, with other rights. Choose another.`,
  },
  {
    about: "the user of the registry of a mirror's schemas",
    raw: { site: { clients: { efd: {} }, users: { "schema-registry-base": {} } } },
    says: `${summit}.users.schema-registry-base is schema-registry-base, a user that the environment has for itself, with other rights. Choose another.`,
  },
  {
    about: "a part that takes nothing",
    raw: own({ connectors: { a: { components: ["X"], kinds: ["events"], topics: ["command_x"] } } }),
    says: `${summit}.clients.mine.connectors.a takes no topic at all: its kinds, topics and except leave none.`,
  },
  {
    about: "an alias that is no environment",
    raw: { far: { mirrors: { sumit: { bootstrap: "s:9094" } }, clients: {} } },
    says: `${usdfprod}.mirrors.sumit is no name of an environment, and aliases are names of environments. The nearest is summit.`,
  },
  {
    about: "an alias with the separator in it",
    raw: { far: { mirrors: { "a.b": { bootstrap: "s:9094" } }, clients: {} } },
    says: `${usdfprod}.mirrors["a.b"] is a name that is refused: it must be a DNS label: at most 63 of a-z, 0-9 and -, no - at the ends.`,
  },
  {
    about: "an empty alias",
    raw: { far: { mirrors: { "": { bootstrap: "s:9094" } }, clients: {} } },
    says: `${usdfprod}.mirrors[""] is a name that is refused: it must be a DNS label: at most 63 of a-z, 0-9 and -, no - at the ends.`,
  },
  {
    about: "an environment that mirrors itself",
    raw: { far: { mirrors: { usdfprod: { bootstrap: "s:9094" } }, clients: {} } },
    says: `${usdfprod}.mirrors.usdfprod is this environment itself: its topics are here already. Take it away.`,
  },
  {
    about: "topics mirrored by way of another environment",
    raw: { far: { mirrors: { summit: { bootstrap: "s:9094", topics: [{ namespace: "usdfprod.lsst.sal" }] } } } },
    says: `${usdfprod}.mirrors.summit.topics.0.namespace is usdfprod.lsst.sal: what summit has mirrored from usdfprod itself. Mirror it from usdfprod.`,
  },
  {
    about: "files and statistics of records without a schema",
    raw: { site: { clients: { efd: { format: "json", aggregate: {} } } } },
    says: `${summit}.clients.efd.aggregate needs records with a schema, and client efd is json. Take it away, or write Avro.`,
  },
  {
    about: "a mirror without the schemas that a client needs",
    raw: { far: { mirrors: { summit: { bootstrap: "s:9094", schemas: false } } } },
    says: `${usdfprod}.mirrors.summit.schemas is false, but client efd needs the schemas of summit. Take it away.`,
  },
  {
    about: "offset pairs that two targets would write at one source",
    raw: {
      site: { mirrors: { base: { bootstrap: "b:9094", offsetSyncs: "source" } } },
      far: { mirrors: { base: { bootstrap: "b:9094" } }, clients: {} },
    },
    says: `${summit}.mirrors.base.offsetSyncs is source, but usdfprod mirrors base too: both would write one topic there. Take target.`,
  },
];
it.each(refused)("refuses $about", ({ raw, says }) => expect(faultsOf(stackWith(raw))).toContain(says));

describe("the plan of an environment", () => {
  const plan = planOf(
    "usdfprod",
    sasquatchOf(
      stackWith({
        far: {
          clients: {
            efd: {
              from: "summit",
              downsample: [
                { every: "1m", retention: "3y" },
                { every: "1h", retention: "infinite" },
              ],
              retention: "180d",
            },
            dm: {},
          },
        },
      }),
    ),
  );

  it("has topic, connector, bucket, user and rights of each client", () => {
    expect(plan.connectors.find(({ name }) => name === "efd-mtmount")).toEqual({
      name: "efd-mtmount",
      client: "efd",
      sink: "connector",
      influxdb: "active",
      selector: { namespace: "lsst.sal", components: ["MTMount"], from: "summit" },
      from: "summit",
      patterns: {
        go: "^summit\\.lsst\\.sal\\.MTMount\\.[^.]+$",
        java: "^summit\\.lsst\\.sal\\.MTMount\\.[^.]+$",
        python: "^summit\\.lsst\\.sal\\.MTMount\\.[^.]+\\Z",
      },
      format: "avro",
      timestamp: { field: "private_efdStamp", unit: "s" },
      tags: [],
      removePrefix: "summit.",
      bucket: "efd",
      consumerGroup: "connector-efd-mtmount",
      kafkaUser: "connector-efd",
      influxUser: "efd-writer",
      registry: { alias: "summit" },
      deadLetterTopic: "dead-letters.efd-mtmount",
      replicas: 1,
      resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { cpu: "1", memory: "512Mi" } },
    });
    const dm = plan.connectors.find(({ client }) => client === "dm");
    expect(dm).toMatchObject({
      name: "dm",
      bucket: "lsst.dm",
      registry: "local",
      removePrefix: "",
      kafkaUser: "connector-dm",
    });
    expect(plan.users.find(({ name }) => name === "connector-dm")).toEqual({
      name: "connector-dm",
      authentication: "tls",
      acls: [
        { resource: { type: "topic", name: "lsst.dm.", patternType: "prefix" }, operations: ["Describe", "Read"] },
        { resource: { type: "group", name: "connector-dm", patternType: "literal" }, operations: ["Describe", "Read"] },
        {
          resource: { type: "topic", name: "dead-letters.dm", patternType: "literal" },
          operations: ["Create", "Describe", "Write"],
        },
      ],
    });
  });

  it("has the ladder of buckets, each made of the one before, with shard groups as InfluxDB chooses them", () => {
    expect(plan.buckets.filter(({ client }) => client === "efd")).toEqual([
      {
        name: "efd",
        client: "efd",
        retentionSeconds: 15_552_000,
        shardGroupSeconds: 86_400,
        readers: ["efdreader"],
        writers: ["efd-writer"],
      },
      {
        ...{ name: "efd_1m", client: "efd", retentionSeconds: 94_608_000, shardGroupSeconds: 604_800 },
        ...{ readers: ["efdreader"], writers: [], downsampled: { from: "efd", everySeconds: 60 } },
      },
      {
        ...{ name: "efd_1h", client: "efd", retentionSeconds: 0, shardGroupSeconds: 604_800 },
        ...{ readers: ["efdreader"], writers: [], downsampled: { from: "efd_1m", everySeconds: 3600 } },
      },
    ]);
  });

  it("mirrors what its clients store, and the schemas", () => {
    expect(plan.mirrors).toEqual([
      {
        ...{ from: "summit", to: "usdfprod", bootstrap: "s:9094" },
        ...{ offset: "earliest", offsetSyncs: "target", schemas: true },
        selectors: [{ namespace: "lsst.sal" }],
        patterns: ["registry-schemas", "^lsst\\.sal\\..+$"],
      },
    ]);
  });

  it("gives nobody more than they read or write", () => {
    const everything = plan.users.flatMap(({ name, acls }) =>
      acls
        .filter(
          ({ resource, operations }) => resource.name === "*" || resource.name === "" || operations.includes("All"),
        )
        .map(() => name),
    );
    expect(everything).toEqual([]);
    const writers = plan.users.filter(({ acls }) =>
      acls.some(
        ({ resource, operations }) => operations.includes("Write") && !resource.name!.startsWith("dead-letters."),
      ),
    );
    expect(writers.map(({ name }) => name)).toEqual(["rest-proxy"]); // of dm; what is mirrored nobody writes
  });

  it("an environment that is not there is named with those that are", () => {
    expect(() => planOf("usdf", sasquatchOf(stackWith({})))).toThrow(
      'Cannot plan environment "usdf": usdf:sasquatch has no such one. Known: summit, usdfprod.',
    );
  });
});

it("a standby has connectors of its own, which wait for the active one as little as it for them", () => {
  const site = { influxdb: { edition: "enterprise", standby: {} } };
  const { connectors, users } = planOf("summit", sasquatchOf(stackWith({ site })));
  const active = connectors.filter(({ influxdb }) => influxdb === "active");
  expect(active.length).toBeGreaterThan(0);
  expect(connectors.filter(({ influxdb }) => influxdb === "standby")).toEqual(
    active.map((one) => ({
      ...one,
      name: `${one.name}-standby`,
      consumerGroup: `${one.consumerGroup}-standby`,
      influxdb: "standby",
    })),
  );
  const [{ kafkaUser, consumerGroup }] = connectors.slice(-1) as [(typeof connectors)[number]];
  const rights = users.find(({ name }) => name === kafkaUser)!.acls.map(({ resource }) => resource.name);
  expect(rights).toContain(consumerGroup);
});

describe("names of KafkaTopics", () => {
  const topics = readFileSync(join(__dirname, "../../../shared/data/sal/sal_topics.txt"), "utf8").trim().split("\n");
  const rfc1123 = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
  const odd = [
    "-a",
    "a-",
    "a..b",
    "a._b",
    "_",
    "A",
    "a",
    "É",
    "x".repeat(249),
    "X".repeat(249),
    "a.-b",
    "a-.b",
    `a-${"0".repeat(10)}`,
  ];

  it("are legal and differ for all topics, also for the 24 pairs that differ by a capital only", () => {
    const all = [...topics, ...topics.map((topic) => `summit.${topic}`), ...odd];
    const names = all.map(topicObjectName);
    expect(names.filter((name) => !rfc1123.test(name) || name.length > 253)).toEqual([]);
    expect(new Set(names).size).toBe(all.length);
    const small = new Map<string, number>();
    for (const topic of topics.map((one) => one.toLowerCase().replaceAll("_", "-")))
      small.set(topic, (small.get(topic) ?? 0) + 1);
    expect([...small.values()].filter((number) => number > 1)).toHaveLength(24);
  });

  it("can be read, and a legal name stays", () => {
    expect(topicObjectName("lsst.sal.MTCamera.vacuum_Cryo")).toMatch(/^lsst\.sal\.mtcamera\.vacuum-cryo-[0-9a-f]{10}$/);
    expect(topicObjectName("lsst.obsenv.run-branch")).toBe("lsst.obsenv.run-branch");
  });

  it("of a legal name that looks like one of ours is not the one of ours", () => {
    const ours = topicObjectName("lsst.sal.ESS.lightning");
    expect(topicObjectName(ours)).not.toBe(ours);
  });
});

it.each(["prod", "dev", "ldf", "local"])("every environment of %s has a plan of legal, different names", (stack) => {
  const { sasquatch } = stackConfig(stack);
  for (const environment of Object.keys(sasquatch?.environments ?? {})) {
    const { connectors, longTerm, topics, users, buckets } = planOf(environment, sasquatch!);
    const names = [...connectors, ...longTerm].map(({ name }) => name);
    for (const all of [
      names,
      users.map(({ name }) => name),
      topics.map(({ objectName }) => objectName),
      buckets.map(({ name }) => name),
    ])
      expect(new Set(all).size).toBe(all.length);
    expect(
      [...names, ...users.map(({ name }) => name)].filter((name) => !/^[a-z0-9][-a-z0-9.]*[a-z0-9]$/.test(name)),
    ).toEqual([]);
    expect(
      connectors.map(({ bucket }) => bucket).filter((bucket) => !buckets.some(({ name }) => name === bucket)),
    ).toEqual([]);
    const fed = new Set([
      ...connectors.map(({ bucket }) => bucket),
      ...buckets.filter(({ downsampled }) => downsampled).map(({ name }) => name),
    ]);
    expect(buckets.filter(({ name }) => !fed.has(name))).toEqual([]);
    const known = new Set(users.map(({ name }) => name));
    expect([...connectors, ...longTerm].filter(({ kafkaUser }) => !known.has(kafkaUser))).toEqual([]);
  }
});
