import type { NotificationInputs, TopicInputs } from "../../components/ceph";
import type { RecordedObject } from "./manifest";

/** What the recorded stack wants of the gateway. */
export interface CephDesired {
  readonly buckets: readonly string[];
  readonly policies: readonly { readonly bucket: string; readonly policy: string }[];
  readonly topics: readonly TopicInputs[];
  readonly notifications: readonly NotificationInputs[];
}

/** Users that the bucket policies speak of: `user`, or `tenant$user`. */
export function usersOf(policies: CephDesired["policies"]): string[] {
  const names = policies.flatMap(({ policy }) =>
    [...policy.matchAll(/arn:aws:iam::([^:"]*):user\/([^"]+)/g)].map(([, tenant, user]) =>
      tenant ? `${tenant}$${user}` : user!,
    ),
  );
  return [...new Set(names)].sort();
}

/** Reads the Ceph resources of a recorded stack. */
export function readCeph(recorded: readonly RecordedObject[]): CephDesired {
  const of = <T>(suffix: string) =>
    recorded.filter(({ type }) => type.endsWith(suffix)).map(({ inputs }) => inputs as unknown as T);
  const policies = of<CephDesired["policies"][number]>("bucketPolicy:BucketPolicy");
  const topics = of<TopicInputs>(":NotificationTopic");
  const notifications = of<NotificationInputs>(":BucketNotification");
  const buckets = [...new Set([...policies, ...notifications].map(({ bucket }) => bucket))].sort();
  return { buckets, policies, topics, notifications };
}
