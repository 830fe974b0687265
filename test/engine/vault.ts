import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { parse } from "yaml";
import { getTopic } from "../../components/ceph";
import { auditStack } from "../../local/secrets/audit";
import { VaultNames } from "../../local/secrets/vault";
import { type PulumiProject, root } from "../support/pulumi";
import type { TestVault } from "../support/vault";
import type { ControlPlane } from "./controlPlane";
import type { Stand } from "./stand";

const authMount = "k8s/engine";

/** What is in Vault: every path that the stack needs, and one that it does not. Each value is the only one of its kind. */
const own = "secret/rubin/usdf-embargo-dmz/guarded";
const fieldsOf: Record<string, string[]> = {
  [own]: ["redis", "notification", "profile", "db-auth.yaml"],
  "secret/rubin/usdf-embargo-dmz/keys": ["redis"],
  "secret/rubin/embargo/read/rubin-summit-users": ["access_key", "secret_key"],
  "secret/rubin/usdf-butler/client-config": ["db-auth.yaml"],
  "secret/rubin/usdf-butler/postgres": ["username", "password"],
  "secret/rubin/elsewhere": ["token"],
};
const pathsOf = { guarded: [own], keys: Object.keys(fieldsOf).slice(1, 5) };
const values = Object.fromEntries(
  Object.entries(fieldsOf).map(([path, fields]) => [
    path,
    Object.fromEntries(fields.map((field) => [field, `value-${randomBytes(12).toString("hex")}`])),
  ]),
);
const allValues = Object.values(values).flatMap((fields) => Object.values(fields));

