import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { declarationOf } from "../../local/preview/declaration";
import { filesOf, marker, renderTo } from "../../local/preview/render";
import { recordStack } from "../../local/record";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "usdf-render-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const render = async (stack: string, config?: Parameters<typeof recordStack>[1]) =>
  declarationOf(await recordStack(stack, config));
const readJson = async (file: string) => JSON.parse(await readFile(join(folder, file), "utf8"));
const filesIn = async () =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

describe("render", () => {
  it("writes one file an object, by system and namespace", async () => {
    const declaration = await render("prod");
    const { written, removed } = await renderTo(folder, declaration);
    expect(removed).toEqual([]);
    expect(await filesIn()).toEqual([marker, ...written].sort());
    expect(written).toEqual(
      expect.arrayContaining([
        "embargo/bts/Namespace-bts.yaml",
        "embargo/bts/Deployment-bts-butler-ingest.yaml",
        "embargo/summit-new/StatefulSet-redis.yaml",
        "embargo/lfa/PersistentVolumeClaim-sdf-group-rubin.yaml",
        "efd/prod-lsstcam/CronJob-transformed-efd-prod.yaml",
        "ceph/bts/policy-rubin-bts.json",
        "ceph/bts/policy-rubin-bts-users.json",
        "ceph/summit-new/notification-rubin-summit.json",
        "ceph/summit-new/topic-rubin-summit-notification-8.json",
      ]),
    );
    const policies = written
      .filter((file) => /policy-/.test(file))
      .map((file) => file.replace(/.*policy-|\.json$/g, ""));
    expect(policies.sort()).toEqual([
      "rubin-bts",
      "rubin-bts-users",
      "rubin-rubintv-data-bts",
      "rubin-rubintv-data-summit",
      "rubin-sts",
      "rubin-summit",
      "rubin-summit-dev",
      "rubin-summit-users",
      "rubin-tts",
      "rubin-tts-users",
    ]);
    for (const file of written.filter((one) => one.endsWith(".yaml"))) {
      const object = parse(await readFile(join(folder, file), "utf8"));
      const place = object.kind === "Namespace" ? object.metadata.name : object.metadata.namespace;
      const system = /^prod-/.test(place) ? "efd" : "embargo";
      expect(file).toBe(`${system}/${place}/${object.kind}-${object.metadata.name}.yaml`);
    }
  });

  it("writes policies, notifications and topics in the form of S3 and SNS", async () => {
    await renderTo(folder, await render("prod"));
    expect(await readJson("ceph/summit-new/topic-rubin-summit-notification-8.json")).toEqual({
      Name: "rubin-summit-notification-8",
      Attributes: {
        "push-endpoint": "kafka://172.24.10.54:9094",
        OpaqueData: "",
        persistent: "true",
        max_retries: "3",
        retry_sleep_duration: "10",
        time_to_live: "60",
      },
    });
    expect(await readJson("ceph/summit-new/notification-rubin-summit.json")).toEqual({
      TopicConfigurations: [
        {
          Id: "rubin-summit-notification-8",
          TopicArn: "arn:aws:sns:sdfembargo::rubin-summit-notification-8",
          Events: ["s3:ObjectCreated:*"],
        },
      ],
    });
    expect(await readJson("ceph/bts/policy-rubin-bts.json")).toMatchObject({
      Version: "2012-10-17",
      Statement: [{ Sid: "allow-rubin-summit-users-read-rubin-bts", Effect: "Allow" }],
    });
    const { Attributes } = await readJson("ceph/lfa/topic-rubinobs-lfa-cp.json");
    expect(Attributes["push-endpoint"]).toBe("http://172.24.10.41:8080/notify");
    expect(Attributes.OpaqueData).toBe("[secret secret/rubin/usdf-embargo-dmz/lfa#notification]");
  });

  it("writes no secret value, wherever it came from", async () => {
    const value = "v3ry-s3cret-value";
    const path = "secret/rubin/usdf-embargo-dmz/e";
    const config = {
      config: {
        "usdf:platform": { secrets: { kind: "value" } },
        "usdf:embargo": {
          environments: { e: { kubeContext: "c", bucket: "raw-e", butlerRepo: "s3://b/butler.yaml", profile: "p" } },
        },
        "usdf:ceph": {
          endpoints: {
            g: {
              url: "http://127.0.0.1:1",
              topics: { t: { to: { environment: "e" } } },
              buckets: { "raw-e": { notifications: { n: { topic: "t" } } } },
            },
          },
        },
        "usdf:secrets": Object.fromEntries(
          ["redis", "notification", "profile", "db-auth.yaml"].map((field) => [`${path}#${field}`, value]),
        ),
      },
    };
    const { written } = await renderTo(folder, await render("x", { config }));
    expect(written).toEqual(expect.arrayContaining(["embargo/e/Secret-redis.yaml", "ceph/e/topic-t.json"]));
    for (const file of await filesIn()) {
      const text = await readFile(join(folder, file), "utf8");
      expect(text).not.toContain(value);
      expect(text).not.toContain(Buffer.from(value).toString("base64"));
    }
    const secret = parse(await readFile(join(folder, "embargo/e/Secret-redis.yaml"), "utf8"));
    expect(secret.stringData["redis-password"]).toMatch(/^\[secret/);
    expect((await readJson("ceph/e/topic-t.json")).Attributes.OpaqueData).toMatch(/^\[secret/);
  });

  it("puts a mark at the place of a secret even if its value was recorded", async () => {
    const recorded = await recordStack("local");
    const resources = recorded.resources.map((one) =>
      one.type.endsWith(":NotificationTopic")
        ? { ...one, inputs: { ...one.inputs, opaqueData: "leaked" }, secrets: [["opaqueData"]] }
        : one,
    );
    const text = [...filesOf(declarationOf({ ...recorded, resources })).values()].join("");
    expect(text).not.toContain("leaked");
    expect(text).toContain('"OpaqueData": "[secret]"');
  });

  it("removes what an earlier render left, and nothing else", async () => {
    await renderTo(folder, await render("prod"));
    await writeFile(join(folder, "embargo/bts/notes.txt"), "mine");
    const { removed, written } = await renderTo(folder, await render("dev"));
    expect(removed).toContain("embargo/summit/Namespace-summit.yaml");
    expect(await filesIn()).toEqual([marker, "embargo/bts/notes.txt", ...written].sort());
    expect(await readdir(join(folder, "embargo"))).not.toContain("summit");
    expect((await renderTo(folder, await render("dev"))).removed).toEqual([]);
  });

  it("refuses a folder that holds something and is not its own, and touches nothing outside for a forged marker", async () => {
    const declaration = await render("dev");
    await writeFile(join(folder, "precious.txt"), "mine");
    await expect(renderTo(folder, declaration)).rejects.toThrow(
      `${folder} holds precious.txt and was not made by usdf render. Give an empty or a new folder.`,
    );
    expect(await filesIn()).toEqual(["precious.txt"]);
    const inner = join(folder, "out");
    await renderTo(inner, declaration);
    await writeFile(
      join(inner, marker),
      JSON.stringify({ files: ["../precious.txt", "a/../../precious.txt", join(folder, "precious.txt")] }),
    );
    await renderTo(inner, declaration);
    expect(await readFile(join(folder, "precious.txt"), "utf8")).toBe("mine");
  });

  it("refuses two objects of one file", async () => {
    const recorded = await recordStack("local");
    const namespace = recorded.resources.find(({ type }) => type.endsWith(":Namespace"))!;
    const twice = declarationOf({ ...recorded, resources: [...recorded.resources, namespace] });
    await expect(renderTo(folder, twice)).rejects.toThrow(
      /Two objects would be rendered to embargo\/\S+\/Namespace-\S+\.yaml/,
    );
  });
});
