/** The whole program through the real Pulumi engine and Kubernetes provider against a real API server. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { ControlPlane, missing, unpackTools } from "./controlPlane";

jest.setTimeout(400_000);
if (missing) console.warn(`engine tier skipped: ${missing}`);

const root = resolve(__dirname, "../..");
const dir = mkdtempSync(join(tmpdir(), "usdf-program-"));
const project = join(dir, "project");
const settings = join(project, "Pulumi.engine.yaml");

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
  let environment: NodeJS.ProcessEnv;

  /** Runs the CLI while the cluster settles. */
  async function pulumi(...args: string[]): Promise<{ code: number; output: string }> {
    const all = [...args, "--stack", "engine", "--non-interactive", "--cwd", project];
    const child = spawn("pulumi", all, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
    let code: number | undefined;
    child.once("close", (status) => (code = status ?? 1));
    while (code === undefined) {
      if (args[0] === "up") cluster.settle();
      await sleep(500);
    }
    return { code, output };
  }
  async function up(): Promise<string> {
    const { code, output } = await pulumi("up", "--yes", "--skip-preview");
    if (code !== 0) throw new Error(output);
    return output;
  }
  function configure(change: object): void {
    const kept = parse(readFileSync(settings, "utf8")) as object;
    writeFileSync(settings, stringify({ ...kept, config: { "usdf:embargo": { ...embargo, ...change } } }));
  }
  const images = () =>
    Object.fromEntries(
      cluster
        .list("deployments")
        .filter(({ metadata }) => metadata.namespace === "ours")
        .map(({ metadata, spec }) => [metadata.name, spec.template.spec.containers[0].image.split(":")[0]]),
    );

  beforeAll(async () => {
    mkdirSync(project);
    for (const part of [
      "index.ts",
      "components",
      "local",
      "workloads",
      "node_modules",
      "package.json",
      "Pulumi.yaml",
    ]) {
      symlinkSync(join(root, part), join(project, part)); // the stack's file is the test's own
    }
    cluster = new ControlPlane(join(dir, "cluster"));
    environment = {
      ...process.env,
      PATH: [unpackTools(), process.env.PATH].join(delimiter),
      KUBECONFIG: cluster.kubeconfig,
      PULUMI_HOME: join(dir, "home"),
      PULUMI_BACKEND_URL: `file://${dir}`,
      PULUMI_CONFIG_PASSPHRASE: "",
      PULUMI_SKIP_UPDATE_CHECK: "1",
      NODE_NO_WARNINGS: "1",
    };
    expect(await pulumi("stack", "init")).toMatchObject({ code: 0 });
  });
  afterAll(() => {
    cluster?.down();
    rmSync(dir, { recursive: true, force: true });
  });

  it("changes nothing when the kubeconfig lacks a context", async () => {
    configure({ kubeContext: "elsewhere" });
    const { code, output } = await pulumi("up", "--yes", "--skip-preview");
    expect(code).not.toBe(0);
    expect(output).toContain('kubeContext "elsewhere" is not in');
    expect(output).toContain("Nothing was changed.");
    expect(cluster.list("namespaces").map(({ metadata }) => metadata.name)).not.toContain("ours");
  });

  it("shows a fault of the configuration without a stack trace", async () => {
    configure({ kubeContxt: "local" });
    const { code, output } = await pulumi("preview");
    expect(code).not.toBe(0);
    expect(output).toContain("usdf:embargo.kubeContxt is unknown. Did you mean kubeContext?");
    expect(output).not.toMatch(/^\s+at /m);
  });

  it("makes everything, and every pod passes the admission of its namespace", async () => {
    configure({});
    expect(await up()).toMatch(/Resources:\n\s+\+ \d+ created/);
    const outputs = JSON.parse((await pulumi("stack", "output", "--json")).output);
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
    expect(await pulumi("preview", "--refresh", "--expect-no-changes")).toMatchObject({ code: 0 });
  });

  it("switches an environment to upstream's images and back without replacing anything", async () => {
    configure({ environments: { ...embargo.environments, ours: { ...embargo.environments.ours, image: "upstream" } } });
    const there = await up();
    expect(images()["embargo-butler-ingest"]).toBe("ghcr.io/lsst-dm/embargo-butler-ingest");
    configure({});
    const back = await up();
    expect(Object.values(images()).every((image) => /^ghcr\.io\/lsst-dm\/usdf-/.test(image as string))).toBe(true);
    expect(there + back).not.toContain("replaced");
  });

  it("takes away what it made, but not the volumes' namespaces", async () => {
    const { code, output } = await pulumi("destroy", "--yes", "--skip-preview");
    expect([code, output.includes("deleted")]).toEqual([0, true]);
    expect(cluster.list("deployments")).toEqual([]);
    expect(cluster.list("namespaces").map(({ metadata }) => metadata.name)).toContain("ours");
  });
});
