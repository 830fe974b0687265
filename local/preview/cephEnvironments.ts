import type { RecordedResource } from "../record";
import type { DeclaredObject } from "./model";
import { containersOf, envOf } from "./pods";

interface CephResources {
  readonly topics: readonly RecordedResource[];
  readonly notifications: readonly RecordedResource[];
  readonly kubernetes: readonly DeclaredObject[];
  readonly gatewayOf: (resource: RecordedResource) => { name: string; url: string };
}

/**
 * Which environment a topic or bucket of Ceph serves. A topic serves the environment whose enqueue it feeds; a bucket
 * the one that ingests it; of several the one that its notifications go to (`<bucket>-users` belongs to `<bucket>`).
 * What serves none goes by its gateway's name.
 */
export function cephEnvironments({ topics, notifications, kubernetes, gatewayOf }: CephResources) {
  const byTopic = new Map(topics.map((topic) => [topic.urn, receiverOf(topic, kubernetes)?.environment]));
  const served = new Map<string, string>();
  for (const notification of notifications) {
    const { bucket, topicArn } = notification.inputs as { bucket: string; topicArn: string };
    const gateway = gatewayOf(notification).name;
    const topic = topics.find((one) => gatewayOf(one).name === gateway && endsWithName(topicArn, one.inputs.name));
    const environment = topic && byTopic.get(topic.urn);
    if (environment) served.set(`${gateway} ${bucket}`, environment);
  }
  const ingesters = kubernetes.flatMap((object) =>
    containersOf(object).flatMap((container) => {
      const bucket = envOf(container, "BUCKET");
      return bucket === undefined ? [] : [{ bucket: bareBucket(bucket), environment: object.environment }];
    }),
  );
  const ofBucket = (resource: RecordedResource, bucket: string): string => {
    const gateway = gatewayOf(resource).name;
    const raw = bucket.replace(/-users$/, "");
    const ingesting = new Set(ingesters.filter((one) => one.bucket === raw).map(({ environment }) => environment));
    const [only] = ingesting.size === 1 ? ingesting : [];
    return only ?? served.get(`${gateway} ${raw}`) ?? [...ingesting][0] ?? gateway;
  };
  const ofTopic = (topic: RecordedResource): string => {
    const gateway = gatewayOf(topic).name;
    const fed = notifications.find(
      (one) => gatewayOf(one).name === gateway && endsWithName(String(one.inputs.topicArn), topic.inputs.name),
    );
    return byTopic.get(topic.urn) ?? (fed ? ofBucket(fed, String(fed.inputs.bucket)) : gateway);
  };
  return { ofTopic, ofBucket };
}

/** The pods' object that a topic feeds: enqueue that reads its Kafka topic, or behind the Service that it pushes to. */
export function receiverOf(topic: RecordedResource, kubernetes: readonly DeclaredObject[]): DeclaredObject | undefined {
  const { name, pushEndpoint } = topic.inputs as { name: string; pushEndpoint: string };
  const kafka = /^kafka:\/\/(.+?)\/?$/.exec(pushEndpoint)?.[1];
  if (kafka !== undefined) {
    return kubernetes.find((object) =>
      containersOf(object).some(
        (container) =>
          envOf(container, "KAFKA_TOPIC") === name &&
          envOf(container, "KAFKA_CLUSTER")
            ?.split(",")
            .some((broker) => kafka.split(",").includes(broker)),
      ),
    );
  }
  const host = /^https?:\/\/(?:[^/@]+@)?([^/:]+)/.exec(pushEndpoint)?.[1];
  return host === undefined
    ? undefined
    : kubernetes.find((object) => object.kind === "Service" && isHostOf(host, object));
}

/** Whether a host name or address is that of a Service. */
export function isHostOf(host: string, { content }: DeclaredObject): boolean {
  const { metadata } = content as {
    metadata: { name: string; namespace?: string; annotations?: Record<string, string> };
  };
  const { name, namespace = "default", annotations = {} } = metadata;
  const addresses = (annotations["metallb.io/loadBalancerIPs"] ?? "").split(",");
  return addresses.includes(host) || host === `${name}.${namespace}` || host.startsWith(`${name}.${namespace}.svc`);
}

/** `[profile@][tenant:]bucket` without profile and tenant. */
export function bareBucket(bucket: string): string {
  return bucket.replace(/^.*@/, "").replace(/^.*:/, "");
}

function endsWithName(arn: string, name: unknown): boolean {
  return arn.slice(arn.lastIndexOf(":") + 1) === name;
}
