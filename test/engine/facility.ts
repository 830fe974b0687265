import { getTopic } from "../../components/ceph";
import { readStackYaml } from "../../local/record";
import type { PulumiProject } from "../support/pulumi";
import { usdf } from "../support/usdf";
import { facility as configOf } from "./stacks";
import type { Stand } from "./stand";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */

/** Fields that topics hand out: what the engine itself reads from Vault. */
const secrets = Object.fromEntries(
  ["sts", "summit", "lfa"].map((name) => [`secret/rubin/usdf-embargo-dmz/${name}#notification`, `secret-of-${name}`]),
);

/** Stacks dev and prod, as their files are, but for what cannot be had here: {@link configOf}. */
export function facility(get: () => Stand): void {
  describe("the stacks of the facility", () => {
    let stand: Stand;

    const environmentsOf = (stack: string) =>
      Object.entries((readStackYaml(stack).config["usdf:embargo"] as { environments: any }).environments).map(
        ([name, settings]: [string, any]) => settings.namespace ?? name,
      );
    const namesOf = (kinds: string, namespace?: string): string[] =>
      stand.cluster
        .list(kinds, namespace)
        .map(({ metadata }) => metadata.name as string)
        .sort();
    async function made(stack: "dev" | "prod"): Promise<PulumiProject> {
      const project = stand.project(stack);
      project.init();
      project.configure(configOf(stack, stand.rgw.url));
      return project;
    }

    beforeAll(async () => {
      stand = get();
      await stand.removeNamespaces(); // some have the names of the facility's
      await stand.putSecrets(secrets);
      // A topic that stack prod sends notifications to, but does not own.
      await stand.topicByHand("rubin-prompt-processing-prod", "http://192.0.2.80:8080/notify");
    });

    it("applies dev; an up that is interrupted is finished by the next", async () => {
      const dev = await made("dev");
      const { ended } = await stand.beginUp(dev, environmentsOf("dev"), "SIGINT");
      const { code, output } = await ended;
      stand.cluster.settles = true;
      expect([code === 0, /cancel/.test(output)]).toEqual([false, true]);

      await dev.up();
      expect(dev.state().deployment.pending_operations ?? []).toEqual([]);
      const prompt = ["hsc", "latiss", "lsstcam"].map((name) => `prompt-keda-${name}`);
      expect(namesOf("scaledjobs").filter((name) => name.startsWith("prompt-keda-"))).toEqual(prompt);
      expect(await stand.notifications("rubin-pp-dev")).toEqual([
        "pp-dev-microservice-202509 -> pp-dev-microservice-202509",
        "prompt-processing-dev -> prompt-processing-dev",
        "prompt-processing-dev-20260114 -> prompt-processing-dev-20260114",
      ]);
    });

    it("starts a back-fill from its suspended CronJob, which no up does; a second start says that it runs", async () => {
      const jobs = () =>
        stand.cluster.list("jobs", "dev-latiss").filter(({ metadata }) => /legacy/.test(metadata.name));
      const run = () => usdf({ KUBECONFIG: stand.cluster.kubeconfig }, "efd", "run", "dev-latiss", "legacy", "--json");
      expect(jobs()).toEqual([]);
      const first = await run();
      expect([first.code, first.stderr]).toEqual([0, ""]);
      expect(JSON.parse(first.stdout)).toMatchObject({
        stack: "dev",
        job: "transformed-efd-dev-legacy",
        started: true,
      });
      const [job] = jobs();
      expect(job.spec).toMatchObject({ suspend: false, ttlSecondsAfterFinished: 600, backoffLimit: 1, parallelism: 1 });
      expect(job.spec.template.spec.containers[0].env).toContainEqual({
        name: "DATETIME_START",
        value: "2022-09-06T17:45:00",
      });
      const second = await run();
      expect([second.code, second.stderr]).toEqual([1, expect.stringContaining("runs, or ended a short while ago")]);
      expect(jobs()).toHaveLength(1);
    });

    it("applies prod, and the next up changes nothing", async () => {
      const prod = await made("prod");
      const output = await prod.up();
      expect(output).toMatch(
        /left out: the policies of buckets .*rubin-bts.* \(usdf:ceph\.bucketPolicies is unmanaged\)/,
      );
      for (const name of ["sts", "summit"]) {
        const topic = await getTopic(stand.rgw, `arn:aws:sns:default::rubin-${name}`);
        expect(topic).toMatchObject({ OpaqueData: `secret-of-${name}`, persistent: "true" });
      }
      expect(await stand.notifications("rubin-summit")).toEqual([
        "rubin-prompt-processing-prod -> rubin-prompt-processing-prod",
        "rubin-summit-notification-8 -> rubin-summit-notification-8",
        "rubin-summit-to-http -> rubin-summit",
      ]);
      expect(
        (await stand.cluster.podsOf("sts")).filter(({ metadata }) => metadata.name.includes("ingest")),
      ).toHaveLength(20);
      expect(namesOf("kafkas", "sasquatch")).toEqual(["sasquatch"]);
      expect(namesOf("deployments", "sasquatch").filter((name) => name.includes("connector")).length).toBeGreaterThan(
        5,
      );
      await prod.mustRun("preview", "--expect-no-changes"); // with --refresh: stack `engine`, by the watch
    });
  });
}
