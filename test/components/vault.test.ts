import { parse } from "yaml";
import { policyText, type VaultConfig } from "../../components/platform/vault";
import { validateObject } from "../../components/platform/schemas";
import { loadStackConfig } from "../../components/config";
import { declarationOf } from "../../local/preview/declaration";
import { filesOf } from "../../local/preview/render";
import { type RecordedStack, readStackYaml, recordStack } from "../../local/record";
import { Objects } from "./objects";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, looked into field by field */

const vault = {
  address: "https://vault",
  authMounts: {
    ...{ "usdf-embargo-dmz": "k8s/dmz", "usdf-consdb": "k8s/consdb", c: "k8s/c" },
    ...{ "summit-lsp": "k8s/summit", "base-lsp": "k8s/base", "usdf-rsp": "k8s/rsp" },
    ...{ "usdf-prompt-processing": "k8s/prompt" },
  },
};
const environments = { e: { kubeContext: "c", bucket: "b", profile: "p", butlerRepo: "s3://b/butler.yaml" } };

/** Records an environment `e` with Vault declared. */
const recordE = (platform: object, stack = "x") =>
  recordStack(stack, {
    config: { config: { "usdf:platform": { vault, ...platform }, "usdf:embargo": { environments } } },
  });
const only = ({ resources }: RecordedStack, type: RegExp): Record<string, any>[] =>
  resources.filter((one) => type.test(one.type)).map(({ inputs }) => inputs);
const roles = (recorded: RecordedStack) => only(recorded, /:AuthBackendRole$/);
const policies = (recorded: RecordedStack) => only(recorded, /:Policy$/);

