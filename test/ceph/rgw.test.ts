/** Topics, notifications and policies against a real Ceph RGW. */
import { createServer, type Server } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketNotificationConfigurationCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { CreateTopicCommand, SNSClient } from "@aws-sdk/client-sns";
import {
  getNotifications,
  getTopic,
  notificationProvider,
  policyDocument,
  type RgwAccess,
  topicProvider,
} from "../../components/ceph";
import { declarationOf } from "../../local/preview/declaration";
import { textOf } from "../../local/preview/render";
import { recordStack } from "../../local/record";
import { type RunningRgw, startRgw } from "../../local/services/rgw";

const address = "127.77.21.1";
const owner = { accessKeyId: "owner-access", secretAccessKey: "owner-secret-key" };
const guest = { accessKeyId: "guest-access", secretAccessKey: "guest-secret-key" };
let gateway: RunningRgw;
let dir: string;
let rgw: RgwAccess;
let s3: S3Client;
let receiver: Server;
/** Keys that the webhook got, with path and opaque data of the push. */
const received: { path: string; key: string; opaqueData: string }[] = [];

const client = (keys: { accessKeyId: string; secretAccessKey: string }) =>
  new S3Client({ endpoint: gateway.endpoint, region: "default", forcePathStyle: true, credentials: { ...keys } });
const put = (bucket: string, key: string) => s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: "x" }));
const until = async (what: string, condition: () => boolean, timeoutMs = 45_000) => {
  for (const end = Date.now() + timeoutMs; !condition(); await new Promise((done) => setTimeout(done, 50)))
    if (Date.now() > end) throw new Error(`${what} did not come within ${timeoutMs} ms`);
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "usdf-ceph-"));
  const user = (uid: string, keys: typeof owner) => ({
    uid,
    accessKey: keys.accessKeyId,
    secretKey: keys.secretAccessKey,
  });
  gateway = await startRgw({ dir, address, users: [user("owner", owner), user("guest", guest)] });
  rgw = { url: gateway.endpoint, zonegroup: "default", ...owner };
  s3 = client(owner);
  receiver = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      for (const record of JSON.parse(body).Records)
        received.push({ path: request.url!, key: record.s3.object.key, opaqueData: record.opaqueData });
      response.end();
    });
  }).listen(8080, address);
  for (const bucket of ["raw-a", "raw-b", "raw-c"]) await s3.send(new CreateBucketCommand({ Bucket: bucket }));
});

afterAll(async () => {
  receiver?.close();
  s3?.destroy();
  await gateway?.stop();
  await rm(dir, { recursive: true, force: true });
});

const topicInputs = (name: string, path: string, opaqueData = "") => ({
  rgw,
  name,
  pushEndpoint: `http://${address}:8080/${path}`,
  opaqueData,
  persistent: false,
});

describe("topic", () => {
  it("is created, read back whole, and shows each attribute that drifted", async () => {
    const inputs = {
      rgw,
      name: "drift",
      pushEndpoint: "kafka://127.0.0.1:9094",
      opaqueData: "a&b=c+d e%",
      persistent: true,
      timeToLiveSeconds: 60,
      maxRetries: 3,
      retrySleepSeconds: 10,
      kafkaAckLevel: "none",
      useSsl: true,
      caLocation: "/etc/ca.pem",
    };
    const { id, outs } = await topicProvider.create(inputs);
    expect(id).toBe("arn:aws:sns:default::drift");
    expect(await topicProvider.read(id, outs)).toEqual({ id, props: outs });
    expect(await topicProvider.diff(id, outs, inputs)).toMatchObject({ changes: false, replaces: [] });

    // Someone changes it by hand.
    const byHand = { ...inputs, pushEndpoint: "kafka://127.0.0.1:9095", maxRetries: 5, opaqueData: "x", useSsl: false };
    await topicProvider.create(byHand);
    const { props } = await topicProvider.read(id, outs);
    const { pushEndpoint, maxRetries, opaqueData, useSsl, timeToLiveSeconds } = props!;
    expect({ pushEndpoint, maxRetries, opaqueData, useSsl, timeToLiveSeconds }).toEqual({
      pushEndpoint: "kafka://127.0.0.1:9095",
      maxRetries: 5,
      opaqueData: "x",
      useSsl: false,
      timeToLiveSeconds: 60,
    });
    expect(await topicProvider.diff(id, props!, inputs)).toMatchObject({ changes: true, replaces: [] });
    await topicProvider.update(id, props!, inputs);
    expect(await topicProvider.read(id, outs)).toEqual({ id, props: outs });

    await topicProvider.delete(id, outs);
    expect(await topicProvider.read(id, outs)).toEqual({});
    await topicProvider.delete(id, outs);
  });

  it("says what failed, where, why and what to do", async () => {
    const inputs = topicInputs("faults", "f");
    const away = `http://${address}:1`;
    await expect(topicProvider.create({ ...inputs, rgw: { ...rgw, url: away } })).rejects.toThrow(
      `CreateTopic "faults" at ${away} failed: ECONNREFUSED (connect ECONNREFUSED ${address}:1). Is the gateway up, and is its URL right?`,
    );
    await expect(topicProvider.create({ ...inputs, rgw: { ...rgw, secretAccessKey: "wrong" } })).rejects.toThrow(
      `CreateTopic "faults" at ${rgw.url} failed: AccessDenied. Use the credentials of the owner of the bucket or topic.`,
    );
  });
});

