import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { declarationOf } from "../../local/preview/declaration";
import { filesOf, marker, type Rendered, renderTo } from "../../local/preview/render";
import { recordStack } from "../../local/record";
import { recorded } from "../support/recorded";

let folder: string;
/** Prod as it was rendered once. */
let prod: string;
let rendered: Rendered;
beforeAll(async () => {
  prod = await mkdtemp(join(tmpdir(), "usdf-rendered-"));
  rendered = await renderTo(prod, await render("prod"));
});
afterAll(() => rm(prod, { recursive: true, force: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "usdf-render-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const render = async (stack: string) => declarationOf(await recorded(stack));
const jsonIn = async (place: string, file: string) => JSON.parse(await readFile(join(place, file), "utf8"));
const filesIn = async (place = folder) =>
  (await readdir(place, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1))
    .sort();

describe("render", () => {
  it("writes one file an object, by system and namespace", async () => {
    const { written, removed } = rendered;
    expect(removed).toEqual([]);
    expect(await filesIn(prod)).toEqual([marker, ...written].sort());
    expect(written).toEqual(
      expect.arrayContaining([
        "embargo/bts/Namespace-bts.yaml",
        "embargo/bts/Deployment-bts-butler-ingest.yaml",
        "embargo/summit-new/StatefulSet-redis.yaml",
        "embargo/lfa/PersistentVolumeClaim-sdf-group-rubin.yaml",
        "efd/prod-lsstcam/CronJob-transformed-efd-prod.yaml",
        "sasquatch/sasquatch-summit/Kafka-sasquatch.yaml",
        "sasquatch/sasquatch-usdfprod/Kafka-sasquatch.yaml",
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
      const object = parse(await readFile(join(prod, file), "utf8"));
      const place = object.kind === "Namespace" ? object.metadata.name : object.metadata.namespace;
      const isPrompt = /^(prompt-|next-visit-|s3-file-|butler-writer)/.test(place);
      // Two clusters have a namespace sasquatch: that of prompt processing's alerts is another.
      const isSasquatch = place === "sasquatch" && !file.startsWith("prompt/sasquatch/");
      const system = isSasquatch ? "sasquatch" : isPrompt || place === "sasquatch" ? "prompt" : /^prod-/.test(place) ? "efd" : "embargo"; // prettier-ignore
      // Sasquatch has the same namespace in each cluster: its folders are environments.
      const folder = system === "sasquatch" ? file.split("/")[1] : place;
      expect(file).toBe(`${system}/${folder}/${object.kind}-${object.metadata.name}.yaml`);
    }
  });

  it("writes policies, notifications and topics in the form of S3 and SNS", async () => {
    const readJson = (file: string) => jsonIn(prod, file);
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
    const { written } = await renderTo(folder, declarationOf(await recordStack("x", { config })));
    expect(written).toEqual(expect.arrayContaining(["embargo/e/Secret-redis.yaml", "ceph/e/topic-t.json"]));
    for (const file of await filesIn()) {
      const text = await readFile(join(folder, file), "utf8");
      expect(text).not.toContain(value);
      expect(text).not.toContain(Buffer.from(value).toString("base64"));
    }
    const secret = parse(await readFile(join(folder, "embargo/e/Secret-redis.yaml"), "utf8"));
    expect(secret.stringData["redis-password"]).toMatch(/^\[secret/);
    expect((await jsonIn(folder, "ceph/e/topic-t.json")).Attributes.OpaqueData).toMatch(/^\[secret/);
  });

  it("puts a mark at the place of a secret even if its value was recorded", async () => {
    const local = await recorded("local");
    const resources = local.resources.map((one) =>
      one.type.endsWith(":NotificationTopic")
        ? { ...one, inputs: { ...one.inputs, opaqueData: "leaked" }, secrets: [["opaqueData"]] }
        : one,
    );
    const text = [...filesOf(declarationOf({ ...local, resources })).values()].join("");
    expect(text).not.toContain("leaked");
    expect(text).toContain('"OpaqueData": "[secret]"');
  });

  it("removes what an earlier render left, and nothing else", async () => {
    await cp(prod, folder, { recursive: true });
    await writeFile(join(folder, "embargo/bts/notes.txt"), "mine");
    const { removed, written } = await renderTo(folder, await render("dev"));
    expect(removed).toContain("embargo/summit/Namespace-summit.yaml");
    expect(await filesIn()).toEqual([marker, "embargo/bts/notes.txt", ...written].sort());
    expect(await readdir(join(folder, "embargo"))).not.toContain("summit");
    expect((await renderTo(folder, await render("dev"))).removed).toEqual([]);
  });

  it("refuses a folder that holds something and is not its own, and touches nothing outside for a forged marker", async () => {
    const dev = await render("dev");
    const declaration = { ...dev, objects: dev.objects.slice(0, 2) };
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
    const local = await recorded("local");
    const namespace = local.resources.find(({ type }) => type.endsWith(":Namespace"))!;
    const twice = declarationOf({ ...local, resources: [...local.resources, namespace] });
    await expect(renderTo(folder, twice)).rejects.toThrow(
      /Two objects would be rendered to embargo\/\S+\/Namespace-\S+\.yaml/,
    );
  });
});
