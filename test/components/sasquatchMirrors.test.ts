import { sasquatchSchema } from "../../components/config/sasquatch";
import { mirroring } from "../../components/sasquatch/mirrors";
import { planOf } from "../../components/sasquatch/plan";
import { kafkaUsers } from "../../components/sasquatch/users";
import { mirrorConnectors, workerProperties } from "../../local/services/mirrorMaker";

const place = (name: string) => ({
  kubeContext: name,
  host: `${name}.example.org`,
  secrets: { path: `secret/${name}` },
});
const sasquatch = sasquatchSchema.parse({
  environments: {
    summit: {
      ...place("summit"),
      clients: { efd: {} },
      users: { replicator: { mirrors: true, reads: [{ namespace: "lsst.sal" }] } },
    },
    usdfprod: {
      ...place("usdf"),
      mirrors: { summit: { bootstrap: "summit.example.org:9094", tasks: 4 } },
      clients: { efd: { from: "summit" } },
    },
  },
});
const environment = (name: "summit" | "usdfprod") => ({
  ...{ name, settings: sasquatch.environments[name]!, plan: planOf(name, sasquatch) },
});

test("a mirror's user at the source may ask how topics are configured, read the schemas and see where groups are; no more", () => {
  const { acls } = planOf("summit", sasquatch).users.find(({ name }) => name === "replicator")!;
  const read = ["Describe", "DescribeConfigs", "Read"];
  expect(acls).toEqual(
    expect.arrayContaining([
      { resource: { type: "topic", name: "lsst.sal.", patternType: "prefix" }, operations: read },
      { resource: { type: "topic", name: "registry-schemas", patternType: "literal" }, operations: read },
      { resource: { type: "group", name: "*", patternType: "literal" }, operations: ["Describe"] },
    ]),
  );
  expect(acls.flatMap(({ operations }) => operations)).not.toContain("Write");
});

test("a mirror's user at the target may write in transactions of its own names only", () => {
  const { acls } = kafkaUsers(environment("usdfprod")).find(({ name }) => name === "sasquatch-mirror")!;
  expect(acls.filter(({ resource }) => resource.type === "transactionalId").map(({ resource }) => resource)).toEqual([
    { type: "transactionalId", name: "connect-cluster-sasquatch-mirror", patternType: "literal" },
    { type: "transactionalId", name: "sasquatch-mirror-", patternType: "prefix" },
  ]);
});

test("what is declared makes the operator's connectors: bytes as they are, each record once", () => {
  const spec = mirroring(environment("usdfprod"));
  expect(workerProperties(spec)).toMatchObject({
    "group.id": "sasquatch-mirror",
    "exactly.once.source.support": "enabled",
    "header.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
  });
  const connectors = mirrorConnectors(spec);
  expect(Object.keys(connectors)).toEqual(["summit->usdfprod.MirrorSourceConnector", "summit->usdfprod.MirrorCheckpointConnector"]); // prettier-ignore
  expect(connectors["summit->usdfprod.MirrorSourceConnector"]).toMatchObject({
    "tasks.max": "4",
    "source.cluster.alias": "summit",
    "source.cluster.bootstrap.servers": "summit.example.org:9094",
    "target.cluster.alias": "usdfprod",
    "consumer.isolation.level": "read_committed",
    "exactly.once.support": "required",
    topics: expect.stringMatching(/^registry-schemas,\^lsst\\\.sal\\\./) as string,
    "replication.policy.class": "org.apache.kafka.connect.mirror.DefaultReplicationPolicy",
  });
});
