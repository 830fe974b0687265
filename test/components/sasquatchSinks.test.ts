import { loadStackConfig } from "../../components/config";
import { planOf } from "../../components/sasquatch/plan";
import { readStackYaml, recordStack } from "../../local/record";
import { aggregatorContract } from "../../workloads/src/aggregator/contract";
import { parseEnv } from "../../workloads/src/lib/contract";
import { parquetSinkContract } from "../../workloads/src/parquet-sink/contract";
import { envOf, Objects } from "./objects";

const least = { kubeContext: "k", host: "h.example.org", secrets: { path: "secret/a/b" } };
const { sasquatch } = loadStackConfig(
  {
    sasquatch: {
      clients: { mine: { topics: { namespace: "lsst.mine" }, aggregate: {} } },
      environments: {
        summit: { ...least, clients: { mine: {} } },
        usdfprod: {
          ...least,
          mirrors: { summit: { bootstrap: "s:9094" } },
          clients: { mine: { from: "summit" } },
        },
      },
    },
  },
  "x",
);
/** Connectors that take a topic. */
const takers = (environment: string, topic: string) =>
  planOf(environment, sasquatch!)
    .connectors.filter(({ patterns }) => new RegExp(patterns.java).test(topic))
    .map(({ name, registry }) => ({ name, registry }));

test("aggregated topics are stored: with the client's own where it is, by a connector of their own where it is mirrored", () => {
  const local = { name: "mine", registry: "local" };
  expect(takers("summit", "lsst.mine.a")).toEqual([local]);
  expect(takers("summit", "lsst.mine.a-aggregated")).toEqual([local]);
  expect(takers("usdfprod", "summit.lsst.mine.a")).toEqual([{ name: "mine", registry: { alias: "summit" } }]);
  expect(takers("usdfprod", "lsst.mine.a-aggregated")).toEqual([{ name: "mine-aggregated", registry: "local" }]);
  expect(takers("usdfprod", "lsst.mine.a")).toEqual([]);
});

test("who aggregates may read what is mirrored, and write topics of this cluster only", () => {
  const { users, longTerm } = planOf("usdfprod", sasquatch!);
  const user = users.find(({ name }) => name === longTerm[0]!.kafkaUser)!;
  const rights = user.acls.filter(({ resource }) => resource.name?.includes("lsst.mine"));
  expect(rights.map(({ resource, operations }) => [resource.name, operations])).toEqual([
    ["summit.lsst.mine.", ["Describe", "Read"]],
    ["lsst.mine.", ["Create", "Describe", "Read", "Write"]],
  ]);
});

test("their pods have what the programs need, and no more of the network", async () => {
  const parquet = { bucket: "efd-parquet", endpointUrl: "https://s3.example.org:8443/" };
  const environments = {
    usdfprod: {
      ...least,
      mirrors: { summit: { bootstrap: "s:9094" } },
      clients: { mine: { from: "summit", parquet } },
    },
  };
  const { config } = readStackYaml("prod") as { config: Record<string, unknown> };
  const clients = { mine: { topics: { namespace: "lsst.mine" }, aggregate: { windowSeconds: 10 } } };
  const own = { "usdf:platform": config["usdf:platform"], "usdf:sasquatch": { clients, environments } };
  const recorded = await recordStack("prod", { config: { config: own } as never });
  const objects = new Objects(recorded, "sasquatch");
  const sink = objects.find("Deployment", "sasquatch-parquet-sink-mine");
  const aggregator = objects.find("Deployment", "sasquatch-aggregator-mine");
  expect(parseEnv(parquetSinkContract, envOf(sink))).toMatchObject({
    BUCKET: "efd-parquet",
    TOPIC_PATTERN: "^summit\\.lsst\\.mine\\..+$",
    REGISTRY_URL: "http://sasquatch-schema-registry-summit:8081",
    TIMESTAMP_FIELD: "private_efdStamp",
    DEAD_LETTER_TOPIC: "dead-letters.mine-parquet",
    AWS_ACCESS_KEY_ID: "secret/sasquatch/s3-access-key-id",
    AWS_SECRET_ACCESS_KEY: "secret/sasquatch/s3-secret-access-key",
  });
  expect(parseEnv(aggregatorContract, envOf(aggregator))).toMatchObject({
    WINDOW_SECONDS: 10,
    REMOVE_PREFIX: "summit.",
    REGISTRY_URL: "http://sasquatch-schema-registry-summit:8081",
    OUTPUT_REGISTRY_URL: "http://sasquatch-schema-registry:8081",
  });
  const ports = (name: string) =>
    (objects.find("NetworkPolicy", name).spec.egress as { ports: { port: number }[] }[]).flatMap((rule) =>
      rule.ports.map(({ port }) => port),
    );
  expect(new Set(ports("sasquatch-parquet-sink-mine"))).toEqual(new Set([53, 9093, 8081, 8443]));
  expect(new Set(ports("sasquatch-aggregator-mine"))).toEqual(new Set([53, 9093, 8081]));
});