describe("bucket notification", () => {
  const entry = (bucket: string, topic: { arn: string; revision: string }, entryId = "own") => ({
    rgw,
    bucket,
    entryId,
    topicArn: topic.arn,
    topicRevision: topic.revision,
    events: ["s3:ObjectCreated:*"],
    suffix: ".fits",
  });

  it("takes a topic's new attributes, since the gateway copies them into the bucket", async () => {
    const { id, outs } = await topicProvider.create(topicInputs("attributes", "old", "secret-1"));
    const inputs = entry("raw-a", outs);
    await notificationProvider.create(inputs);
    await put("raw-a", "1.fits");
    await until("1.fits", () => received.some(({ key }) => key === "1.fits"));
    const { outs: changed } = await topicProvider.update(id, outs, topicInputs("attributes", "new", "secret-2"));
    expect(changed.revision).not.toBe(outs.revision);

    const news = entry("raw-a", changed);
    const diff = await notificationProvider.diff("raw-a/own", inputs, news);
    expect(diff).toMatchObject({ changes: true, replaces: [] });
    await notificationProvider.update("raw-a/own", inputs, news);
    await put("raw-a", "2.fits");
    await put("raw-a", "2.json");
    await until("2.fits", () => received.some(({ key }) => key === "2.fits"));
    expect(received.filter(({ key }) => /^[12]\./.test(key))).toEqual([
      { path: "/old", key: "1.fits", opaqueData: "secret-1" },
      { path: "/new", key: "2.fits", opaqueData: "secret-2" },
    ]);
  });

  it("moves to another topic while objects are PUT and misses none; other entries stay as they are", async () => {
    const { outs: first } = await topicProvider.create(topicInputs("gap-1", "gap-1"));
    const { outs: second } = await topicProvider.create(topicInputs("gap-2", "gap-2"));
    const { outs: foreign } = await topicProvider.create(topicInputs("foreign", "foreign"));
    await notificationProvider.create(entry("raw-b", foreign, "of-others"));
    const before = entry("raw-b", first);
    await notificationProvider.create(before);

    let writing = true;
    const keys: string[] = [];
    const writers = [0, 1, 2].map(async (writer) => {
      for (let i = 0; writing; i++) {
        const key = `gap/${writer}-${i}.fits`;
        await put("raw-b", key);
        keys.push(key);
      }
    });
    for (const topic of [second, first, second]) {
      await notificationProvider.update("raw-b/own", before, entry("raw-b", topic));
      await new Promise((done) => setTimeout(done, 200));
    }
    writing = false;
    await Promise.all(writers);
    expect(keys.length).toBeGreaterThan(20);

    const own = () => new Set(received.filter(({ path }) => path.startsWith("/gap-")).map(({ key }) => key));
    await until("notifications", () => own().size >= keys.length, 5000).catch(() => {});
    expect(keys.filter((key) => !own().has(key))).toEqual([]);
    const others = new Set(received.filter(({ path }) => path === "/foreign").map(({ key }) => key));
    expect(keys.filter((key) => !others.has(key))).toEqual([]);
    expect((await getNotifications(rgw, "raw-b"))!.map(({ id, topicArn }) => [id, topicArn])).toEqual([
      ["of-others", foreign.arn],
      ["own", second.arn],
    ]);

    await notificationProvider.delete("raw-b/own", entry("raw-b", second));
    expect((await getNotifications(rgw, "raw-b"))!.map(({ id }) => id)).toEqual(["of-others"]);
    expect(await notificationProvider.read("raw-b/own", entry("raw-b", second))).toEqual({});
  });

  it("shows and mends drift: other events, another topic, a move that was interrupted", async () => {
    const { outs: first } = await topicProvider.create(topicInputs("mend-1", "m"));
    const { outs: second } = await topicProvider.create(topicInputs("mend-2", "m"));
    const inputs = entry("raw-c", first);
    await notificationProvider.create(inputs);
    expect(await notificationProvider.read("raw-c/own", inputs)).toEqual({ id: "raw-c/own", props: inputs });

    await notificationProvider.create({ ...inputs, events: ["s3:ObjectRemoved:*"], suffix: undefined as never });
    const { props } = await notificationProvider.read("raw-c/own", inputs);
    expect(props!.events).toEqual(["s3:ObjectRemoved:*"]);
    expect(props).not.toHaveProperty("suffix");
    expect(await notificationProvider.diff("raw-c/own", props!, inputs)).toMatchObject({ changes: true });
    await notificationProvider.update("raw-c/own", props!, inputs);
    expect(await notificationProvider.read("raw-c/own", inputs)).toEqual({ id: "raw-c/own", props: inputs });

    // An entry of the same id for a second topic, as the gateway would keep after an interrupted move.
    const stray = { Id: "own", TopicArn: second.arn, Events: ["s3:ObjectCreated:*" as const] };
    const NotificationConfiguration = { TopicConfigurations: [stray, { ...stray, Id: "own-interim" }] };
    await s3.send(new PutBucketNotificationConfigurationCommand({ Bucket: "raw-c", NotificationConfiguration }));
    const drifted = (await notificationProvider.read("raw-c/own", inputs)).props!;
    expect(drifted.topicArn).toBe(`${first.arn} and ${second.arn}`);
    expect(await notificationProvider.diff("raw-c/own", drifted, inputs)).toMatchObject({ changes: true });
    await notificationProvider.update("raw-c/own", drifted, inputs);
    expect((await getNotifications(rgw, "raw-c"))!.map(({ id, topicArn }) => [id, topicArn])).toEqual([
      ["own", first.arn],
    ]);
  });

  it("is gone with its bucket, without an error", async () => {
    const inputs = entry("never-made", { arn: "arn:aws:sns:default::x", revision: "" });
    expect(await notificationProvider.read("never-made/own", inputs)).toEqual({});
    await notificationProvider.delete("never-made/own", inputs);
    await expect(notificationProvider.create(inputs)).rejects.toThrow(
      /id "own" to arn:aws:sns:default::x.*NoSuchBucket/,
    );
    expect(await getTopic(rgw, "arn:aws:sns:default::x")).toBeUndefined();
  });
});

