/** `usdf secrets audit` against a real Vault-compatible server, and through the command line. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { type AuditOptions, auditStack } from "../../local/secrets/audit";
import { stackConfig } from "../../local/stackConfig";
import { VaultNames } from "../../local/secrets/vault";
import { root } from "../support/pulumi";
import { TestVault } from "../support/vault";
import { missing } from "./controlPlane";

if (missing) console.warn(`engine tier skipped: ${missing}`);

const dmz = "secret/rubin/usdf-embargo-dmz";
const value = randomBytes(16).toString("hex");
const fields = (...names: string[]) => Object.fromEntries(names.map((name) => [name, `${name}-${value}`]));
const environment = { bucket: "b", profile: "p", butlerRepo: "s3://b/butler.yaml" };
const yaml = {
  config: {
    "usdf:embargo": {
      kubeContext: "c",
      environments: {
        one: environment,
        two: { ...environment, enqueue: { kafka: { cluster: "k:9094", topic: "t" } } },
      },
    },
  },
};

(missing ? describe.skip : describe)("usdf secrets audit", () => {
  let vault: TestVault;
  beforeAll(async () => {
    vault = await TestVault.start();
    await vault.put(`${dmz}/one`, fields("redis", "notification", "profile", "db-auth.yaml"));
    await vault.put(`${dmz}/two`, fields("redis", "profile", "db-auth.yaml"));
  });
  afterAll(() => vault?.stop());

  const audit = async (token = vault.rootToken, options: AuditOptions = {}) => {
    const names = new VaultNames(vault.address, token);
    const result = await auditStack("x", { yaml, vault: names, ...options });
    expect(JSON.stringify(result)).not.toContain(value);
    return { ...result, lines: result.findings.map(({ level, name, message }) => `${level} ${name}: ${message}`) };
  };

  it("finds nothing where all is as declared", async () => {
    const { against, notVault, lines } = await audit();
    expect([against, notVault]).toEqual([[`Vault at ${vault.address}`, "what pods refer to"], undefined]);
    expect(lines).toEqual([]);
  });

  it("names what is missing, unexpected and unused", async () => {
    await vault.put(`${dmz}/one`, fields("redis", "profile", "db-auth.yaml", "notificaton"));
    await vault.must("DELETE", `${dmz.replace("secret/", "secret/data/")}/two`);
    await vault.put(`${dmz}/three`, fields("redis"));
    await vault.put(`${dmz}/two/backup/of-may`, fields("redis"));
    const { lines } = await audit();
    const gone = (field: string, becomes: string) =>
      `missing ${dmz}/two#${field}: the path is not in Vault (it becomes Secret ${becomes})`;
    expect(lines).toEqual([
      `missing ${dmz}/one#notification: the path has no such field (it becomes Secret notification, key secret)`,
      `unexpected ${dmz}/one#notificaton: the field is in Vault, but nothing declared needs it`,
      gone("redis", "redis, key redis-password"),
      gone("profile", "s3, key profile"),
      gone("db-auth.yaml", "db-auth, key db-auth.yaml"),
      `unused ${dmz}/three: the path is in Vault, but nothing declared reads it`,
      `unused ${dmz}/two/backup/of-may: the path is in Vault, but nothing declared reads it`,
    ]);
    expect((await audit(undefined, { environment: "one" })).lines).toEqual(lines.slice(0, 2));
    const more = { config: { "usdf:embargo": { kubeContext: "c", environments: { three: environment } } } };
    const { lines: fewer } = await audit(undefined, { others: [stackConfig("y", more)] });
    expect(fewer).toEqual(lines.filter((line) => !line.includes("three")));
  });

  it("needs no right to see values, and says what it may not see", async () => {
    await vault.put(`${dmz}/two`, fields("redis", "profile", "db-auth.yaml"));
    const names = `path "secret/subkeys/*" { capabilities = ["read"] }`;
    const list = `path "secret/metadata/*" { capabilities = ["list"] }`;
    const all = (await audit()).lines;
    expect(all.length).toBe(4);
    expect((await audit(await vault.tokenWith("names", `${names}\n${list}`))).lines).toEqual(all);

    const one = `path "secret/data/rubin/usdf-embargo-dmz/one" { capabilities = ["read"] }`;
    const { lines } = await audit(await vault.tokenWith("one", one));
    const refused = (field: string, becomes: string) =>
      `unreadable ${dmz}/two#${field}: cannot be seen: the token may not read ${dmz}/two (403) (it becomes Secret ${becomes})`;
    expect(lines).toEqual([
      ...all.slice(0, 2),
      refused("redis", "redis, key redis-password"),
      refused("profile", "s3, key profile"),
      refused("db-auth.yaml", "db-auth, key db-auth.yaml"),
      `unused ${dmz}/: it is not known what is unused here: the token may not list ${dmz} (403)`,
    ]);
  });

  it("reads an engine of version 1 as well", async () => {
    await vault.must("POST", "sys/mounts/old", { type: "kv", options: { version: "1" } });
    await vault.must("POST", "old/rubin/e", fields("redis", "profile", "db-auth.yaml", "more"));
    const secrets = { path: "old/rubin/e" };
    const environments = { e: { ...environment, secrets } };
    const { lines } = await audit(undefined, {
      yaml: { config: { "usdf:embargo": { kubeContext: "c", environments } } },
    });
    expect(lines).toEqual([
      "missing old/rubin/e#notification: the path has no such field (it becomes Secret notification, key secret)",
      "unexpected old/rubin/e#more: the field is in Vault, but nothing declared needs it",
    ]);
  });

  it("goes on without Vault when that does not answer", async () => {
    const { against, notVault, lines } = await audit("t", { vault: new VaultNames("http://127.0.0.1:9", "t") });
    expect(against).toEqual(["what pods refer to"]);
    expect(notVault).toMatch(/^Vault at http:\/\/127\.0\.0\.1:9 cannot be reached \(.+\)$/);
    expect(lines).toEqual([]);
  });

  it("shows its token to the address that was named, to no other", async () => {
    const asked: string[] = [];
    const elsewhere = createServer((request, response) => {
      asked.push(request.url!);
      response.writeHead(307, { Location: `${vault.address}${request.url}` }).end();
    }).listen(0, "127.0.0.1");
    await once(elsewhere, "listening");
    const { port } = elsewhere.address() as { port: number };
    const { notVault } = await audit("", { vault: new VaultNames(`http://127.0.0.1:${port}`, vault.rootToken) });
    elsewhere.close();
    expect(asked).toEqual([`/v1/sys/internal/ui/mounts/${dmz}/one`]);
    expect(notVault).toContain("cannot be reached (unexpected redirect)");
  });

  it("is a command that ends with 1 when something is missing, and tells no value", async () => {
    await vault.put("secret/rubin/usdf-embargo-dmz-dev/test", fields("redis", "other"));
    const env = { ...process.env, VAULT_ADDR: vault.address, VAULT_TOKEN: vault.rootToken };
    const usdf = (...args: string[]): Promise<{ code: number; stdout: string }> =>
      new Promise((resolve) => {
        const all = [join(root, "local/usdf.mjs"), "secrets", "audit", ...args];
        execFile(process.execPath, all, { env, timeout: 60_000 }, (error, stdout, stderr) => {
          expect(stdout + stderr).not.toContain(value);
          resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout });
        });
      });
    const text = await usdf("dev", "--environment", "test");
    expect(text.code).toBe(1);
    expect(text.stdout).toBe(
      [
        `dev, compared with Vault at ${vault.address}, what pods refer to`,
        "  missing     test  secret/rubin/usdf-embargo-dmz-dev/test#profile: the path has no such field (it becomes Secret s3, key profile)",
        "  unexpected  test  secret/rubin/usdf-embargo-dmz-dev/test#other: the field is in Vault, but nothing declared needs it",
        "  1 missing, 0 unreadable, 1 unexpected, 0 unused\n",
      ].join("\n"),
    );
    await vault.put("secret/rubin/usdf-embargo-dmz-dev/test", fields("redis", "profile"));
    const json = await usdf("dev", "--environment", "test", "--json");
    expect([json.code, JSON.parse(json.stdout)]).toEqual([
      0,
      { audits: [{ stack: "dev", against: [`Vault at ${vault.address}`, "what pods refer to"], findings: [] }] },
    ]);
    expect((await usdf("dev", "--environment", "nowhere")).code).toBe(2);
  });
});
