import {
  notificationProvider,
  topicProvider,
  type NotificationInputs,
  type RgwAccess,
  type TopicInputs,
  type TopicOutputs,
} from "../../components/ceph";
import { readJson, writeJson } from "../state";
import type { CephDesired } from "./ceph-desired";

/** What was applied, opaque data included, so the file is for this user only; keys of the gateway are not in it. */
interface Applied {
  topics: Record<string, TopicOutputs>;
  notifications: Record<string, NotificationInputs>;
}

export interface ApplyCephOptions {
  readonly desired: CephDesired;
  /** The gateway with the keys of the buckets' owner. */
  readonly rgw: RgwAccess;
  /** File that keeps what was applied. */
  readonly stateFile: string;
  /** Secret for a mark in the recorded inputs. */
  readonly resolveSecret: (mark: string) => Promise<string>;
  /** Addresses for names. */
  readonly resolveEndpoint: (endpoint: string, topic: string) => Promise<string>;
}

/**
 * Makes topics and notifications as the stack wants them, with the same functions that the Pulumi engine
 * runs; what is as wanted already is left alone, what is wanted no more is removed.
 * @returns What changed, e.g. `topic rubin-summit`.
 */
export async function applyCeph(options: ApplyCephOptions): Promise<string[]> {
  const { desired, rgw, stateFile } = options;
  const saved = readJson<Applied>(stateFile, { topics: {}, notifications: {} });
  const applied = { topics: withAccess(saved.topics, rgw), notifications: withAccess(saved.notifications, rgw) };
  const changed: string[] = [];
  const was = applied.topics;
  const topics: Record<string, TopicOutputs> = {};
  for (const recorded of desired.topics) {
    const { name } = recorded;
    const inputs: TopicInputs = {
      ...recorded,
      rgw,
      opaqueData: await options.resolveSecret(recorded.opaqueData ?? ""),
      pushEndpoint: await options.resolveEndpoint(recorded.pushEndpoint, name),
    };
    const old = was[name];
    const found = old && (await topicProvider.read(old.arn, old)).props;
    if (found && !(await topicProvider.diff(old.arn, found as TopicOutputs, inputs)).changes) {
      topics[name] = old;
      continue;
    }
    topics[name] = (await topicProvider.create(inputs)).outs;
    changed.push(`topic ${name}`);
  }
  const notifications: Record<string, NotificationInputs> = {};
  for (const recorded of desired.notifications) {
    const key = `${recorded.bucket}/${recorded.entryId}`;
    const topic = topics[recorded.topicArn.slice(recorded.topicArn.lastIndexOf(":") + 1)];
    const inputs = { ...recorded, rgw, topicArn: topic?.arn ?? recorded.topicArn, topicRevision: topic?.revision };
    const old = applied.notifications[key];
    const found = old && (await notificationProvider.read(key, old)).props;
    notifications[key] = inputs;
    if (found && !(await notificationProvider.diff(key, found, inputs)).changes) continue;
    await notificationProvider.create(inputs);
    changed.push(`notification ${key}`);
  }
  for (const [key, old] of Object.entries(applied.notifications)) {
    if (key in notifications) continue;
    await notificationProvider.delete(key, old);
    changed.push(`notification ${key} removed`);
  }
  for (const [name, old] of Object.entries(was)) {
    if (name in topics) continue;
    await topicProvider.delete(old.arn, old);
    changed.push(`topic ${name} removed`);
  }
  const keyless = { url: rgw.url };
  writeJson(stateFile, { topics: withAccess(topics, keyless), notifications: withAccess(notifications, keyless) });
  return changed;
}

function withAccess<T extends { rgw: RgwAccess }>(all: Record<string, T>, rgw: RgwAccess): Record<string, T> {
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [key, { ...value, rgw }]));
}

/** Makes the buckets that the stack speaks of, with their policies. @returns What changed. */
export async function makeBuckets({ buckets, policies }: CephDesired, rgw: RgwAccess): Promise<string[]> {
  const sdk = await import("@aws-sdk/client-s3");
  const client = new sdk.S3Client({
    endpoint: rgw.url,
    region: "default",
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    credentials: { accessKeyId: rgw.accessKeyId!, secretAccessKey: rgw.secretAccessKey! },
  });
  const changed: string[] = [];
  try {
    for (const bucket of buckets) {
      const exists = await client.send(new sdk.HeadBucketCommand({ Bucket: bucket })).then(() => true, () => false); // prettier-ignore
      if (exists) continue;
      await client.send(new sdk.CreateBucketCommand({ Bucket: bucket }));
      changed.push(`bucket ${bucket}`);
    }
    for (const { bucket, policy } of policies) {
      const answer = await client.send(new sdk.GetBucketPolicyCommand({ Bucket: bucket })).catch(() => undefined);
      if (answer?.Policy && sameJson(answer.Policy, policy)) continue;
      await client.send(new sdk.PutBucketPolicyCommand({ Bucket: bucket, Policy: policy }));
      changed.push(`policy of ${bucket}`);
    }
  } finally {
    client.destroy();
  }
  return changed;
}

function sameJson(a: string, b: string): boolean {
  return JSON.stringify(JSON.parse(a)) === JSON.stringify(JSON.parse(b));
}
