/** The whole program through the real Pulumi engine and Kubernetes provider against a real API server. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PulumiProject } from "../support/pulumi";
import { ControlPlane, missing } from "./controlPlane";

jest.setTimeout(400_000);
if (missing) console.warn(`engine tier skipped: ${missing}`);

const dir = mkdtempSync(join(tmpdir(), "usdf-program-"));

/** One environment of each kind: profile, Kafka, presence; and keys, webhook, Rucio with upstream's images. */
const embargo = {
  kubeContext: "local",
  environments: {
    ours: {
      bucket: "rubin-summit",
      profile: "embargo",
      butlerRepo: "s3://embargo@rubin-summit-users/butler.yaml",
      enqueue: { upstreamTag: "1.2.1" },
      ingest: { upstreamTag: "1.2.1", replicas: 2 },
      idle: { upstreamTag: "1.2.1" },
      presence: { upstreamTag: "1.2.1" },
    },
    old: {
      image: "upstream",
      bucket: "rubin-sts",
      butlerRepo: "s3://rubin-sts/butler-ingest.yaml",
      enqueue: { upstreamTag: "0.99", kafka: { cluster: "127.0.0.1:9094", topic: "t" } },
      idle: { upstreamTag: "0.99" },
      ingest: {
        upstreamTag: "0.99.2",
        rucio: { rse: "R", dtn: "davs://h/", scope: "raw", account: "a", host: "https://rucio" },
      },
    },
  },
};

(missing ? describe.skip : describe)("the program through the engine", () => {
  let cluster: ControlPlane;
  let project: PulumiProject;
  const configure = (change: object) => project.configure({ "usdf:embargo": { ...embargo, ...change } });

  const images = () =>
    Object.fromEntries(
      cluster
        .list("deployments")
        .filter(({ metadata }) => metadata.namespace === "ours")
        .map(({ metadata, spec }) => [metadata.name, spec.template.spec.containers[0].image.split(":")[0]]),
    );

  beforeAll(async () => {
    cluster = new ControlPlane(join(dir, "cluster"));
    project = new PulumiProject({
      dir,
      stack: "engine",
      environment: { KUBECONFIG: cluster.kubeconfig },
      meanwhile: () => cluster.settle(),
    });
    await project.init();
  });
  afterAll(() => {
    cluster?.down();
    rmSync(dir, { recursive: true, force: true });
  });

  it("changes nothing when the kubeconfig lacks a context", async () => {
    configure({ kubeContext: "elsewhere" });
    const { code, output } = await project.run("up", "--yes", "--skip-preview");
    expect(code).not.toBe(0);
    expect(output).toContain('kubeContext "elsewhere" is not in');
    expect(output).toContain("Nothing was changed.");
    expect(cluster.list("namespaces").map(({ metadata }) => metadata.name)).not.toContain("ours");
  });

  it("shows a fault of the configuration without a stack trace", async () => {
    configure({ kubeContxt: "local" });
    const { code, output } = await project.run("preview");
    expect(code).not.toBe(0);
    expect(output).toContain("usdf:embargo.kubeContxt is unknown. Did you mean kubeContext?");
    expect(output).not.toMatch(/^\s+at /m);
  });

  it("makes everything, and every pod passes the admission of its namespace", async () => {
    configure({});
    expect(await project.up()).toMatch(/Resources:\n\s+\+ \d+ created/);
    const outputs = await project.outputs<{ embargo: Record<string, unknown> }>();
    expect(outputs.embargo.ours).toEqual({
      enqueueUrl: "http://127.0.0.9:8080/notify",
      presenceUrl: "http://127.0.0.9:8080/presence",
      redisEndpoint: "redis.ours.svc.cluster.local:6379",
      topicArns: [],
    });
    const enforced = cluster.list("namespaces").map(({ metadata }) => {
      return `${metadata.name} ${metadata.labels["pod-security.kubernetes.io/enforce"]}`;
    });
    expect(enforced).toEqual(expect.arrayContaining(["ours restricted", "old baseline"]));
    const running = cluster.list("pods").map(({ metadata }) => metadata.namespace as string);
    expect(running.filter((namespace) => namespace === "ours").length).toBe(6);
  });

  it("changes nothing the second time, and sees no drift", async () => {
    expect(await project.run("preview", "--refresh", "--expect-no-changes")).toMatchObject({ code: 0 });
  });

  it("switches an environment to upstream's images and back without replacing anything", async () => {
    configure({ environments: { ...embargo.environments, ours: { ...embargo.environments.ours, image: "upstream" } } });
    const there = await project.up();
    expect(images()["embargo-butler-ingest"]).toBe("ghcr.io/lsst-dm/embargo-butler-ingest");
    configure({});
    const back = await project.up();
    expect(Object.values(images()).every((image) => /^ghcr\.io\/lsst-dm\/usdf-/.test(image as string))).toBe(true);
    expect(there + back).not.toContain("replaced");
  });

  it("takes away what it made, but not the volumes' namespaces", async () => {
    const { code, output } = await project.run("destroy", "--yes", "--skip-preview");
    expect([code, output.includes("deleted")]).toEqual([0, true]);
    expect(cluster.list("deployments")).toEqual([]);
    expect(cluster.list("namespaces").map(({ metadata }) => metadata.name)).toContain("ours");
  });
});
