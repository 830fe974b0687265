/** The policy pack in the real Pulumi engine: what stops a preview, and what does not. No cluster is asked. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { stringify } from "yaml";
import { readStackYaml } from "../../local/record";
import { rules } from "../../policy/rules";
import { missing } from "../support/cluster";
import { PulumiProject, root, unpackTools } from "../support/pulumi";

if (missing) console.warn(`engine tier skipped: ${missing}`);
const test = missing ? it.skip : it;

const dir = mkdtempSync(join(tmpdir(), "usdf-policy-"));
const context = "local";
const environment = {
  bucket: "rubin-summit",
  profile: "embargo",
  butlerRepo: "s3://embargo@rubin-summit-users/butler.yaml",
};
let project: PulumiProject;

beforeAll(async () => {
  if (missing) return;
  const kubeconfig = join(dir, "kubeconfig");
  // Nobody listens there: a preview of what is new asks no cluster.
  const cluster = { name: context, cluster: { server: "http://127.0.0.1:9" } };
  const named = { name: context, context: { cluster: context, user: context } };
  const users = [{ name: context, user: {} }];
  writeFileSync(
    kubeconfig,
    stringify({ apiVersion: "v1", kind: "Config", clusters: [cluster], users, contexts: [named] }),
  );
  project = new PulumiProject({
    dir,
    stack: "prod", // by its name a stack of production
    environment: { KUBECONFIG: kubeconfig, PATH: [launcher(), unpackTools(), process.env.PATH].join(delimiter) },
  });
  project.init();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The small script of Pulumi's distribution that starts policy packs in Node.js. */
function launcher(): string {
  const bin = join(dir, "bin");
  const script = join(bin, "pulumi-analyzer-policy");
  mkdirSync(bin);
  writeFileSync(
    script,
    `#!/bin/sh\nscript=$(node -p "require.resolve('@pulumi/pulumi/cmd/run-policy-pack')") && exec node "$script" "$@"\n`,
  );
  chmodSync(script, 0o755);
  return bin;
}

const preview = () => project.run("preview", "--policy-pack", join(root, "policy"));

test("lets the environments of prod pass, and shows what it excepts", async () => {
  const { config } = readStackYaml("prod") as { config: Record<string, object> };
  // Without Ceph: its topics take their secrets from a Vault, and its policies another provider.
  project.configure({
    "usdf:platform": config["usdf:platform"],
    "usdf:embargo": { ...config["usdf:embargo"], kubeContext: context },
  });
  const { code, output } = await preview();
  expect(output).not.toContain("[mandatory]");
  expect([code, /Policies:\n\s+\S+ usdf@v\d/.test(output)]).toEqual([0, true]);
  expect(output).toContain("Namespace sts, pod-security-restricted: registers files with Rucio");
  expect(output).toContain("Service bts/bts-butler-enqueue: is a load balancer for everyone who reaches its address.");
});

test("stops what breaks mandatory rules, and names each with its object and remedy", async () => {
  project.configure({
    "usdf:platform": { protectData: false },
    "usdf:ceph": {
      endpoints: {
        gateway: { url: "https://127.0.0.1:9", topics: { raw: { pushEndpoint: "http://me:hunter2@127.0.0.1:9/" } } },
      },
    },
    "usdf:embargo": {
      kubeContext: context,
      environments: {
        summit: {
          ...environment,
          redis: { tag: "latest" },
          enqueue: { service: { sources: ["172.24.0.0/16", "0.0.0.0/0"] } },
        },
      },
    },
  });
  const { code, output } = await preview();
  expect(code).not.toBe(0);
  for (const [rule, message] of [
    ["image-tag", 'StatefulSet summit/redis: spec.template.spec.containers[0].image "redis:latest" has the tag latest'],
    [
      "every-network",
      "Service summit/embargo-butler-enqueue: spec.loadBalancerSourceRanges[1] lets in or out 0.0.0.0/0.",
    ],
    ["plain-secret", "NotificationTopic raw: pushEndpoint is a URL with a password in it."],
    ["data-protected", "NotificationTopic raw: holds data and is not protected."],
    ["data-protected", "Namespace summit: holds data and is not protected. Set usdf:platform.protectData"],
  ]) {
    expect(output).toMatch(new RegExp(`\\[mandatory\\]\\s+${rule} `));
    expect(output).toContain(message);
  }
  const named = [...output.matchAll(/\[mandatory\]\s+([\w-]+)/g)].map(([, rule]) => rule);
  expect([...new Set(named)].sort()).toEqual(["data-protected", "every-network", "image-tag", "plain-secret"]);
  expect(output).not.toContain("hunter2");
  expect(rules.map(({ name }) => name)).toEqual(expect.arrayContaining(named));
});
