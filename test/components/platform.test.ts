import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enqueueContract } from "../../workloads/src/enqueue/contract";
import { ingestContract } from "../../workloads/src/ingest/contract";
import { KubeContextError, program, requireKubeContexts } from "../../components/platform";
import { validateObject } from "../../components/platform/schemas";
import { recordStack } from "../../local/record";
import { Objects } from "./objects";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, looked into field by field */

const resources = { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1", memory: "1Gi" } };
const image = "i";
const redis = { REDIS_HOST: "redis", REDIS_PASSWORD: { secretName: "redis", key: "redis-password" } };

describe("program: the environment of a container has the type of its contract", () => {
  it("takes what the contract has", () => {
    const { env } = program(enqueueContract, { image, resources, env: { ...redis, BODY_LIMIT: 4096 } });
    expect(env).toContainEqual({ name: "BODY_LIMIT", value: "4096" });
    expect(env).toContainEqual({
      name: "REDIS_PASSWORD",
      valueFrom: { secretKeyRef: { name: "redis", key: "redis-password" } },
    });
    expect(env).toContainEqual({ name: "HTTP_HOST", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } });
    expect(env).toContainEqual({ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } });
  });

  it("does not compile otherwise (tsc fails where one of these lines is no error)", () => {
    const misspelt = { ...redis, DATASET_REGEX: "x" };
    // @ts-expect-error -- a misspelt variable
    program(enqueueContract, { image, resources, env: { ...redis, BODYLIMIT: 4096 } });
    // @ts-expect-error -- a misspelt variable that comes by a spread
    program(enqueueContract, { image, resources, env: { ...misspelt } });
    // @ts-expect-error -- a missing variable
    program(enqueueContract, { image, resources, env: { REDIS_HOST: "redis" } });
    // @ts-expect-error -- a secret as text
    program(enqueueContract, { image, resources, env: { ...redis, NOTIFICATION_SECRET: "text" } });
    // @ts-expect-error -- a word that is not one of the choices
    program(enqueueContract, { image, resources, env: { ...redis, ENQUEUE_MODE: "nats" } });
  });

  it("refuses a variable of no family of the contract", () =>
    expect(() =>
      program(ingestContract, {
        image,
        resources,
        env: { ...redis, BUCKET: "b", BUTLER_REPO: "r" },
        families: { LSST_RESOURCE_S3_PROFILE_x: "y" },
      }),
    ).toThrow(
      "LSST_RESOURCE_S3_PROFILE_x belongs to no family of variables of ingest. Correct the name or its contract.",
    ));

  it.each([
    ["100Mi", "192Mi"],
    ["0.1Gi", "192Mi"],
    ["131072Ki", "192Mi"],
    ["192Mi", "192Mi"],
    ["1Gi", "1Gi"],
  ])("raises a memory limit of %s to %s", (memory, expected) => {
    const small = { ...resources, limits: { cpu: "1", memory } };
    expect(program(enqueueContract, { image, resources: small, env: redis }).resources.limits.memory).toBe(expected);
  });
});

describe("requireKubeContexts", () => {
  const dir = mkdtempSync(join(tmpdir(), "usdf-kube-"));
  afterAll(() => rmSync(dir, { recursive: true }));
  const file = (name: string, ...contexts: string[]) => {
    const path = join(dir, name);
    writeFileSync(path, JSON.stringify({ contexts: contexts.map((context) => ({ name: context })) }));
    return path;
  };

  it("finds contexts in any file of KUBECONFIG, as kubectl does", () => {
    const KUBECONFIG = `${file("a", "dmz")}:${join(dir, "missing")}:${file("b", "dev")}`;
    expect(() => requireKubeContexts(["dmz", "dev"], { KUBECONFIG })).not.toThrow();
  });

  it("refuses one that is not there, and says which are", () => {
    const KUBECONFIG = file("c", "dmz", "dev");
    expect(() => requireKubeContexts(["dmz", "prod"], { KUBECONFIG })).toThrow(KubeContextError);
    expect(() => requireKubeContexts(["dmz", "prod"], { KUBECONFIG })).toThrow(
      `kubeContext "prod" is not in ${KUBECONFIG} (contexts: dmz, dev). Nothing was changed. ` +
        "Fetch that cluster's kubeconfig, or correct kubeContext.",
    );
  });
});

describe("ways of a secret", () => {
  const environment = { kubeContext: "c", bucket: "b", profile: "p", butlerRepo: "s3://b/butler.yaml" };
  const objectsOf = async (kind: string) => {
    const platform = { secrets: { kind } };
    const embargo = { environments: { e: environment } };
    return new Objects(
      await recordStack("x", {
        config: { config: { "usdf:platform": platform, "usdf:embargo": embargo, "usdf:secrets": {} } },
      }),
      "e",
    );
  };

  it("vaultSecret: the ricoberger operator renames fields by template", async () => {
    const objects = await objectsOf("vaultSecret");
    expect(objects.names("VaultSecret")).toEqual(["db-auth", "notification", "redis", "s3"]);
    expect(objects.find("VaultSecret", "db-auth").spec).toEqual({
      path: "secret/rubin/usdf-embargo-dmz/e",
      type: "Opaque",
      keys: ["db-auth.yaml"],
      templates: { "db-auth.yaml": '{% index .Secrets "db-auth.yaml" %}' },
    });
    for (const { inputs } of objects.all) expect(validateObject(inputs as any)).toEqual([]);
  });

  it("value: a Secret of the stack", async () => {
    const objects = await objectsOf("value");
    expect(objects.names("Secret")).toEqual(["db-auth", "notification", "redis", "s3"]);
    expect(objects.names("ExternalSecret")).toEqual([]);
  });
});

describe("monitoring", () => {
  it("is left out where there is no Prometheus operator", async () => {
    const config = {
      "usdf:platform": { monitoring: { enabled: false } },
      "usdf:embargo": { environments: { e: { kubeContext: "c", bucket: "b", butlerRepo: "s3://b/butler.yaml" } } },
    };
    const objects = new Objects(await recordStack("x", { config: { config } }), "e");
    expect([...objects.names("PodMonitor"), ...objects.names("PrometheusRule")]).toEqual([]);
    expect(JSON.stringify(objects.find("NetworkPolicy", "embargo-butler-idle"))).not.toContain("monitoring");
  });

  it("reads metrics that the programs have, and every alert has a runbook", async () => {
    const config = {
      "usdf:embargo": { environments: { e: { kubeContext: "c", bucket: "b", butlerRepo: "s3://b/butler.yaml" } } },
    };
    const objects = new Objects(await recordStack("x", { config: { config } }), "e");
    const rule = objects.find("PrometheusRule", "embargo-butler-alerts");
    const rules = rule.spec.groups[0].rules as any[];
    expect(rules.map(({ alert }) => alert)).toEqual(
      expect.arrayContaining(["EmbargoQueueOld", "EmbargoDeadLetters", "EmbargoIngestFailing"]),
    );
    const source = ["idle/gauges", "idle/main", "ingest/metrics", "enqueue/metrics"]
      .map((file) => readSource(file))
      .join("\n");
    for (const { alert, expr, annotations } of rules) {
      expect(annotations.runbook.length).toBeGreaterThan(30);
      for (const [metric] of expr.matchAll(/\busdf_\w+/g))
        expect([alert, source.includes(`"${metric}"`)]).toEqual([alert, true]);
    }
  });
});

function readSource(file: string): string {
  return readFileSync(join(__dirname, "../../workloads/src", `${file}.ts`), "utf8");
}
