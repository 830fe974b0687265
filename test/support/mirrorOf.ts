import { salTopics } from "../../components/sasquatch/sal";
import type { MirrorMakerSpec } from "../../local/services";
import { otherOf, type Site } from "./replication";

export const salTopicNames = (): string[] => salTopics().map(({ name }) => name);

/** The declared object of a site, with brokers of one machine, no copies, and intervals that a test can wait for. */
export function mirrorOf(schemasTopic: string) {
  return (site: Site, bootstrap: (site: Site) => string): MirrorMakerSpec => {
    const policy = {
      "replication.policy.class": "org.apache.kafka.connect.mirror.DefaultReplicationPolicy",
      "replication.policy.separator": ".",
      "offset-syncs.topic.location": "target",
    };
    return {
      target: {
        alias: site,
        bootstrapServers: bootstrap(site),
        groupId: "sasquatch-mirror",
        configStorageTopic: "sasquatch-mirror-configs",
        statusStorageTopic: "sasquatch-mirror-status",
        offsetStorageTopic: "sasquatch-mirror-offsets",
        config: {
          "exactly.once.source.support": "enabled",
          // A worker that was killed leaves its group, and its tasks, sooner.
          "session.timeout.ms": 6000,
          "heartbeat.interval.ms": 1000,
          "scheduled.rebalance.max.delay.ms": 0,
          "config.storage.replication.factor": 1,
          "status.storage.replication.factor": 1,
          "status.storage.partitions": 1,
          "offset.storage.replication.factor": 1,
          "offset.storage.partitions": 1,
        },
      },
      mirrors: [
        {
          source: { alias: otherOf(site), bootstrapServers: bootstrap(otherOf(site)) },
          topicsPattern: `${schemasTopic},^lsst\\.sal\\..+$`,
          groupsPattern: ".*",
          groupsExcludePattern: "connector-.*,__.*",
          sourceConnector: {
            tasksMax: 2,
            config: {
              ...policy,
              "replication.factor": 1,
              "offset-syncs.topic.replication.factor": 1,
              "refresh.topics.interval.seconds": 2,
              "sync.topic.acls.enabled": false,
              "consumer.auto.offset.reset": "earliest",
              "consumer.isolation.level": "read_committed",
              "exactly.once.support": "required",
            },
          },
          checkpointConnector: {
            config: {
              ...policy,
              "checkpoints.topic.replication.factor": 1,
              "refresh.groups.interval.seconds": 2,
              "emit.checkpoints.interval.seconds": 1,
              "sync.group.offsets.enabled": true,
              "sync.group.offsets.interval.seconds": 1,
            },
          },
        },
      ],
    };
  };
}
