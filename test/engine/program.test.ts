/** Every component through the real Pulumi engine and Kubernetes provider, against a real API server and a real Ceph RGW. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { deleteNotification, getTopic } from "../../components/ceph";
import { until } from "../support/network";
import { type PulumiProject, root, type State } from "../support/pulumi";
import { missing } from "./controlPlane";
import {
  complaintsAbout,
  notRecorded,
  previousRecording,
  record,
  type Recording,
  recording,
  stateFor,
} from "./recording";
import { everything, notificationSecret, secretValues } from "./stacks";
import { Stand } from "./stand";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */

jest.setTimeout(300_000);
if (missing) console.warn(`engine tier skipped: ${missing}`);

(missing ? describe.skip : describe)("the program through the engine", () => {
  let stand: Stand;
  let project: PulumiProject;
  let config: ReturnType<typeof everything>;
  const own = ["ours", "old"];

  const arn = (topic: string) => `arn:aws:sns:default::${topic}`;
  const inOwn = ({ metadata }: any) => own.includes(metadata.namespace);
  const deployment = (name: string) =>
    stand.cluster.list("deployments", "ours").find(({ metadata }) => metadata.name === `embargo-butler-${name}`);
  const environments = (ours: object, old: object): object => {
    const embargo = config["usdf:embargo"] as { environments: Record<"ours" | "old", object> };
    const changed = { ours: { ...embargo.environments.ours, ...ours }, old: { ...embargo.environments.old, ...old } };
    return { ...config, "usdf:embargo": { ...embargo, environments: changed } };
  };

  /** Runs a line of docs/operations.md, which must be there. */
  function documented(line: string, folder: string): void {
    expect(readFileSync(join(root, "docs/operations.md"), "utf8")).toContain(`\n${line}`);
    execFileSync("bash", ["-euc", line.replaceAll("<stack>", "engine")], { cwd: folder });
  }

  beforeAll(async () => {
    stand = await Stand.start();
    config = everything(stand.rgw.url);
    project = stand.project("engine");
    await project.init();
    await project.setSecret("usdf:secrets", secretValues);
  });
  afterAll(() => stand?.stop());

  it("changes nothing when the kubeconfig lacks a context", async () => {
    project.configure({
      ...config,
      "usdf:embargo": { ...(config["usdf:embargo"] as object), kubeContext: "elsewhere" },
    });
    const { code, output } = await project.run("up", "--yes", "--skip-preview");
    expect(code).not.toBe(0);
    expect(output).toContain('kubeContext "elsewhere" is not in');
    expect(output).toContain("Nothing was changed.");
    expect(stand.cluster.list("namespaces").map(({ metadata }) => metadata.name)).not.toContain("ours");
  });

  it("shows a fault of the configuration without a stack trace", async () => {
    project.configure({ ...config, "usdf:embargo": { ...(config["usdf:embargo"] as object), kubeContxt: "local" } });
    const { code, output } = await project.run("preview");
    expect(code).not.toBe(0);
    expect(output).toContain("usdf:embargo.kubeContxt is unknown. Did you mean kubeContext?");
    expect(output).not.toMatch(/^\s+at /m);
  });

  it("previews everything, and says what the configuration leaves out", async () => {
    project.configure(config);
    const output = await project.mustRun("preview");
    expect(output).toMatch(/Resources:\n\s+\+ \d+ to create\n/);
    expect(output).toContain("left out: the policies of buckets engine-raw (usdf:ceph.bucketPolicies is unmanaged).");
  });

  it("is killed amid an up; the next one finishes it, and every pod passes the admission of its namespace", async () => {
    project.configure(config);
    stand.settles = false;
    const { ended } = project.begin("up", "--yes", "--skip-preview");
    // As many steps as the engine takes at a time wait for pods, addresses and volumes.
    await until("the up to wait for pods", () => stand.cluster.list("pods").filter(inOwn).length >= 3, {
      timeoutMs: 120_000,
    }).finally(() => project.kill());
    await ended;
    stand.settles = true;
    const refused = async (...args: string[]) => (await project.run(...args)).output;
    expect(await refused("up", "--yes", "--skip-preview")).toContain("the stack is currently locked");

    // As docs/operations.md says.
    const checkpoint = join(project.stateDir, ".pulumi/stacks/usdf/engine.json");
    writeFileSync(`${checkpoint}.attrs`, ""); // what a kill leaves where the CLI writes such files
    expect(await refused("cancel", "--yes")).toContain("failed to load checkpoint: EOF");
    documented("find .pulumi -name '*.attrs' -delete", project.stateDir);
    truncateSync(checkpoint, 1_000); // and the loss of power
    expect(await refused("stack", "export")).toMatch(/failed to load checkpoint: .*unexpected end of JSON input/);
    documented("cp .pulumi/stacks/usdf/<stack>.json.bak .pulumi/stacks/usdf/<stack>.json", project.stateDir);

    await project.mustRun("cancel", "--yes");
    expect((await project.state()).deployment.pending_operations).not.toEqual([]);
    await project.mustRun("refresh", "--yes", "--skip-preview", "--clear-pending-creates");
    project.environment.PULUMI_K8S_UPSERT_EXISTING_OBJECTS = "true";
    await project.up().finally(() => delete project.environment.PULUMI_K8S_UPSERT_EXISTING_OBJECTS);
    expect((await project.state()).deployment.pending_operations ?? []).toEqual([]);
    const enforced = stand.cluster.list("namespaces").map(({ metadata }) => {
      return `${metadata.name} ${metadata.labels["pod-security.kubernetes.io/enforce"]}`;
    });
    expect(enforced).toEqual(expect.arrayContaining(["ours restricted", "old baseline"]));
    const pods = stand.cluster.list("pods").filter(inOwn);
    expect(pods.map(({ metadata }) => metadata.namespace).sort()).toEqual([
      ...Array(4).fill("old"),
      ...Array(6).fill("ours"),
    ]);
    expect(await stand.notifications("engine-raw")).toEqual([
      "engine-elsewhere -> engine-elsewhere",
      "engine-to-http -> engine-ours",
      "engine-to-kafka -> engine-old",
    ]);
    const topic = await getTopic(stand.rgw, arn("engine-ours"));
    expect(topic).toMatchObject({ "push-endpoint": "http://127.0.0.9:8080/notify", OpaqueData: notificationSecret });
  });

  it("changes nothing the second time, and sees no drift", async () => {
    await project.up(); // the provider was another one while it took things over
    await project.mustRun("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes");
  });

  it("changes nothing on another machine, which has the kubeconfig elsewhere and in several files", async () => {
    const { KUBECONFIG } = project.environment;
    const files = ["first.yaml", "second.yaml"].map((name) => join(stand.dir, name));
    writeFileSync(files[0]!, "apiVersion: v1\nkind: Config\n");
    cpSync(KUBECONFIG!, files[1]!);
    project.environment.KUBECONFIG = files.join(delimiter);
    const same = ["preview", "--refresh", "--expect-no-changes"];
    await project.mustRun(...same).finally(() => (project.environment.KUBECONFIG = KUBECONFIG));
  });

  it("keeps no secret value in state and outputs", async () => {
    const text = JSON.stringify([await project.state(), await project.outputs()]);
    for (const value of Object.values(secretValues)) expect(text.includes(value) ? value : "").toBe("");
  });

  it("shows what was changed by hand, and mends it", async () => {
    stand.cluster.kubectl("-n", "ours", "scale", "deployment/embargo-butler-ingest", "--replicas=5");
    await stand.topicByHand("engine-elsewhere", "http://192.0.2.99:9999/other");
    await deleteNotification(stand.rgw, "engine-raw", "engine-to-http");

    const shown = await project.mustRun("preview", "--refresh", "--diff");
    expect(shown).toMatch(/replicas\s*: 5 => 2/);
    expect(shown).toContain('pushEndpoint: "http://192.0.2.80:8080/notify" => "http://192.0.2.99:9999/other"');
    expect(shown).toMatch(/\+ pulumi-nodejs:dynamic\/ceph:BucketNotification: \(create\)\n.*engine-to-http\]/);
    expect(shown).toMatch(/Resources:\n\s+\+ 1 to create\n\s+~ 3 to update\n/); // the topic's other notification, too
    await project.up("--refresh");
    expect(deployment("ingest").spec.replicas).toBe(2);
    const topic = await getTopic(stand.rgw, arn("engine-elsewhere"));
    expect(topic).toMatchObject({ "push-endpoint": "http://192.0.2.80:8080/notify" });
    expect(await stand.notifications("engine-raw")).toContain("engine-to-http -> engine-ours");
  });

  describe("a change of names or parents", () => {
    let state: State;
    beforeAll(async () => {
      state = await project.state("--show-secrets");
      if (process.env.USDF_RECORD_STATE) record(config, state);
    });

    /** Previews a program on a recorded state; what it would do to what has state. */
    async function hold(recorded: Recording, name: string, change?: (folder: string) => void): Promise<string[]> {
      const dir = join(stand.dir, name);
      if (change) {
        // Modules are found from where they really are, so the changed copy is no link.
        mkdirSync(join(dir, "project"), { recursive: true });
        for (const part of ["index.ts", "components"])
          cpSync(join(root, part), join(dir, "project", part), { recursive: true });
        change(join(dir, "project"));
      }
      const copy = stand.project("engine", { dir, own: change ? ["index.ts", "components"] : [] });
      await copy.init();
      await copy.setSecret("usdf:secrets", secretValues);
      const file = join(dir, "state.json");
      const { version, deployment } = stateFor(stand.cluster.kubeconfig, recorded);
      const { secrets_providers } = state.deployment; // how secrets are to be encrypted; a recording has none
      writeFileSync(file, JSON.stringify({ version, deployment: { ...deployment, secrets_providers } }));
      await copy.mustRun("stack", "import", "--file", file);
      copy.configure(recorded.config);
      return complaintsAbout((await copy.json("preview", "--json")) as Parameters<typeof complaintsAbout>[0]);
    }

    /** Replaces text in a file of the copied program; it must be there. */
    function edit(folder: string, file: string, from: string, to: string): void {
      const text = readFileSync(join(folder, file), "utf8");
      if (!text.includes(from)) throw new Error(`${file} has no ${from}: the test must follow it`);
      writeFileSync(join(folder, file), text.replace(from, to));
    }

    it("replaces nothing that has state since the previous commit", async () => {
      expect(notRecorded(state, recording())).toEqual([]);
      expect(await hold(previousRecording(), "previous")).toEqual([]);
    });

    it("is noticed, and an alias mends it", async () => {
      const renamed = (folder: string) => {
        edit(
          folder,
          "components/embargo/redis.ts",
          "const name = `${environment.name}-redis`",
          "const name = `${environment.name}-queue`",
        );
        edit(
          folder,
          "components/embargo/embargoIngest.ts",
          "new Enqueue(environment, child)",
          "new Enqueue(environment, { provider: opts?.provider })",
        );
      };
      const complaints = await hold(recording(), "renamed", renamed);
      const redis =
        "urn:pulumi:engine::usdf::usdf:embargo:EmbargoIngest$usdf:embargo:Redis$usdf:platform:Workload$kubernetes:apps/v1:StatefulSet::ours-redis";
      expect(complaints).toContain(
        `${redis} would end (delete). It has state, or clients that know it: add an alias with its old name, type or parent ` +
          "to the component's options, or keep the field that cannot change.",
      );
      expect(complaints.filter((complaint) => complaint.includes("usdf:embargo:Enqueue$"))).not.toEqual([]);

      const mended = await hold(recording(), "mended", (folder) => {
        renamed(folder);
        edit(
          folder,
          "components/embargo/redis.ts",
          "{}, opts)",
          "{}, { ...opts, aliases: [{ name: `${environment.name}-redis` }] })",
        );
        edit(
          folder,
          "components/embargo/embargoIngest.ts",
          "{ provider: opts?.provider }",
          "{ provider: opts?.provider, aliases: [{ parent: this }] }",
        );
      });
      expect(mended).toEqual([]);
    });

    it("is noticed when the recording is older than a component", () => {
      const { resources = [], ...deployment } = recording().state.deployment;
      const older = resources.filter(({ type }) => type !== "kubernetes:apps/v1:StatefulSet");
      const complaints = notRecorded(state, {
        config,
        state: { version: 3, deployment: { ...deployment, resources: older } },
      });
      expect(complaints).toHaveLength(2);
      expect(complaints.sort()[1]).toContain(
        "kubernetes:apps/v1:StatefulSet::ours-redis is not in test/engine/recorded/everything.json",
      );
    });
  });

  it("changes who brings the secrets, and whose images run, and back, without replacing anything", async () => {
    const images = () =>
      ["enqueue", "ingest", "idle", "presence"].map(
        (name) => deployment(name).spec.template.spec.containers[0].image.split(":")[0] as string,
      );
    const secrets = (kind: string) => ({ "usdf:platform": { secrets: { kind } } });
    await stand.putSecrets(secretValues);

    // The Redis of `old` is one that the killed up began.
    project.configure({
      ...environments({ image: "upstream" }, { redis: { tag: "7.4.5" } }),
      ...secrets("vaultSecret"),
    });
    const there = await project.up();
    expect(images()).toContain("ghcr.io/lsst-dm/embargo-butler-ingest");
    expect(stand.cluster.list("vaultsecrets").length).toBeGreaterThan(5);
    project.configure({ ...config, ...secrets("externalSecret") });
    const back = await project.up();
    expect(images().every((image) => /^ghcr\.io\/lsst-dm\/usdf-/.test(image))).toBe(true);
    expect([stand.cluster.list("vaultsecrets"), stand.cluster.list("externalsecrets").length > 5]).toEqual([[], true]);
    expect(there + back).not.toContain("replaced");
  });

  it("takes away what it made, but not the namespaces with their volumes", async () => {
    await project.mustRun("destroy", "--yes", "--skip-preview");
    const kinds = [
      ...["deployments", "statefulsets", "cronjobs", "services", "networkpolicies", "poddisruptionbudgets", "secrets"],
      ...[
        "serviceaccounts",
        "externalsecrets",
        "vaultsecrets",
        "podmonitors",
        "prometheusrules",
        "persistentvolumeclaims",
      ],
    ].join(",");
    const left = stand.cluster.list(kinds).filter(inOwn);
    expect(left.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`).sort()).toEqual([
      "PersistentVolumeClaim old/data-redis-0",
      "PersistentVolumeClaim ours/data-redis-0",
      "PersistentVolumeClaim ours/sdf-data",
      "ServiceAccount old/default",
      "ServiceAccount ours/default",
    ]);
    expect(stand.cluster.list("namespaces").map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(own));
    expect(await stand.notifications("engine-raw")).toEqual([]);
    for (const topic of ["engine-ours", "engine-old", "engine-elsewhere"])
      expect(await getTopic(stand.rgw, arn(topic))).toBeUndefined();
    expect((await project.state()).deployment.resources ?? []).toEqual([]);
  });
});
