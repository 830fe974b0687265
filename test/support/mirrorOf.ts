import { sasquatchSchema } from "../../components/config/sasquatch";
import { mirroring } from "../../components/sasquatch/mirrors";
import { planOf } from "../../components/sasquatch/plan";
import { salTopics } from "../../components/sasquatch/sal";
import type { MirrorMakerSpec } from "../../local/services";
import { otherOf, type Site, sites } from "./replication";

export const salTopicNames = (): string[] => salTopics().map(({ name }) => name);

/**
 * The KafkaMirrorMaker2 that is declared for a site which mirrors all SAL topics of the other, with brokers of one machine:
 * no copies, two tasks, and intervals that a test can wait for.
 */
export function mirrorOf(site: Site, bootstrap: (site: Site) => string): MirrorMakerSpec {
  const environment = (name: Site) => ({
    kubeContext: name,
    host: `${name}.example.org`,
    secrets: { path: `secret/${name}` },
    mirrors: {
      [otherOf(name)]: { bootstrap: bootstrap(otherOf(name)), topics: [{ namespace: "lsst.sal" }], tasks: 2 },
    },
  });
  const sasquatch = sasquatchSchema.parse({
    environments: Object.fromEntries(sites.map((name) => [name, environment(name)])),
  });
  const settings = sasquatch.environments[site]!;
  const { target, mirrors } = mirroring({ name: site, settings, plan: planOf(site, sasquatch) });
  return {
    target: { ...target, bootstrapServers: bootstrap(site), config: { ...uncopied(target.config), ...soon.worker } },
    mirrors: mirrors.map((mirror) => ({
      ...mirror,
      sourceConnector: { tasksMax: mirror.sourceConnector.tasksMax, config: { ...uncopied(mirror.sourceConnector.config), ...soon.source } }, // prettier-ignore
      checkpointConnector: { config: { ...uncopied(mirror.checkpointConnector.config), ...soon.checkpoints } },
    })),
  };
}

const uncopied = (config: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(config).map(([key, value]) => [key, key.endsWith("replication.factor") ? 1 : value])); // prettier-ignore

const soon = {
  worker: {
    "status.storage.partitions": 1,
    "offset.storage.partitions": 1,
    // A worker that was killed leaves its group, and its tasks, sooner.
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 1000,
    "scheduled.rebalance.max.delay.ms": 0,
  },
  source: { "refresh.topics.interval.seconds": 2 },
  checkpoints: {
    "refresh.groups.interval.seconds": 2,
    "emit.checkpoints.interval.seconds": 1,
    "sync.group.offsets.interval.seconds": 1,
  },
};
