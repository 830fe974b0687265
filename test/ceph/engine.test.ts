/** The dynamic providers through the real Pulumi engine, against a real Ceph RGW. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { getNotifications, getTopic, type RgwAccess, topicProvider } from "../../components/ceph";
import { type RunningRgw, startRgw } from "../../local/services/rgw";

jest.setTimeout(300_000);
const unpack = resolve(__dirname, "../../../shared/tools/unpack");
const onPath = (name: string) => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;
const available = existsSync(unpack) || (onPath("pulumi") && onPath("pulumi-resource-pulumi-nodejs"));
if (!available) console.warn("engine tier skipped: no pulumi on PATH. Install the Pulumi CLI.");

const program = join(__dirname, "program");
const address = "127.77.22.1";
const keys = { accessKeyId: "engine-access", secretAccessKey: "engine-secret-key" };
const opaque = "opaque-data-of-the-engine-test";
let gateway: RunningRgw;
let dir: string;
let rgw: RgwAccess;
let environment: NodeJS.ProcessEnv;

function pulumi(...args: string[]): string {
  const all = [...args, "--cwd", program, "--non-interactive", "--stack", "test"];
  const result = spawnSync("pulumi", all, { env: environment, encoding: "utf8" });
  const output = `${result.stdout}${result.stderr}`;
  if (result.status !== 0) throw new Error(`pulumi ${args[0]} ended with ${result.status}:\n${output}`);
  return output;
}
const onFile = () => ["--config-file", join(dir, "Pulumi.test.yaml")];
const set = (name: string, value: string) => pulumi("config", "set", ...onFile(), name, value);
const run = (command: string) => pulumi(command, "--yes", "--skip-preview", ...onFile());
const up = () => run("up");
const entries = async () =>
  (await getNotifications(rgw, "engine-raw"))!.map(({ id, topicArn }) => `${id} -> ${topicArn.split(":").pop()}`);

(available ? describe : describe.skip)("topic and notification through the engine", () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "usdf-engine-"));
    const tools = existsSync(unpack) ? execFileSync(unpack, { encoding: "utf8" }).trim() : "";
    environment = {
      ...process.env,
      PATH: [tools, process.env.PATH].filter(Boolean).join(delimiter),
      PULUMI_HOME: join(dir, "home"),
      PULUMI_BACKEND_URL: `file://${dir}`,
      PULUMI_CONFIG_PASSPHRASE: "",
      PULUMI_SKIP_UPDATE_CHECK: "1",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
      NODE_NO_WARNINGS: "1",
    };
    const user = { uid: "engine", accessKey: keys.accessKeyId, secretKey: keys.secretAccessKey };
    gateway = await startRgw({ dir: join(dir, "rgw"), address, users: [user] });
    rgw = { url: gateway.endpoint, ...keys };
    const s3 = new S3Client({ endpoint: rgw.url, region: "default", forcePathStyle: true, credentials: { ...keys } });
    await s3.send(new CreateBucketCommand({ Bucket: "engine-raw" }));
    s3.destroy();
    pulumi("stack", "init");
    for (const [name, value] of Object.entries({
      url: rgw.url,
      topic: "engine-1",
      pushEndpoint: `http://${address}:8080/notify`,
      bucket: "engine-raw",
    }))
      set(name, value);
    pulumi("config", "set", "--secret", ...onFile(), "opaqueData", opaque);
  });

  afterAll(async () => {
    await gateway?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it("creates both; nothing secret is in the state or the output", async () => {
    const output = up();
    expect(await entries()).toEqual(["own -> engine-1"]);
    expect(await getTopic(rgw, "arn:aws:sns:default::engine-1")).toMatchObject({
      OpaqueData: opaque,
      time_to_live: "60",
      persistent: "true",
    });
    const state = pulumi("stack", "export");
    for (const text of [output, state]) {
      expect(text).not.toContain(opaque);
      expect(text).not.toContain(keys.secretAccessKey);
      expect(text).not.toContain(process.cwd());
    }
    expect(up()).toMatch(/3 unchanged/);
  });

  it("shows a change of attributes by hand at refresh, and mends it with the next up", async () => {
    const attributes = { rgw, name: "engine-1", pushEndpoint: `http://${address}:9999/other`, opaqueData: opaque };
    await topicProvider.create({ ...attributes, timeToLiveSeconds: 60 });
    const refreshed = run("refresh");
    expect(refreshed).toMatch(/1 updated/);
    expect(up()).toMatch(/1 updated/);
    expect((await getTopic(rgw, "arn:aws:sns:default::engine-1"))!["push-endpoint"]).toBe(
      `http://${address}:8080/notify`,
    );
  });

  it("puts the notification again when an attribute of the topic changes", () => {
    set("pushEndpoint", `http://${address}:8081/notify`);
    const output = up();
    expect(output).toMatch(/2 updated/);
    expect(output).not.toContain(opaque);
  });

  it("makes a topic of another name before the old one goes, and moves the notification in between", async () => {
    set("topic", "engine-2");
    const output = up();
    const order = ["created replacement", "updated", "deleted original"].map((word) => output.indexOf(word));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order[0]).toBeGreaterThan(0);
    expect(await entries()).toEqual(["own -> engine-2"]);
    expect(await getTopic(rgw, "arn:aws:sns:default::engine-1")).toBeUndefined();
  });

  it("refuses wrong inputs by name, before anything changes", async () => {
    set("pushEndpoint", "gopher://x");
    expect(() => pulumi("preview", ...onFile())).toThrow(
      "property pushEndpoint value {gopher://x} has a problem: is no push endpoint. Write http://host:port/path, https://… or kafka://host:port.",
    );
    expect(await entries()).toEqual(["own -> engine-2"]);
  });

  it("deletes both", async () => {
    run("destroy");
    expect(await entries()).toEqual([]);
    expect(await getTopic(rgw, "arn:aws:sns:default::engine-2")).toBeUndefined();
    expect(await readFile(join(dir, ".pulumi/stacks/ceph-test/test.json"), "utf8")).not.toContain("engine-2");
  });
});
