import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { deleteNotification, getTopic } from "../../components/ceph";
import { type PulumiProject, root, type State } from "../support/pulumi";
import { promptKinds, strimziKinds } from "./controlPlane";
import { drift } from "./drift";
import { outputs } from "./outputs";
import {
  complaintsAbout,
  notRecorded,
  previousRecording,
  record,
  type Recording,
  recording,
  stateFor,
} from "./recording";
import { type Config, everything, notificationSecret, secretValues, withoutLarge } from "./stacks";
import type { Stand } from "./stand";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */

/** The life of a stack with every component. */
export function program(get: () => Stand): void {
  describe("the program", () => {
    let stand: Stand;
    let project: PulumiProject;
    let config: ReturnType<typeof everything>;
    /** State of {@link config} as it is. */
    let state: State;
    const own = ["ours", "old"];

    const arn = (topic: string) => `arn:aws:sns:default::${topic}`;
    const inOwn = ({ metadata }: any) => own.includes(metadata.namespace);
    const deployment = (name: string) =>
      stand.cluster.list("deployments", "ours").find(({ metadata }) => metadata.name === `embargo-butler-${name}`);
    const images = () =>
      ["enqueue", "ingest", "idle", "presence"].map(
        (name) => deployment(name).spec.template.spec.containers[0].image.split(":")[0] as string,
      );
    const environments = (ours: object, old: object): Config => {
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
      stand = get();
      config = everything(stand.rgw.url);
      project = stand.project("engine");
      project.init();
      await project.setSecret("usdf:secrets", secretValues);
      await stand.putSecrets(secretValues);
    });

    it("changes nothing when the kubeconfig lacks a context", async () => {
      project.configure({
        ...config,
        "usdf:embargo": { ...(config["usdf:embargo"] as object), kubeContext: "elsewhere" },
      });
      const { code, output } = await project.run("up", "--yes", "--skip-preview");
      expect(code).not.toBe(0);
      expect(output).toContain('kubeContext "elsewhere" is not in');
      expect(output).toContain("Nothing was changed.");
      expect(output).not.toMatch(/^\s+at /m);
      expect(stand.cluster.list("namespaces").map(({ metadata }) => metadata.name)).not.toContain("ours");
    });

    it("is killed amid an up; the next one finishes it", async () => {
      // The Redis of `old` is one that the killed up began.
      project.configure(
        withoutLarge({
          ...environments({ image: "upstream" }, { redis: { tag: "7.4.5" } }),
          "usdf:platform": { secrets: { kind: "vaultSecret" } },
        }),
      );
      const { ended } = await stand.beginUp(project, own, "SIGKILL");
      await ended;
      stand.cluster.settles = true;
      const refused = async (...args: string[]) => (await project.run(...args)).output;
      expect(await refused("up", "--yes", "--skip-preview")).toContain("the stack is currently locked");

      // As docs/operations.md says.
      const checkpoint = join(project.stateDir, ".pulumi/stacks/usdf/engine.json");
      writeFileSync(`${checkpoint}.attrs`, ""); // what a kill leaves where the CLI writes such files
      expect(await refused("cancel", "--yes")).toContain("failed to load checkpoint: EOF");
      documented("find .pulumi -name '*.attrs' -delete", project.stateDir);
      truncateSync(checkpoint, 1_000); // and the loss of power
      expect(await refused("stack", "export")).toMatch(/failed to load checkpoint: (?!EOF)/);
      documented("cp .pulumi/stacks/usdf/<stack>.json.bak .pulumi/stacks/usdf/<stack>.json", project.stateDir);

      await project.mustRun("cancel", "--yes");
      expect(project.state().deployment.pending_operations).not.toEqual([]);
      await project.mustRun("refresh", "--yes", "--skip-preview", "--clear-pending-creates");
      project.environment.PULUMI_K8S_UPSERT_EXISTING_OBJECTS = "true";
      const output = await project.up().finally(() => delete project.environment.PULUMI_K8S_UPSERT_EXISTING_OBJECTS);
      expect(output).toContain("left out: the policies of buckets engine-raw (usdf:ceph.bucketPolicies is unmanaged).");
      expect(project.state().deployment.pending_operations ?? []).toEqual([]);
      expect(images()).toContain("ghcr.io/lsst-dm/embargo-butler-ingest");
      expect(stand.cluster.list("vaultsecrets").length).toBeGreaterThan(5);
      expect(await stand.notifications("engine-raw")).toEqual([
        "engine-elsewhere -> engine-elsewhere",
        "engine-to-http -> engine-ours",
        "engine-to-kafka -> engine-old",
      ]);
      const topic = await getTopic(stand.rgw, arn("engine-ours"));
      expect(topic).toMatchObject({ "push-endpoint": "http://127.0.0.9:8080/notify", OpaqueData: notificationSecret });
    });

    it("is watched: an issue tells what was changed by hand, and the next up mends it", async () => {
      stand.cluster.kubectl("-n", "ours", "scale", "deployment/embargo-butler-ingest", "--replicas=5");
      await stand.topicByHand("engine-elsewhere", "http://192.0.2.99:9999/other");
      await deleteNotification(stand.rgw, "engine-raw", "engine-to-http");

      const { code, errors, issue } = await drift(project);
      expect([code, errors]).toEqual([1, expect.stringContaining("Stack engine has drifted")]);
      expect(issue).toMatch(/Deployment::ours-ingest/);
      expect(issue).toMatch(/replicas\s*: 5 => 2/);
      expect(issue).toMatch(
        /~ pulumi-nodejs:dynamic\/ceph:NotificationTopic: \(update\)\n\s+\[id=.*engine-elsewhere\]/,
      );
      expect(issue).toMatch(/\+ pulumi-nodejs:dynamic\/ceph:BucketNotification: \(create\)\n.*engine-to-http\]/);
      // The topic's other notification, too; and the provider, which is no longer told to take over what is there.
      expect(issue).toMatch(/Resources:\n\s+\+ 1 to create\n\s+~ 4 to update\n/);

      project.configure(withoutLarge({ ...config, "usdf:platform": { secrets: { kind: "externalSecret" } } }));
      const output = await project.up("--refresh", "--diff");
      expect(output).not.toContain("replace");
      expect(output).toContain('pushEndpoint: "http://192.0.2.80:8080/notify" => "http://192.0.2.99:9999/other"');
      expect(stand.cluster.list("externalsecrets").length).toBeGreaterThan(5);
      expect(deployment("ingest").spec.replicas).toBe(2);
      const topic = await getTopic(stand.rgw, arn("engine-elsewhere"));
      expect(topic).toMatchObject({ "push-endpoint": "http://192.0.2.80:8080/notify" });
      expect(await stand.notifications("engine-raw")).toContain("engine-to-http -> engine-ours");
    });

    it("changes who brings the secrets, and whose images run; every pod passes the admission of its namespace", async () => {
      project.configure(config);
      expect(await project.up()).not.toContain("replaced");
      expect(images().every((image) => /^ghcr\.io\/lsst-dm\/usdf-/.test(image))).toBe(true);
      for (const kinds of ["vaultsecrets", "externalsecrets"]) expect(stand.cluster.list(kinds)).toEqual([]);
      const enforced = stand.cluster.list("namespaces").map(({ metadata }) => {
        return `${metadata.name} ${metadata.labels["pod-security.kubernetes.io/enforce"]}`;
      });
      expect(enforced).toEqual(expect.arrayContaining(["ours restricted", "old baseline"]));
      const pods = stand.cluster.list("pods").filter(inOwn);
      expect(pods.map(({ metadata }) => metadata.namespace).sort()).toEqual([
        ...Array(4).fill("old"),
        ...Array(6).fill("ours"),
      ]);
    });

    it("has the custom resources of prompt processing, as the real definitions take them", () => {
      const made = stand.cluster.list([...promptKinds, "objectstores"].join(",")).map(({ kind, metadata }) => {
        return `${kind} ${metadata.namespace}/${metadata.name}`;
      });
      expect(made.sort()).toEqual([
        "Cluster database/prompt-processing",
        "Database database/lsst-devl",
        "ObjectStore database/prompt-processing-s3-store",
        "Pooler database/session",
        "ScaledJob prompt-keda-latiss/prompt-keda-latiss",
        "ScaledObject prompt-pub/prompt-pub",
        "ScheduledBackup database/prompt-processing-backup",
        "TriggerAuthentication prompt-keda-latiss/redis",
      ]);
      const clusters = stand.cluster.list("kafkas").map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
      expect(clusters.sort()).toEqual([
        "prompt-alerts/sasquatch",
        "prompt-kafka/prompt-kafka",
        "s3-file-notifications/s3-file-notifications",
        "sasquatch/sasquatch",
      ]);
    });

    it("keeps no secret value in state and outputs", async () => {
      state = project.state();
      if (process.env.USDF_RECORD_STATE)
        record(config, (await project.json("stack", "export", "--show-secrets")) as State);
      const text = JSON.stringify(state);
      for (const value of Object.values(secretValues)) expect(text.includes(value) ? value : "").toBe("");
    });

    it("is as declared, also on a machine that has the kubeconfig elsewhere and in several files: the watch says nothing", async () => {
      const { KUBECONFIG } = project.environment;
      const files = ["first.yaml", "second.yaml"].map((name) => join(stand.dir, name));
      writeFileSync(files[0]!, "apiVersion: v1\nkind: Config\n");
      cpSync(KUBECONFIG!, files[1]!);
      expect(await drift(project, { KUBECONFIG: files.join(delimiter) })).toMatchObject({
        code: 0,
        errors: "",
        issue: undefined,
      });
    });

    describe("a change of names or parents", () => {
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
        cpSync(project.settingsFile, copy.settingsFile); // with the secrets, and how they are encrypted
        const { deployment } = stateFor(stand.cluster.kubeconfig, recorded);
        const { secrets_providers } = state.deployment; // how secrets are to be encrypted; a recording has none
        copy.init({ ...deployment, secrets_providers });
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
        // Another name and another parent; environment `old` has the aliases that they need.
        const { config: all, state: recorded } = recording();
        const { resources = [], ...deployment } = recorded.deployment;
        const few = resources.filter(({ urn }) => !/usdf:(efd|sasquatch|prompt):/.test(urn));
        const part = {
          config: withoutLarge(all),
          state: { ...recorded, deployment: { ...deployment, resources: few } },
        };
        const complaints = await hold(part, "renamed", (folder) => {
          const redis = "components/embargo/redis.ts";
          edit(folder, redis, "`${environment.name}-redis`", "`${environment.name}-queue`");
          edit(
            folder,
            redis,
            "{}, opts)",
            '{}, { ...opts, ...(environment.name === "old" && { aliases: [{ name: "old-redis" }] }) })',
          );
          edit(
            folder,
            "components/embargo/embargoIngest.ts",
            "new Enqueue(environment, child)",
            'new Enqueue(environment, { provider: opts?.provider, ...(name === "old" && { aliases: [{ parent: this }] }) })',
          );
        });
        const redis =
          "urn:pulumi:engine::usdf::usdf:embargo:EmbargoIngest$usdf:embargo:Redis$usdf:platform:Workload$kubernetes:apps/v1:StatefulSet::ours-redis";
        expect(complaints).toContain(
          `${redis} would end (delete). It has state, or clients that know it: add an alias with its old name, type or parent ` +
            "to the component's options, or keep the field that cannot change.",
        );
        expect(complaints.filter((complaint) => complaint.includes("usdf:embargo:Enqueue$"))).not.toEqual([]);
        expect(complaints.filter((complaint) => complaint.includes("::old"))).toEqual([]);
      });

      it("is noticed when the recording is older than a component", () => {
        const { resources = [], ...deployment } = recording().state.deployment;
        const older = resources.filter(({ type }) => type !== "kubernetes:apps/v1:StatefulSet");
        const complaints = notRecorded(state, {
          config,
          state: { version: 3, deployment: { ...deployment, resources: older } },
        });
        expect(complaints).toHaveLength(6);
        expect(complaints.sort()[1]).toContain(
          "kubernetes:apps/v1:StatefulSet::ours-redis is not in test/engine/recorded/everything.json",
        );
      });
    });

    outputs(() => ({ stand, project }));

    it("takes away what it made, but not the namespaces with their volumes", async () => {
      await project.mustRun("destroy", "--yes", "--skip-preview");
      const builtIn = [
        ...[
          "deployments",
          "statefulsets",
          "cronjobs",
          "services",
          "networkpolicies",
          "poddisruptionbudgets",
          "secrets",
        ],
        ...[
          "serviceaccounts",
          "externalsecrets",
          "vaultsecrets",
          "podmonitors",
          "prometheusrules",
          "persistentvolumeclaims",
        ],
      ].join(",");
      const left = stand.cluster.list(builtIn).filter(inOwn);
      expect(left.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`).sort()).toEqual([
        "PersistentVolumeClaim old/data-redis-0",
        "PersistentVolumeClaim ours/data-redis-0",
        "PersistentVolumeClaim ours/sdf-data",
        "ServiceAccount old/default",
        "ServiceAccount ours/default",
      ]);
      expect(stand.cluster.list("namespaces").map(({ metadata }) => metadata.name)).toEqual(
        expect.arrayContaining(own),
      );
      // What holds data outlives the declaration: servers, and the topics and databases in them.
      const custom = stand.cluster.list([...promptKinds, ...strimziKinds, "objectstores"].join(","));
      const kinds = [...new Set(custom.map(({ kind }) => kind as string))].sort();
      expect(kinds).toEqual(["Cluster", "Database", "Kafka", "KafkaNodePool", "KafkaTopic"]);
      expect(await stand.notifications("engine-raw")).toEqual([]);
      for (const topic of ["engine-ours", "engine-old", "engine-elsewhere"])
        expect(await getTopic(stand.rgw, arn(topic))).toBeUndefined();
      expect(project.state().deployment.resources ?? []).toEqual([]);
    });
  });
}