/** Who may read which secret: the program with the Vault provider. */
export function vault(get: () => Stand): void {
  describe("a stack with Vault", () => {
    let cluster: ControlPlane;
    let vault: TestVault;
    let project: PulumiProject;

    beforeAll(async () => {
      ({ cluster, vault } = get());
      await enableKubernetesAuth(vault, cluster);
      for (const [path, fields] of Object.entries(values)) await vault.put(path, fields);
      const operator = readFileSync(join(root, "docs/examples/vault-operator.hcl"), "utf8")
        .replaceAll("usdf-prod-", "usdf-vault-")
        .replaceAll("k8s/usdf-embargo-dmz", authMount);
      const environment = { VAULT_TOKEN: await vault.tokenWith("operator", operator) };
      project = get().project("vault", { environment });
      project.init();
      const upstream = { upstreamTag: "1.2.1" };
      project.configure({
        "usdf:platform": { vault: { address: vault.address, authMounts: { local: authMount } } },
        "usdf:embargo": {
          kubeContext: "local",
          environments: {
            guarded: { bucket: "rubin-summit", profile: "embargo", butlerRepo: "s3://embargo@users/butler.yaml" },
            keys: {
              image: "upstream",
              bucket: "rubin-sts",
              butlerRepo: "s3://rubin-sts/butler.yaml",
              enqueue: { ...upstream, kafka: { cluster: "127.0.0.1:9094", topic: "t" } },
              idle: upstream,
              ingest: upstream,
            },
          },
        },
        "usdf:ceph": {
          endpoints: { gateway: { url: get().rgw.url, topics: { guarded: { to: { environment: "guarded" } } } } },
        },
      });
    });

    /** A token of a ServiceAccount. */
    const accountToken = (namespace: string, name: string, audience?: string) =>
      cluster
        .kubectl("create", "token", name, "-n", namespace, ...(audience === undefined ? [] : ["--audience", audience]))
        .trim();
    const login = (role: string, jwt: string) => vault.request("POST", `auth/${authMount}/login`, { role, jwt });
    const store = (namespace: string) =>
      cluster.list("secretstores.external-secrets.io", namespace)[0].spec.provider.vault;

    /** Logs in as External Secrets does by the SecretStore of a namespace. */
    async function readerToken(namespace: string): Promise<string> {
      const { mountPath, role, serviceAccountRef } = store(namespace).auth.kubernetes;
      expect(mountPath).toBe(authMount);
      const jwt = accountToken(namespace, serviceAccountRef.name, serviceAccountRef.audiences[0]);
      const { status, body } = await login(role, jwt);
      expect([status, body.errors]).toEqual([200, undefined]);
      return body.auth.client_token;
    }
    const dataPath = (path: string) => path.replace(/^secret\//, "secret/data/");

    it("is made with the documented rights of an operator, and a second time changes nothing", async () => {
      expect(await project.up()).toMatch(/Resources:\n\s+\+ \d+ created/);
      await project.up("--expect-no-changes");
    });

    it.each(["guarded", "keys"] as const)(
      "lets %s read each of its secrets, as its ExternalSecrets refer to them",
      async (name) => {
        const token = await readerToken(name);
        const read: Record<string, Record<string, string>> = {};
        for (const { spec } of cluster.list("externalsecrets.external-secrets.io", name)) {
          expect(spec.secretStoreRef).toEqual({ kind: "SecretStore", name: "vault-reader" });
          for (const { remoteRef } of spec.data) {
            const { body } = await vault.request("GET", dataPath(remoteRef.key), undefined, token);
            read[remoteRef.key] = { ...read[remoteRef.key], [remoteRef.property]: body.data.data[remoteRef.property] };
          }
        }
        expect(read).toEqual(Object.fromEntries(pathsOf[name].map((path) => [path, values[path]])));
      },
    );

    it("lets it do nothing else", async () => {
      const token = await readerToken("guarded");
      const rest = own.replace("secret/", "");
      const refused: [string, string, object?][] = [
        ...Object.keys(values)
          .filter((path) => path !== own)
          .map((path): [string, string] => ["GET", dataPath(path)]),
        ["GET", `secret/data/${rest}/below`],
        ["GET", `secret/metadata/${rest}`],
        ["LIST", "secret/metadata/rubin/usdf-embargo-dmz"],
        ["LIST", "secret/metadata/"],
        ["POST", `secret/data/${rest}`, { data: { redis: "mine" } }],
        ["PATCH", `secret/data/${rest}`, { data: { redis: "mine" } }],
        ["DELETE", `secret/data/${rest}`],
        ["DELETE", `secret/metadata/${rest}`],
        ["GET", "sys/mounts"],
        ["GET", "sys/policies/acl/usdf-vault-embargo-guarded"],
        ["GET", `auth/${authMount}/role/usdf-vault-embargo-guarded`],
        ["POST", "auth/token/create", {}],
        ["GET", "cubbyhole/mine"],
      ];
      for (const [method, path, body] of refused) {
        const { status } = await vault.request(method, path, body, token);
        expect([method, path, status]).toEqual([method, path, 403]);
      }
    });

    it("lets nobody else log in by its role", async () => {
      cluster.kubectl("create", "serviceaccount", "other", "-n", "guarded");
      const { role } = store("guarded").auth.kubernetes;
      const refusal = async (namespace: string, name: string, audience?: string) => {
        const { status, body } = await login(role, accountToken(namespace, name, audience));
        return [status, ...body.errors];
      };
      expect(await refusal("guarded", "other", "vault")).toEqual([403, "service account name not authorized"]);
      expect(await refusal("keys", "vault-reader", "vault")).toEqual([403, "namespace not authorized"]);
      const wrongAudience = "invalid audience (aud) claim: audience claim does not match any expected audience";
      expect(await refusal("guarded", "vault-reader")).toEqual([403, wrongAudience]);
      const pods = cluster
        .list("serviceaccounts", "guarded")
        .filter(({ metadata }) => metadata.name === "vault-reader");
      expect(pods.map((account) => account.automountServiceAccountToken)).toEqual([false]);
    });

    it("gives its token back after use", async () => {
      const token = await readerToken("guarded");
      const self = await vault.request("GET", "auth/token/lookup-self", undefined, token);
      expect(self.body.data).toMatchObject({ policies: ["usdf-vault-embargo-guarded"], creation_ttl: 600 });
      expect((await vault.request("POST", "auth/token/revoke-self", {}, token)).status).toBe(204);
      expect((await vault.request("GET", dataPath(own), undefined, token)).status).toBe(403);
    });

    it("hands the webhook secret to the topic, and keeps no value in the state, the outputs or the cluster's objects", async () => {
      const topic = await getTopic(get().rgw, "arn:aws:sns:default::guarded");
      expect(topic).toMatchObject({ OpaqueData: values[own]!.notification });
      const objects = cluster.kubectl("get", "externalsecrets,secretstores,configmaps,deployments", "-A", "-o", "json");
      const texts = [JSON.stringify(project.state()), objects]; // outputs are part of the state
      for (const text of texts) expect(allValues.filter((value) => text.includes(value))).toEqual([]);
      expect(texts[0]).not.toContain(project.environment.VAULT_TOKEN);
    });

    it("is audited, and so are the keys of live Secrets, without one value", async () => {
      const secret = (name: string, fields: Record<string, string>) => {
        const metadata = { name, namespace: "guarded" };
        cluster.kubectlWith(
          JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata, stringData: fields }),
          "apply",
          "-f",
          "-",
        );
      };
      secret("redis", { "redis-password": allValues[0]! });
      secret("s3", { profle: allValues[1]! });
      secret("notification", { secret: allValues[2]!, more: allValues[3]! });
      secret("left-over", { key: allValues[4]! });
      const { KUBECONFIG } = process.env;
      process.env.KUBECONFIG = cluster.kubeconfig;
      const yaml = parse(readFileSync(project.settingsFile, "utf8"));
      const names = new VaultNames(vault.address, vault.rootToken);
      const audit = await auditStack("vault", { yaml, vault: names, environment: "guarded", cluster: true }).finally(
        () => {
          if (KUBECONFIG === undefined) delete process.env.KUBECONFIG;
          else process.env.KUBECONFIG = KUBECONFIG;
        },
      );
      expect(audit.against).toEqual([`Vault at ${vault.address}`, "what pods refer to", "live Secret objects"]);
      expect(audit.findings.map(({ level, name, message }) => `${level} ${name}: ${message}`)).toEqual([
        "missing guarded/db-auth db-auth.yaml: there is no such live Secret",
        "unexpected guarded/notification more: in the live Secret, but not declared",
        "missing guarded/s3 profile: the live Secret has no such key",
        "unexpected guarded/s3 profle: in the live Secret, but not declared",
        "unexpected guarded/left-over: a live Secret that nothing declares",
      ]);
      expect(allValues.filter((value) => JSON.stringify(audit).includes(value))).toEqual([]);
    });

    it("leaves no role and no policy behind", async () => {
      const before = await vault.must("LIST", `auth/${authMount}/role`);
      expect(before.data.keys).toEqual(["usdf-vault-embargo-guarded", "usdf-vault-embargo-keys"]);
      await project.mustRun("destroy", "--yes", "--skip-preview");
      expect((await vault.request("LIST", `auth/${authMount}/role`)).status).toBe(404);
      const { data } = await vault.must("GET", "sys/policies/acl?list=true");
      expect(data.keys.filter((name: string) => name.startsWith("usdf-"))).toEqual([]);
    });
  });
}

