import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSchedule } from "../../local/runner/cron";
import { readDesired, type RecordedObject } from "../../local/runner/manifest";
import { hostsFor, resolveNames } from "../../local/runner/names";
import { rewritePaths } from "../../local/runner/process-spec";
import { SecretStore } from "../../local/runner/secrets";

const service = (name: string, namespace: string) => ({
  metadata: { name, namespace, labels: {}, annotations: {} },
  selector: {},
  ports: [],
});

describe("resolveNames", () => {
  const services = [service("redis", "local"), service("redis", "other"), service("presence-http", "local")];
  const addresses: Record<string, string> = {
    "local/redis": "127.1.2.3",
    "other/redis": "127.1.2.4",
    "local/presence-http": "127.1.2.5",
  };
  const address = ({ metadata }: { metadata: { name: string; namespace: string } }) =>
    addresses[`${metadata.namespace}/${metadata.name}`]!;
  const backing = { "rgw.usdf.local": "127.1.2.9", "kafka.usdf.local:9092": "10.0.0.1:19092" };
  const hosts = hostsFor("local", services, address, backing);

  it.each([
    ["a name alone", "redis", "127.1.2.3"],
    ["a name and its port", "redis:6379", "127.1.2.3:6379"],
    ["another namespace", "redis.other.svc", "127.1.2.4"],
    ["the full name in a URL", "http://presence-http.local.svc.cluster.local:8080/p", "http://127.1.2.5:8080/p"],
    ["a URL with keys", "http://AK:S-K@rgw.usdf.local:7480", "http://AK:S-K@127.1.2.9:7480"],
    ["a user that is named like a Service", "redis://redis:pw@redis:6379", "redis://redis:pw@127.1.2.3:6379"],
    ["a list", "redis:1,redis.other:2", "127.1.2.3:1,127.1.2.4:2"],
    ["a host that runs elsewhere, with its port", "kafka.usdf.local:9092", "10.0.0.1:19092"],
    ["a word in a sentence", "the redis of local", "the redis of local"],
    ["a path", "/data/redis", "/data/redis"],
    ["a longer name", "redis-2", "redis-2"],
    ["a foreign host", "https://s3dfrgw.slac.stanford.edu", "https://s3dfrgw.slac.stanford.edu"],
    ["a bucket with a profile", "embargo@rubin-summit", "embargo@rubin-summit"],
  ])("%s", (_about, value, expected) => expect(resolveNames(value, hosts)).toBe(expected));
});

describe("rewritePaths", () => {
  const mounts = [
    { mountPath: "/data", folder: "/s/volumes/data" },
    { mountPath: "/run/redis", folder: "/s/pods/redis/config" },
    { mountPath: "/data/cache", folder: "/s/cache" },
  ];
  it.each([
    ["a path", "/data", "/s/volumes/data"],
    ["a file below it", "/run/redis/redis.conf", "/s/pods/redis/config/redis.conf"],
    ["the longest mount", "/data/cache/x", "/s/cache/x"],
    ["in a command", 'cp /data/a "/run/redis/b"', 'cp /s/volumes/data/a "/s/pods/redis/config/b"'],
    ["after = and :", "--dir=/data:/run/redis", "--dir=/s/volumes/data:/s/pods/redis/config"],
    ["a longer word", "/database", "/database"],
    ["inside another path", "/var/data", "/var/data"],
    ["a URL's path", "http://host/data", "http://host/data"],
  ])("%s", (_about, text, expected) => expect(rewritePaths(text, mounts)).toBe(expected));
});

describe("parseSchedule", () => {
  // Every minute of a leap February and the days around it, by a reading of the fields that shares no code.
  const minutes = (text: string) => {
    const schedule = parseSchedule(text);
    const times: string[] = [];
    for (let ms = Date.UTC(2028, 1, 27); ms < Date.UTC(2028, 2, 6); ms += 60_000)
      if (schedule.matches(new Date(ms))) times.push(new Date(ms).toISOString().slice(5, 16));
    return times;
  };
  it.each([
    ["17 * * * *", 8 * 24, "02-27T00:17"],
    ["*/10 * * * *", 8 * 24 * 6, "02-27T00:00"],
    ["0 12 * * *", 8, "02-27T12:00"],
    ["30 1 29 2 *", 1, "02-29T01:30"],
    ["0 0 * * 7", 2, "02-27T00:00"],
    ["0 0 1 * 4", 2, "03-01T00:00"],
    ["5-15/5,40 3 * 3 1-5", 4 * 3, "03-01T03:05"],
    ["@daily", 8, "02-27T00:00"],
  ])("%s", (text, count, first) => {
    const times = minutes(text);
    expect(times).toHaveLength(count);
    expect(times[0]).toBe(first);
  });
  it.each([
    ["* * * *", 'schedule "* * * *" has 4 fields, not 5'],
    ["60 * * * *", 'schedule "60 * * * *": "60" is no minute (0-59)'],
    ["0 0 0 * *", 'schedule "0 0 0 * *": "0" is no day of month (1-31)'],
    ["0 5-3 * * *", 'schedule "0 5-3 * * *": "5-3" is no hour (0-23)'],
    ["x * * * *", 'schedule "x * * * *": "x" is no minute (0-59)'],
  ])("refuses %s", (text, message) => expect(() => parseSchedule(text)).toThrow(new Error(message)));
});

