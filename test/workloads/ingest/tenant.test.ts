import { join } from "node:path";
import { CreateBucketCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { clientOf } from "../../../local/camera";
import { startRgw } from "../../../local/services/rgw";
import { ObjectMissingError, ObjectStore, StoreUnavailableError } from "../../../workloads/src/lib/objectStore";
import { testAddress, testFolder } from "../../support/network";

it("B3: a bucket of a tenant, rubin:bucket, is read as any other, by profile and by keys", async () => {
  const { dir, remove } = testFolder("tenant");
  const user = { uid: "lfa", accessKey: "lfa-access", secretKey: "lfa/secret+key", tenant: "rubin" };
  const rgw = await startRgw({ dir: join(dir, "rgw"), address: testAddress(2), users: [user] });
  try {
    const s3 = clientOf({ endpoint: rgw.endpoint, ...user, name: "rubinobs-lfa-cp" });
    await s3.send(new CreateBucketCommand({ Bucket: "rubinobs-lfa-cp" }));
    await s3.send(new PutObjectCommand({ Bucket: "rubinobs-lfa-cp", Key: "a/b c#.fits", Body: "12345" }));
    const limits = { S3_CONCURRENCY: 4, S3_TIMEOUT: 2 };
    const keys = { AWS_ACCESS_KEY_ID: user.accessKey, AWS_SECRET_ACCESS_KEY: user.secretKey };
    const byKeys = new ObjectStore(
      { BUCKET: "rubin:rubinobs-lfa-cp", S3_ENDPOINT_URL: rgw.endpoint, ...keys, ...limits },
      {},
    );
    const url = new URL(rgw.endpoint);
    const profile = `http://${user.accessKey}:${encodeURIComponent(user.secretKey)}@${url.host}`;
    const byProfile = new ObjectStore(
      { BUCKET: "my-own@rubin:rubinobs-lfa-cp", ...limits },
      { "LSST_RESOURCES_S3_PROFILE_my-own": profile },
    );
    expect(await byKeys.head("rubin:rubinobs-lfa-cp/a/b c#.fits")).toMatchObject({ size: 5, key: "a/b c#.fits" });
    expect((await byProfile.read("a/b c#.fits", 3)).toString()).toBe("123");
    for await (const page of byProfile.list("a/")) expect(page).toMatchObject([{ key: "a/b c#.fits", size: 5 }]);
    await expect(byKeys.read("a/none")).rejects.toThrow(ObjectMissingError);
    await byKeys.check();
    await rgw.stop();
    await expect(byKeys.head("rubin:rubinobs-lfa-cp/a/b")).rejects.toThrow(StoreUnavailableError);
  } finally {
    await rgw.stop();
    remove();
  }
});

it.each([
  [
    "a profile without its variable",
    "embargo@b",
    {},
    'LSST_RESOURCES_S3_PROFILE_embargo is missing: the endpoint and keys of profile "embargo"',
  ],
  [
    "a malformed profile, whose value it does not show",
    "e@b",
    { LSST_RESOURCES_S3_PROFILE_e: "topsecret" },
    "LSST_RESOURCES_S3_PROFILE_e (secret, value not shown) is not https://ACCESS:SECRET@host",
  ],
  [
    "no profile and no keys",
    "b",
    {},
    'S3_ENDPOINT_URL is missing: BUCKET "b" names no profile, so its endpoint and keys come from it',
  ],
])("names what is wrong: %s", (_about, BUCKET, environment, message) => {
  expect(() => new ObjectStore({ BUCKET, S3_CONCURRENCY: 1, S3_TIMEOUT: 1 }, environment)).toThrow(message);
});
