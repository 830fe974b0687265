import { loadStackConfig } from "../../components/config";
import { planOf } from "../../components/sasquatch/plan";

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