describe("readDesired", () => {
  const object = (kind: string, spec: object, more: object = {}): RecordedObject => ({
    type: `kubernetes:x/v1:${kind}`,
    name: "logical",
    inputs: { kind, metadata: { name: "s3", namespace: "ns" }, spec, ...more },
  });
  it("takes the keys of a Secret from whoever brings them", () => {
    const data = [{ secretKey: "profile", remoteRef: { key: "secret/a", property: "p" } }];
    const template = '{% index .Secrets "db-auth.yaml" %}';
    const { secrets } = readDesired([
      object("ExternalSecret", { target: { name: "target" }, data }),
      object("VaultSecret", { path: "secret/b", keys: ["x"] }),
      object("VaultSecret", { path: "secret/c", keys: ["db-auth.yaml"], templates: { auth: template } }),
      object("Secret", {}, { data: { a: Buffer.from("1").toString("base64") }, stringData: { b: "2" } }),
    ]);
    expect(secrets.map(({ metadata, keys }) => [metadata.name, keys])).toEqual([
      ["target", { profile: { path: "secret/a", field: "p" } }],
      ["s3", { x: { path: "secret/b", field: "x" } }],
      ["s3", { auth: { path: "secret/c", field: "db-auth.yaml" } }],
      ["s3", { a: { value: "1" }, b: { value: "2" } }],
    ]);
  });
  it("knows the claims that are one volume in every namespace", () => {
    const claim = (storageClassName: string) => object("PersistentVolumeClaim", { storageClassName });
    expect(readDesired([claim("shared")]).sharedClaims).toEqual(["s3"]);
    expect(readDesired([claim("local")]).sharedClaims).toEqual([]);
  });
  it("refuses a kind that it would leave out in silence", () => {
    expect(() => readDesired([object("DaemonSet", {})])).toThrow(
      'usdf up cannot run a DaemonSet ("s3"): teach it in local/runner/manifest.ts, or leave it out of the stack',
    );
  });
});

describe("SecretStore", () => {
  const dir = mkdtempSync(join(tmpdir(), "usdf-secrets-"));
  afterAll(() => rmSync(dir, { recursive: true }));
  const open = () => new SecretStore(join(dir, "secrets.json"), "http://rgw:7480", "rubin-summit-users");

  it("makes a field once, and no two alike", () => {
    const first = open().value({ path: "secret/a", field: "redis" });
    expect(first).toMatch(/^[0-9a-f]{40}$/);
    expect(open().value({ path: "secret/a", field: "redis" })).toBe(first);
    expect(open().value({ path: "secret/b", field: "redis" })).not.toBe(first);
  });
  it("gives the stack the keys of the reader, in each form", () => {
    const store = open();
    const { accessKey, secretKey } = store.s3("rubin-summit-users");
    const path = "secret/a";
    expect(store.value({ path, field: "profile" })).toBe(`http://${accessKey}:${secretKey}@rgw:7480`);
    expect(store.value({ path, field: "access_key" })).toBe(accessKey);
    expect(store.value({ path, field: "secret_key" })).toBe(secretKey);
    expect(store.s3("usdf").secretKey).not.toBe(secretKey);
  });
  it("gives the stack the databases, with names in place of addresses", () => {
    const store = open();
    const { username, password } = store.postgres();
    const value = (field: string) => store.value({ path: "secret/b", field });
    expect(value("consdb-url")).toBe(`postgresql://usdf:${password}@postgres.usdf.local:5432/consdb`);
    expect(value("butler-password")).toBe(password);
    expect(JSON.parse(value("db-auth.yaml"))).toEqual([
      { url: "postgresql://postgres.usdf.local:5432/*", username, password },
    ]);
    expect(value("usdf-efd-password")).toBe(store.efdReader().password);
    expect(value("efdreader-password")).toBe(store.efdReader().password);
    expect(value("efd-writer-password")).not.toBe(store.efdReader().password);
    expect(value("aws-access-key-id")).toBe(store.s3("rubin-summit-users").accessKey);
    expect(value("s3-profile-embargo")).toBe(value("profile"));
  });
  it("takes the keys of a gateway that runs elsewhere from its URL", () => {
    const store = new SecretStore(join(dir, "other.json"), "https://A%2FK:S%40K@s3.example.org", "x");
    expect(store.s3("any")).toEqual({ accessKey: "A/K", secretKey: "S@K" });
    expect(store.value({ path: "p", field: "profile" })).toBe("https://A%2FK:S%40K@s3.example.org");
  });
  it("keeps them in a file that only this user reads", () => {
    const file = join(dir, "secrets.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(Object.keys(JSON.parse(readFileSync(file, "utf8")) as object).length).toBeGreaterThan(2);
  });
});