/** What a cluster's administrator does once: Vault asks the API server whose token it is, as a ServiceAccount that may only ask. */
async function enableKubernetesAuth(vault: TestVault, cluster: ControlPlane): Promise<void> {
  cluster.kubectl("create", "serviceaccount", "vault-reviewer", "-n", "kube-system");
  const account = "--serviceaccount=kube-system:vault-reviewer";
  cluster.kubectl("create", "clusterrolebinding", "vault-reviewer", "--clusterrole=system:auth-delegator", account);
  const { port } = new URL(cluster.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"));
  await vault.must("POST", `sys/auth/${authMount}`, { type: "kubernetes" });
  await vault.must("POST", `auth/${authMount}/config`, {
    kubernetes_host: `https://localhost:${port}`,
    kubernetes_ca_cert: await certificateOf(Number(port)),
    token_reviewer_jwt: cluster.kubectl("create", "token", "vault-reviewer", "-n", "kube-system").trim(),
    disable_local_ca_jwt: true,
  });
}

/** The certificate of this test's API server; `localhost` is the one loopback name in it. */
async function certificateOf(port: number): Promise<string> {
  const socket = connect({ host: "localhost", port, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return `-----BEGIN CERTIFICATE-----\n${raw.toString("base64")}\n-----END CERTIFICATE-----\n`;
}