describe("policy", () => {
  const outcome = (run: Promise<unknown>) =>
    run.then(
      () => "ok",
      (error: Error) => error.name,
    );

  it("gives a reader what it may and no more, and a deny on a prefix wins", async () => {
    const bucket = "raw-a";
    await put(bucket, "open/1.fits");
    await put(bucket, "closed/1.fits");
    const other = client(guest);
    const set = (grants: Parameters<typeof policyDocument>[1]) =>
      s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policyDocument(bucket, grants)) }));
    const get = (key: string) => outcome(other.send(new GetObjectCommand({ Bucket: bucket, Key: key })));
    const write = (key: string) => outcome(other.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: "x" })));
    const list = (prefix?: string) => outcome(other.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix })));

    expect([await get("open/1.fits"), await list()]).toEqual(["AccessDenied", "AccessDenied"]);
    await set([{ name: "r", to: ["guest"], right: "reader" }]);
    expect([await get("open/1.fits"), await list(), await write("x")]).toEqual(["ok", "ok", "AccessDenied"]);
    await set([
      { name: "w", to: ["guest"], right: "writer" },
      { name: "d", effect: "deny", to: ["guest"], right: "uploader", prefix: "raw/" },
    ]);
    expect([await write("raw/x"), await write("x")]).toEqual(["AccessDenied", "ok"]);
    await set([{ name: "p", to: ["guest"], right: "reader", prefix: "open/" }]);
    expect([await get("open/1.fits"), await list("open/"), await get("closed/1.fits"), await list()]).toEqual([
      "ok",
      "ok",
      "AccessDenied",
      "AccessDenied",
    ]);
    other.destroy();
  });
});

it("takes every rendered policy, topic and notification of prod as it stands in its file", async () => {
  const { objects } = declarationOf(await recordStack("prod"));
  // This gateway has one zonegroup, default.
  const here = objects.filter(({ place }) => place === "https://s3dfrgw.slac.stanford.edu");
  const files = (type: string) =>
    here.filter((one) => one.type === type).map((one) => ({ bucket: one.name, json: JSON.parse(textOf(one)) }));
  const sns = new SNSClient({ endpoint: rgw.url, region: "default", credentials: owner });
  for (const { json } of files("topic")) await sns.send(new CreateTopicCommand(json));
  // Prompt Processing's own.
  await sns.send(new CreateTopicCommand({ Name: "rubin-prompt-processing-prod" }));
  sns.destroy();
  for (const bucket of new Set(here.filter(({ type }) => type !== "topic").map(({ name }) => name)))
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  for (const { bucket, json } of files("policy")) {
    await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(json) }));
    const { Policy } = await s3.send(new GetBucketPolicyCommand({ Bucket: bucket }));
    expect(JSON.parse(Policy!)).toEqual(json);
  }
  for (const { bucket, json } of files("notification")) {
    const put = { Bucket: bucket, NotificationConfiguration: json };
    await s3.send(new PutBucketNotificationConfigurationCommand(put));
    const ids = (await getNotifications(rgw, bucket))!.map(({ id }) => id);
    expect(ids).toEqual(json.TopicConfigurations.map(({ Id }: { Id: string }) => Id));
  }
  expect([files("policy").length, files("topic").length, files("notification").length]).toEqual([10, 3, 3]);
});
