import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Step } from "../../local/adopt/steps";
import { testFolder, until } from "../support/network";
import { type Ended, PulumiProject } from "../support/pulumi";
import type { Node } from "./node";
import { imagesOfToday, keys, profile, secrets } from "./today";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */

const overlays = { lfa: "keys", "summit-new": "profile" } as const;
const namespaces = Object.keys(overlays) as (keyof typeof overlays)[];

/** Kinds whose objects must stay the same ones, and where they are. */
const kept = Object.entries({
  Pod: "/api/v1/*/pods",
  ReplicaSet: "/apis/apps/v1/*/replicasets",
  ControllerRevision: "/apis/apps/v1/*/controllerrevisions",
  StatefulSet: "/apis/apps/v1/*/statefulsets",
  Deployment: "/apis/apps/v1/*/deployments",
  Service: "/api/v1/*/services",
  PersistentVolumeClaim: "/api/v1/*/persistentvolumeclaims",
  ConfigMap: "/api/v1/*/configmaps",
});

/** Environments that `kubectl apply -k` made as today's overlays do, taken over by the very commands that `usdf adopt` prints. */
export function adopt(get: () => Node): void {
  describe("taking over environments that kustomize made", () => {
    const { dir, remove } = testFolder("adopt");
    let node: Node;
    let project: PulumiProject;
    let before: string[];
    /** Commands that `usdf adopt` prints, by environment. */
    const commands = new Map<string, string[]>();

    const configure = (lfa: object = keys, summitNew: object = profile) =>
      project.configure({
        "usdf:platform": { secrets: { kind: "value" }, monitoring: { enabled: false } },
        "usdf:secrets": secrets,
        "usdf:embargo": { kubeContext: "local", environments: { lfa, "summit-new": summitNew } },
      });

    /** Runs what a person would type, in the folder of the project. */
    function shell(command: string, env: NodeJS.ProcessEnv = project.environment): Promise<Ended> {
      // `npx usdf` looks up what package.json says, which takes it as long as the command itself.
      const npx = 'npx() { shift; node local/usdf.mjs "$@"; }; ';
      const child = spawn("bash", ["-c", npx + command], { cwd: project.folder, env });
      let stdout = "";
      let output = "";
      child.stdout.on("data", (chunk) => (stdout += String(chunk)));
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
      const timer = setTimeout(() => child.kill("SIGKILL"), 120_000);
      return new Promise((resolve, reject) => {
        child.once("error", reject);
        child.once("close", (code) => {
          clearTimeout(timer);
          resolve({ code: code ?? 1, stdout, output });
        });
      });
    }
    /** What commands within commands print; it is the same each time. */
    const printed = new Map<string, string>();
    async function must(command: string): Promise<string> {
      const [whole, inner] = /\$\((.*)\)/.exec(command) ?? [];
      if (inner !== undefined && !printed.has(inner)) printed.set(inner, await must(inner));
      const env = { ...project.environment, ...(inner !== undefined && { PRINTED: printed.get(inner) }) };
      const { code, stdout, output } = await shell(whole ? command.replace(whole, () => "$PRINTED") : command, env);
      if (code !== 0) throw new Error(`${command} ended with ${code}:\n${output}`);
      return stdout;
    }
    /** Said to `pulumi up`: the preview that it would make first is what the step before it has shown. */
    const atOnce = "--skip-preview";
    const usdfAdopt = (environment: string, options = "") =>
      `node local/usdf.mjs adopt ${environment} ${options} --cwd .`;

    /** What a restart, a roll or a replacement would change. */
    async function identity(): Promise<string[]> {
      const lines = namespaces.flatMap((namespace) =>
        kept.map(async ([kind, path]) => {
          const { items } = await node.call("GET", path!.replace("*", `namespaces/${namespace}`));
          return items.map(({ metadata, status }: any) => {
            const restarts = status?.containerStatuses?.map(({ restartCount }: any) => restartCount);
            return `${kind} ${namespace}/${metadata.name} ${metadata.uid} ${restarts ?? ""}`;
          });
        }),
      );
      return (await Promise.all(lines)).flat().sort();
    }
    const settled = () =>
      until(
        "the pods to be ready",
        async () => {
          const pods = await node.podsOf(...namespaces);
          const ready = ({ status }: any) => status.containerStatuses?.every((one: any) => one.ready);
          return pods.length === 10 && pods.every(ready);
        },
        { timeoutMs: 120_000 },
      );
    const redis = (namespace: string, command: string) =>
      node
        .kubectl("exec", "--namespace", namespace, "redis-0", "--", "sh", "-c", `REDISCLI_AUTH=of-today ${command}`)
        .trim();
    /** Asks a pod behind a Service from another pod. */
    const answers = (namespace: string, service: string) => redis(namespace, `redis-cli -h ${service} -p 8080 ping`);

    beforeAll(async () => {
      node = get();
      await node.load(imagesOfToday(dir));
      for (const overlay of Object.values(overlays)) node.kubectl("apply", "-k", join(__dirname, "today", overlay));
      await node.balance();
      const environment = { KUBECONFIG: node.kubeconfig };
      project = new PulumiProject({ dir, stack: "adopt", environment, meanwhile: () => node.balance() });
      configure();
      project.init();
      await settled();
      before = await identity();
      for (const namespace of namespaces)
        redis(namespace, "redis-cli lpush QUEUE:b b/LSSTCam/20260603/MC_O_20260603_000258/f.fits");
    });
    afterAll(() => {
      node.kubectl("delete", "namespace", ...namespaces, "--wait=false"); // others need the room
      remove();
    });

    it("finds before anything is done what would make an object anew or stop pods", async () => {
      configure(
        { ...keys, site: "lfa", redis: { ...keys.redis, adopting: false } },
        { ...profile, ingest: { ...profile.ingest, replicas: 1 } },
      );
      const { code, output, stdout } = await shell(usdfAdopt("lfa", "--live --out adopt-lfa.json"));
      expect([code, existsSync(join(project.folder, "adopt-lfa.json"))]).toEqual([1, false]);
      expect(output).toContain(
        'error: Deployment lfa/embargo-butler-ingest-lfa: spec.selector is {"matchLabels":{"app":"ingest-lfa","site":"summit"}}, ' +
          'declared {"matchLabels":{"app":"ingest-lfa","site":"lfa"}}: cannot be changed in place: the object would be made anew. ' +
          "Set site or name.",
      );
      expect(output).toContain(
        "error: StatefulSet lfa/redis: redis is not adopting: its pods would roll. Set adopting and image: upstream on lfa.",
      );
      commands.set(
        "lfa",
        Array.from(stdout.matchAll(/^ {5}(\S.*)$/gm), ([, command]) => command!),
      );
      const asked = await shell(usdfAdopt("summit-new", "--live --json"));
      const { differences, steps } = JSON.parse(asked.stdout) as { differences: object[]; steps: Step[] };
      commands.set(
        "summit-new",
        steps.flatMap(({ command }) => command ?? []),
      );
      const object = "Deployment summit-new/embargo-butler-ingest";
      const message = "spec.replicas is 2, declared 1: pods would stop. Set replicas to what is there.";
      expect(differences).toEqual([{ level: "error", object, message }]);
      configure();
    });

    it.each(namespaces)(
      "takes %s over by the commands that it prints: nothing is made anew, no pod restarts",
      async (environment) => {
        const [read, take, look, up, check, same, roll] = commands.get(environment)!;
        const { leftBehind, differences } = JSON.parse(await must(`${read!} --json`));
        expect(differences).toEqual([]);
        expect(leftBehind.filter((name: string) => !/^Secret \S+-\w{10}$/.test(name))).toEqual([]);
        expect(await must(take!)).toContain("imported");
        // The environments differ in their objects, not in what comes after these: one is looked at before and after.
        if (environment === "lfa") expect(await must(look!)).not.toMatch(/replace|delete/);
        expect(await must(`${up!} ${atOnce}`)).not.toMatch(/replace|delete/);
        expect(await identity()).toEqual(before);

        expect(await must(check!)).toContain("nobody else deploys its objects");
        if (environment === "lfa") await must(same!);
        expect(await identity()).toEqual(before);
        expect(roll).toMatch(/^pulumi up /);
      },
    );

    it("leaves the environment serving: Services find the pods of today", () => {
      expect(answers("lfa", "embargo-butler-enqueue")).toBe("PONG");
      expect(answers("summit-new", "embargo-butler-presence")).toBe("PONG");
    });

    it("goes back to kubectl apply, and comes again, without a restart", async () => {
      node.kubectl("apply", "-k", join(__dirname, "today", overlays.lfa));
      expect(await identity()).toEqual(before);
      const [, , , up, check] = commands.get("lfa")!;
      const shared = await shell(check!);
      expect(shared.code).toBe(1);
      expect(shared.stdout).toContain("# Deployment lfa/embargo-butler-idle: also by kubectl-client-side-apply");
      await must(`${up!} --refresh ${atOnce}`);
      await must((await shell(check!)).stdout);
      expect(await must(check!)).toContain("nobody else deploys its objects");
      expect(await identity()).toEqual(before);
    });

    it("rolls one workload when asked, with nothing of today's pods left in it, and Redis keeps its data", async () => {
      const queued = redis("lfa", "redis-cli lrange QUEUE:b 0 -1");
      configure({ ...keys, redis: { ...keys.redis, adopting: false } });
      await project.up();
      const [set] = node.list("statefulsets", "lfa");
      const [container] = set.spec.template.spec.containers;
      expect(container.env.map(({ name }: any) => name)).toEqual(["POD_IP", "REDISCLI_AUTH"]);
      expect(container.livenessProbe.initialDelaySeconds).toBeUndefined();
      expect(container.command.slice(0, 2)).toEqual(["sh", "-c"]);
      const others = (all: readonly string[]) => all.filter((line) => /^Pod /.test(line) && !/lfa\/redis-0/.test(line));
      expect(others(await identity())).toEqual(others(before));
      expect(redis("lfa", "redis-cli lrange QUEUE:b 0 -1")).toBe(queued);
      expect(node.list("networkpolicies", "lfa").map(({ metadata }) => metadata.name)).toEqual(["redis"]);
    });

    it("rolls the others, and then has nothing left to do", async () => {
      configure({ ...keys, adopting: false }, { ...profile, adopting: false });
      await project.up();
      const lasting = (all: readonly string[]) =>
        all.filter((line) => /^(PersistentVolumeClaim|StatefulSet|Service|Deployment) /.test(line));
      expect(lasting(await identity())).toEqual(lasting(before));
      const [ingest] = node.list("deployments", "summit-new").filter(({ metadata }) => /ingest/.test(metadata.name));
      const { containers, initContainers, volumes: mounted } = ingest.spec.template.spec;
      expect(
        containers[0].env.find(({ name }: any) => name === "LSST_RESOURCES_S3_PROFILE_embargo").valueFrom.secretKeyRef
          .name,
      ).toBe("s3");
      expect(initContainers.map(({ command }: any) => command[0])).toEqual(["sh"]);
      expect(mounted.map(({ secret }: any) => secret?.secretName).filter(Boolean)).toEqual(["db-auth"]);
      expect(answers("lfa", "embargo-butler-enqueue")).toBe("PONG");
      expect(answers("summit-new", "embargo-butler-presence")).toBe("PONG");
      expect(redis("summit-new", "redis-cli llen QUEUE:b")).toBe("1");
      expect(await project.run("preview", "--expect-no-changes")).toMatchObject({ code: 0 });
    });

    it("is taken out of the state, and the cluster keeps it", async () => {
      const there = await identity();
      const urn = project.state().deployment.resources!.find(({ urn: one }) => /EmbargoIngest::lfa$/.test(one))!.urn;
      await project.mustRun("state", "delete", urn, "--target-dependents", "--yes");
      const left = project.state().deployment.resources!;
      expect(left.filter(({ id }) => id?.startsWith("lfa"))).toEqual([]);
      expect(await identity()).toEqual(there);
    });
  });
}