describe("who reads the secrets of an environment in Vault", () => {
  it("gives each environment of production the paths of its ExternalSecrets, and no other", async () => {
    const yaml = readStackYaml("prod");
    yaml.config["usdf:platform"] = { ...(yaml.config["usdf:platform"] as object), vault };
    const recorded = await recordStack("prod", { config: yaml });
    // Their namespace is called so in several clusters.
    const [ofSasquatch, others] = [true, false].map((is) =>
      policies(recorded).filter(({ name }) => /^usdf-prod-.*sasquatch/.test(name) === is),
    ) as [Record<string, any>[], Record<string, any>[]];
    const grants = ofSasquatch.map(({ name, policy }) => [name, ...policy.matchAll(/path "(secret\/.*)"/g)].flat());
    const path = (name: string) => `secret/data/rubin/sasquatch/${name}`;
    expect(grants.map(([name, , ...paths]) => `${name} ${paths.join()}`).sort()).toEqual([
      "usdf-prod-prompt-usdfprod-prompt-processing-sasquatch secret/data/rubin/usdf-prompt-processing/sasquatch",
      ...["base", "summit", "usdfprod"].map((name) => `usdf-prod-sasquatch-${name} ${path(name)}`),
    ]);
    const ofPrompt = others.flatMap(
      ({ name }) => /^usdf-prod-prompt-usdfprod-prompt-processing-(.*)/.exec(name)?.[1] ?? [],
    );
    expect(ofPrompt).toEqual(expect.arrayContaining(["next-visit-fan-out", "prompt-keda-lsstcam", "prompt-redis"]));
    const names = others.map(({ name }) =>
      name.replace(/^usdf-prod-(embargo|efd|prompt-usdfprod-prompt-processing)-/, ""),
    );
    const ofEfd = ["prod-latiss", "prod-lsstcam", "prod-lsstcomcam"];
    const ofEmbargo = ["bts", "lfa", "sts", "summit", "summit-new", "tts"];
    expect(names.sort()).toEqual([...ofEmbargo, ...ofEfd, ...ofPrompt].sort());
    for (const name of names) {
      const objects = new Objects(recorded, name);
      const used = objects.names("ExternalSecret").flatMap((secret) => {
        const { data, secretStoreRef } = objects.find("ExternalSecret", secret).spec;
        expect(secretStoreRef).toEqual({ kind: "SecretStore", name: "vault-reader" });
        return data.map(({ remoteRef }: any) => remoteRef.key.replace("secret/", "secret/data/"));
      });
      const { policy } = policies(recorded).find((one) =>
        one.name.endsWith(
          `-${ofPrompt.includes(name) ? "processing" : ofEfd.includes(name) ? "efd" : "embargo"}-${name}`,
        ),
      )!;
      const granted = [...policy.matchAll(/^path "(secret\/.*)" \{\n {2}capabilities = \["read"\]\n\}$/gm)].map(
        ([, path]) => path,
      );
      expect(granted).toEqual([...new Set(used)].sort());
      expect(policy.match(/path "/g)).toHaveLength(granted.length + 2);
      for (const { inputs } of objects.all) expect(validateObject(inputs as any)).toEqual([]);
    }
  });

  it("binds the role to one ServiceAccount of one namespace, for a short time", async () => {
    const recorded = await recordE({}, "Mine");
    expect(roles(recorded)).toEqual([
      {
        backend: "k8s/c",
        roleName: "usdf-mine-embargo-e",
        boundServiceAccountNames: ["vault-reader"],
        boundServiceAccountNamespaces: ["e"],
        audience: "vault",
        tokenPolicies: ["usdf-mine-embargo-e"],
        tokenNoDefaultPolicy: true,
        tokenTtl: 600,
        tokenMaxTtl: 600,
      },
    ]);
    const provider = recorded.resources.find(({ type }) => type === "pulumi:providers:vault")!;
    expect(provider.inputs).toMatchObject({ address: "https://vault", skipChildToken: "true" });
    expect(provider.inputs).not.toHaveProperty("token");
    const objects = new Objects(recorded, "e");
    expect(objects.find("ServiceAccount", "vault-reader").automountServiceAccountToken).toBe(false);
    expect(objects.find("SecretStore", "vault-reader").spec.provider.vault).toEqual({
      server: "https://vault",
      path: "secret",
      version: "v2",
      auth: {
        kubernetes: {
          mountPath: "k8s/c",
          role: "usdf-mine-embargo-e",
          serviceAccountRef: { name: "vault-reader", audiences: ["vault"] },
        },
      },
    });
  });

  it("binds it to the ricoberger operator where that reads, and each VaultSecret names it", async () => {
    const recorded = await recordE({ secrets: { kind: "vaultSecret" } });
    expect(roles(recorded)).toMatchObject([
      {
        boundServiceAccountNames: ["vault-secrets-operator"],
        boundServiceAccountNamespaces: ["vault-secrets-operator"],
      },
    ]);
    expect(roles(recorded)[0]).not.toHaveProperty("audience");
    expect(policies(recorded)[0]!.policy).not.toContain("auth/token");
    const objects = new Objects(recorded, "e");
    expect([objects.names("SecretStore"), objects.names("ServiceAccount")]).toEqual([[], []]);
    for (const name of objects.names("VaultSecret")) {
      expect(objects.find("VaultSecret", name).spec.vaultRole).toBe("usdf-x-embargo-e");
      expect(validateObject(objects.find("VaultSecret", name))).toEqual([]);
    }
  });

  it("declares nothing of it where the stack is told of no Vault", async () => {
    const recorded = await recordE({ vault: undefined });
    expect([...roles(recorded), ...policies(recorded)]).toEqual([]);
    expect(new Objects(recorded, "e").find("ExternalSecret", "redis").spec.secretStoreRef.kind).toBe(
      "ClusterSecretStore",
    );
  });
});

describe("policyText", () => {
  const config = (more: Partial<VaultConfig>) => ({ mount: "secret", kvVersion: 2, ...more }) as VaultConfig;

  it("has no data in the path of an engine of version 1, and each path once", () =>
    expect(
      policyText(["kv/usdf/b", "kv/usdf/a", "kv/usdf/b"], config({ mount: "kv/usdf", kvVersion: 1 }), "vaultSecret"),
    ).toBe('path "kv/usdf/a" {\n  capabilities = ["read"]\n}\n\npath "kv/usdf/b" {\n  capabilities = ["read"]\n}\n'));

  it("refuses a path of another mount", () =>
    expect(() => policyText(["secrets/a"], config({}), "externalSecret")).toThrow(
      'Vault path secrets/a is not below "secret". Move the secret, or correct usdf:platform.vault.mount.',
    ));
});

describe("usdf:platform.vault", () => {
  const faultsOf = (platform: object) => () => loadStackConfig({ platform, embargo: { environments } }, "x");
  const fault = (text: string) => `Pulumi.x.yaml has 1 fault.\n  - usdf:platform.${text}`;

  it.each<[string, object, string]>([
    [
      "a cluster without auth mount",
      { vault: { ...vault, authMounts: { d: "kubernetes" } } },
      "vault.authMounts.c is missing: name the mount of that cluster's Kubernetes auth method.",
    ],
    [
      "values of the stack, which nothing reads from Vault",
      { vault, secrets: { kind: "value" } },
      "vault is of no use with secrets.kind value: nothing in the cluster reads Vault.",
    ],
    [
      "an engine that does not exist",
      { vault: { ...vault, kvVersion: 3 } },
      "vault.kvVersion is 3: it must be 1 or 2.",
    ],
    [
      "a mount with a slash at its end",
      { vault: { ...vault, mount: "secret/" } },
      'vault.mount is "secret/": it must be a mount without / at the ends, e.g. "secret" or "k8s/usdf-embargo-dmz".',
    ],
  ])("refuses %s", (_, platform, text) => expect(faultsOf(platform)).toThrow(fault(text)));
});

it("shows in usdf preview and render who may read what", async () => {
  const files = filesOf(declarationOf(await recordE({})));
  expect(files.get("embargo/_vault/VaultPolicy-usdf-x-embargo-e.yaml")).toContain(
    'policy: |\n  path "secret/data/rubin/usdf-embargo-dmz/e" {\n    capabilities = ["read"]\n  }\n',
  );
  const role = parse(files.get("embargo/_vault/VaultAuthBackendRole-usdf-x-embargo-e.yaml")!);
  expect(role).toMatchObject({ backend: "k8s/c", boundServiceAccountNamespaces: ["e"] });
});
