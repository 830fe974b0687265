import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { notificationProvider, topicProvider } from "../../components/ceph";
import { type Bucket, clientOf } from "../../local/camera";
import { type RunningRgw, startRgw } from "../../local/services/rgw";

/** Profile that tests give to the user of the gateway. */
export const testProfile = "embargo";
const user = { uid: "camera", accessKey: "camera-access", secretKey: "camera-secret" };

/** A gateway with one user, whom the workloads know as profile {@link testProfile}. */
export interface TestGateway {
  readonly rgw: RunningRgw;
  bucket(name: string): Bucket;
  createBucket(name: string): Promise<Bucket>;
  /** Sends the creations in a bucket to a URL, by a persistent topic of the given name. */
  notify(bucket: string, topic: string, pushEndpoint: string, secret?: string): Promise<void>;
  /** Environment of workloads that read from this gateway. */
  readonly env: Readonly<Record<string, string>>;
}

export async function startGateway(dir: string, address: string): Promise<TestGateway> {
  const rgw = await startRgw({ dir, address, users: [user] });
  const access = { url: rgw.endpoint, accessKeyId: user.accessKey, secretAccessKey: user.secretKey };
  const bucket = (name: string): Bucket => ({ endpoint: rgw.endpoint, ...user, name });
  const { protocol, host } = new URL(rgw.endpoint);
  return {
    rgw,
    bucket,
    async createBucket(name) {
      const s3 = clientOf(bucket(name));
      await s3.send(new CreateBucketCommand({ Bucket: name }));
      s3.destroy();
      return bucket(name);
    },
    async notify(name, topic, pushEndpoint, secret = "") {
      const { outs } = await topicProvider.create({
        rgw: access,
        name: topic,
        pushEndpoint,
        opaqueData: secret,
        persistent: true,
      });
      const events = ["s3:ObjectCreated:*"];
      await notificationProvider.create({ rgw: access, bucket: name, entryId: topic, topicArn: outs.arn, events });
    },
    env: {
      [`LSST_RESOURCES_S3_PROFILE_${testProfile}`]: `${protocol}//${user.accessKey}:${user.secretKey}@${host}`,
    },
  };
}
