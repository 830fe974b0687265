import { nearest } from "../../../workloads/src/lib/contract";
import { bareBucket, receiverOf } from "../cephEnvironments";
import type { DeclaredObject } from "../model";
import { containersOf, envOf, type Container } from "../pods";
import { byNamespace, error, warning, type StackFinding } from "./finding";

interface Role {
  readonly object: DeclaredObject;
  readonly container: Container;
}

/**
 * The way from a bucket to its ingester: a notification to a topic that is there, a topic to a receiver, and in each
 * namespace every queue both filled and emptied.
 */
export function checkQueues(objects: readonly DeclaredObject[]): StackFinding[] {
  return [...checkNotifications(objects), ...byNamespace(objects).flatMap((group) => checkNamespace(group, objects))];
}

function checkNotifications(objects: readonly DeclaredObject[]): StackFinding[] {
  const topics = objects.filter(({ type }) => type === "topic");
  const kubernetes = objects.filter(({ type }) => type === "kubernetes");
  const used = new Set<DeclaredObject>();
  const findings: StackFinding[] = [];
  for (const object of objects.filter(({ type }) => type === "notification")) {
    const here = topics.filter(({ place }) => place === object.place);
    for (const { inputs } of object.resources) {
      const { entryId, topicArn, topicRevision } = inputs as {
        entryId: string;
        topicArn: string;
        topicRevision?: string;
      };
      const name = topicArn.slice(topicArn.lastIndexOf(":") + 1);
      const topic = here.find((one) => one.name === name);
      if (topic) {
        used.add(topic);
        const zonegroup = (topic.resources[0]!.inputs.rgw as { zonegroup?: string }).zonegroup ?? "default";
        if (topicArn.split(":")[3] !== zonegroup)
          findings.push(
            error(object, `entry ${entryId} goes to ${topicArn}, but the topic is in zonegroup ${zonegroup}.`),
          );
        continue;
      }
      const meant = nearest(
        name,
        here.map((one) => one.name),
      );
      const message = `entry ${entryId} goes to topic ${topicArn}, which does not exist in this stack`;
      // An ARN that is written out may be another project's topic; one that came from a topic, or nearly names one, may not.
      findings.push(
        meant
          ? error(object, `${message}. Did you mean ${meant}?`)
          : topicRevision
            ? error(object, `${message}. Declare the topic.`)
            : warning(object, `${message}: someone else must keep it, else the gateway refuses the entry.`),
      );
    }
  }
  for (const topic of topics) {
    if (!used.has(topic))
      findings.push(warning(topic, "no bucket of this stack notifies it. Declare a notification, or remove it."));
    const { pushEndpoint } = topic.resources[0]!.inputs as { pushEndpoint: string };
    if (/^http/.test(pushEndpoint) && !receiverOf(topic.resources[0]!, kubernetes))
      findings.push(
        warning(topic, `pushes to ${pushEndpoint}, which is no Service of this stack. Is the address right?`),
      );
  }
  return findings;
}

function checkNamespace(group: readonly DeclaredObject[], objects: readonly DeclaredObject[]): StackFinding[] {
  const find = (component: string): Role[] =>
    group.flatMap((object) =>
      containersOf(object)
        .filter((container) => container.name === component)
        .map((container) => ({ object, container })),
    );
  const feeders = find("enqueue");
  const ingesters = find("ingest").filter(({ object }) => object.kind !== "CronJob");
  const fed = new Map<string, Role>();
  for (const feeder of feeders)
    for (const bucket of listOf(envOf(feeder.container, "BUCKETS"))) fed.set(bucket, feeder);
  const emptied = ingesters.map(({ container }) => envOf(container, "BUCKET") ?? "");
  const findings: StackFinding[] = [];
  for (const [bucket, { object }] of fed) {
    if (emptied.includes(bucket)) continue;
    const advice = emptied.length > 0 ? ` Ingesters here take ${emptied.join(", ")}.` : " Declare one.";
    findings.push(error(object, `queue ${bucket} has no ingester in its namespace.${advice}`));
  }
  for (const { object, container } of ingesters) {
    const bucket = envOf(container, "BUCKET") ?? "";
    const open = feeders.some((feeder) => listOf(envOf(feeder.container, "BUCKETS")).length === 0);
    if (fed.has(bucket) || open) continue;
    const advice =
      feeders.length > 0 ? ` Enqueue here fills ${[...fed.keys()].join(", ")}.` : " No enqueue is declared.";
    findings.push(error(object, `queue ${bucket} is filled by nothing in its namespace.${advice}`));
  }
  for (const feeder of feeders) {
    const wanted = listOf(envOf(feeder.container, "BUCKETS"));
    const notified = notifiedBuckets(feeder, group, objects);
    for (const bucket of wanted.filter((one) => !notified.has(bareBucket(one))))
      findings.push(
        warning(
          feeder.object,
          `no notification of bucket ${bareBucket(bucket)} in this stack reaches it. Declare one, unless someone else keeps it.`,
        ),
      );
    for (const [bucket, topic] of wanted.length > 0 ? notified : []) {
      if (wanted.some((one) => bareBucket(one) === bucket)) continue;
      const message = `gets notifications of bucket ${bucket} by topic ${topic}, but ingests ${wanted.join(", ")} only`;
      findings.push(
        warning(feeder.object, `${message}: they are dead-lettered. Feed it by a topic of its own bucket.`),
      );
    }
  }
  return findings;
}

/** Buckets whose notifications reach an enqueue by a topic of the stack, with the name of that topic. */
function notifiedBuckets(
  feeder: Role,
  group: readonly DeclaredObject[],
  objects: readonly DeclaredObject[],
): Map<string, string> {
  const reached = new Map<string, string>();
  for (const notification of objects.filter(({ type }) => type === "notification")) {
    for (const { inputs } of notification.resources) {
      const name = String(inputs.topicArn).split(":").pop();
      const topic = objects.find(
        (one) => one.type === "topic" && one.place === notification.place && one.name === name,
      );
      // A webhook's receiver is the Service of the namespace, a Kafka topic's the enqueue itself.
      const receiver = topic && receiverOf(topic.resources[0]!, group);
      if (receiver && (receiver.kind === "Service" || receiver === feeder.object))
        reached.set(notification.name, name!);
    }
  }
  return reached;
}

function listOf(text = ""): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean);
}
