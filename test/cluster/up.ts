import type { SentExposure } from "../../local/camera";
import { bucketState } from "../../workloads/src/lib/queue";
import { redisKey } from "../../workloads/src/lib/redisKeys";
import { until } from "../support/network";
import { ask, PresenceClients } from "./presence";
import { bucketInUse, type EmbargoStack, environment } from "./stack";
import { verifyInCluster } from "./verify";

/** A science, a wavefront and a guide sensor: a shower of exposures is many batches of few files. */
const someDetectors = ["R22_S11", "R00_SW0", "R44_SG1"];

/** The embargo system through the real engine, as pods of the real images. @param get - What stands around it, as it starts. */
export function up(get: () => Promise<EmbargoStack>): void {
  describe("the embargo system", () => {
    let stack: EmbargoStack;
    /** Sasquatch's pod that ended while it worked. */
    let lostConnector: string;
    const beganMs = Date.now();
    /** A line of progress: this test takes minutes, and says where it is. */
    const tell = (what: string) =>
      void process.stderr.write(`cluster ${((Date.now() - beganMs) / 1000).toFixed(0).padStart(3)} s: ${what}\n`);

    beforeAll(async () => {
      stack = await get();
      tell("gateway, PostgreSQL and images are there");
    });

    /** Everything that was sent is in the registry once, and counted once. */
    async function expectAllOnce(): Promise<void> {
      await stack.settled();
      expect(await stack.ingestedUris()).toEqual(stack.sentUris);
      expect(await stack.counted()).toBe(stack.sentUris.length);
      expect(await stack.redis.hgetall(redisKey.received(bucketInUse))).toEqual({
        "20260603": String(stack.sentUris.length),
      });
      expect(await stack.redis.hlen(redisKey.dead(bucketInUse))).toBe(0);
      expect(await stack.redis.llen(redisKey.rejected)).toBe(0);
    }

    it("comes up in a namespace that enforces Pod Security restricted", async () => {
      const seconds = await stack.up({ memoryLimit: "512Mi" });
      tell(`up to all-ready took ${seconds.toFixed(1)} s`);
      for (const component of ["redis", "idle", "enqueue", "ingest", "presence"]) {
        expect([component, stack.pods(component).length]).toEqual([
          component,
          ["redis", "idle"].includes(component) ? 1 : 2,
        ]);
      }
      const privileged = () => stack.kubectl("run", "root", "--image", "redis:7.4.4", "--privileged");
      expect(privileged).toThrow('violates PodSecurity "restricted:latest"');
    });

    it("brings an exposure of the camera into the Butler, and presence tells it outside the cluster", async () => {
      const [exposure] = await stack.send({ exposures: 1 });
      expect(exposure!.keys.length).toBe(205);
      await expectAllOnce();
      for (const detector of ["R22_S11", "R44_SW1"]) {
        const uri = stack.sentUris.find((sent) => sent.includes(detector));
        const url = `${stack.presenceUrl}/LSSTCam/${exposure!.groupId}/0/${detector}`;
        expect(await ask(url)).toEqual({ error: false, present: true, uri });
      }
      tell("an exposure is in the Butler");
    });

    it("reconcile runs as the CronJob's pod, compares the bucket with Redis and finds nothing missed", async () => {
      const [{ spec }] = stack.node.list("cronjobs", environment);
      const { template, ...job } = spec.jobTemplate.spec;
      const [container] = template.spec.containers;
      // Objects of the last ten minutes may be on their way; here all are younger.
      const env = [...container.env, { name: "MIN_AGE", value: "0" }];
      const once = { ...template, spec: { ...template.spec, containers: [{ ...container, env }] } };
      stack.node.kubectlWith(
        JSON.stringify({
          apiVersion: "batch/v1",
          kind: "Job",
          metadata: { name: "once", namespace: environment },
          spec: { ...job, template: once },
        }),
        ...["create", "-f", "-"],
      );
      stack.kubectl("wait", "--for=condition=Complete", "job/once", "--timeout=120s");
      const summary = JSON.parse(stack.kubectl("logs", "job/once").trim().split("\n").at(-1)!);
      expect(summary).toMatchObject({ compared: 205, ingestedByRedis: 205, missed: 0 });
      tell("reconciled");
    });

    it("summarises an exposure's telemetry by a back-fill's Job, started from its CronJob as a person does", async () => {
      const [exposure] = stack.sent as [SentExposure];
      await stack.efd.fill(exposure);
      expect(stack.efd.runBackfill(stack.node)).toMatchObject({ created: 1, completed: 1, failed: 0, exposures: 1 });
      const { wrong, compared } = await stack.efd.compare(exposure);
      expect(wrong).toEqual([]);
      expect(compared).toBeGreaterThan(400);
      tell(`${compared} values of an exposure are summarised`);
    });

    it("stores the records of a Kafka topic by Sasquatch's pods, in the bucket that its set-up made", async () => {
      const { sasquatch, node } = stack;
      expect(JSON.parse(sasquatch.setUp(node))).toMatchObject({ faults: [] });
      // A pod ends amid its work; what becomes of that is looked at when others have been deleted, too.
      const { lost, stored } = await sasquatch.loseConnector(node);
      lostConnector = lost;
      tell(`${stored} of ${sasquatch.sent} records were points when the connector's pod ended`);
    });

    /** Plays the camera, five files a second, while `body` runs. */
    async function underLoad<T>(body: () => Promise<T>): Promise<T> {
      let over = false;
      const sending = (async () => {
        while (!over) await stack.send({ exposures: 3, detectors: someDetectors, ratePerSecond: 1 });
      })();
      const result = await body().finally(() => (over = true));
      await sending;
      return result;
    }

    it("loses nothing when pods are deleted while they work", async () => {
      /** An ingest pod that holds files now. */
      const working = () =>
        until(
          "an ingest pod to hold files",
          async () => {
            const { workers } = await bucketState(stack.redis, bucketInUse);
            return workers.find(({ pod, held }) => held > 0 && !deleted.includes(pod))?.pod;
          },
          { pollMs: 5 },
        );
      const deleted: string[] = [];
      await underLoad(async () => {
        for (const how of [["--grace-period=30"], ["--grace-period=0", "--force"]]) {
          for (const pod of [await working(), stack.pods("enqueue")[0]!]) {
            stack.kubectl("delete", "pod", pod, "--wait=false", ...how);
            deleted.push(pod);
            tell(`deleted ${pod} ${how.join(" ")}`);
          }
          const replaced = async () =>
            !(await stack.podNames()).some((name) => deleted.includes(name)) && (await stack.allReady());
          await until("others in their place", replaced, { pollMs: 1_000 });
        }
      });
      await expectAllOnce();
      expect(new Set(deleted).size).toBe(4);
      tell(`pods were deleted, nothing of ${stack.sentUris.length} files is lost`);
    });

    it("lost no record with the connector's pod: each is one point", async () => {
      const { sasquatch, node } = stack;
      expect(lostConnector).toBeDefined();
      // 1 + 2 + … + n, whatever was written twice.
      expect(await sasquatch.settled(node)).toEqual({
        count: sasquatch.sent,
        sum: (sasquatch.sent * (sasquatch.sent + 1)) / 2,
      });
      const connectors = sasquatch.connectors(node);
      expect(connectors.length).toBe(1);
      expect(connectors).not.toContain(lostConnector);
      tell(`${sasquatch.sent} records are points`);
    });

    it("loses nothing in a rolling update under load, and presence refuses nobody", async () => {
      const before = ["enqueue", "ingest", "presence"].flatMap((component) => stack.pods(component));
      const clients = new PresenceClients(`${stack.presenceUrl}/LSSTCam/none/0/R22_S11`);
      const seconds = await underLoad(async () => {
        const took = await stack.up({ memoryLimit: "640Mi" });
        await until(
          "the old pods to be gone",
          async () => !(await stack.podNames()).some((name) => before.includes(name)),
          {
            pollMs: 1_000,
          },
        );
        return took;
      });
      await clients.stop();
      const { asked, refused, late } = clients;
      tell(`rolled in ${seconds.toFixed(1)} s; ${asked} requests, ${late} late, refused: ${JSON.stringify(refused)}`);
      await expectAllOnce();
      tell(`nothing of ${stack.sentUris.length} files is lost`);
      expect(asked - late).toBeGreaterThan(100);
      expect(refused).toEqual({});
    });

    it("lets an eviction take one of two pods, and not the other", async () => {
      const evict = (pod: string) =>
        stack.node.kubectlWith(
          JSON.stringify({
            apiVersion: "policy/v1",
            kind: "Eviction",
            metadata: { name: pod, namespace: environment },
          }),
          ...["create", "--raw", `/api/v1/namespaces/${environment}/pods/${pod}/eviction`, "-f", "-"],
        );
      const [first, second] = stack.pods("presence") as [string, string];
      evict(first);
      expect(() => evict(second)).toThrow("disruption budget");
    });

    it("usdf verify sends a canary the whole way and leaves nothing; without presence it names the hop", async () => {
      const verify = (...args: string[]) => verifyInCluster(stack.project, { stack: "cluster", environment, args });
      const { code, verified, stderr } = await verify();
      expect([code, stderr, verified?.journeys[0]?.failed]).toEqual([0, expect.any(String), undefined]);
      const hops = verified!.journeys[0]!.hops;
      expect(hops.map(({ hop }) => hop)).toEqual(["connect", "put", "notify", "claim", "ingest", "present"]);
      tell(`verified: ${hops.map(({ hop, ms }) => `${hop} ${ms} ms`).join(", ")}`);
      stack.kubectl("scale", "deployment", "embargo-butler-presence", "--replicas=0");
      // Until the last pod is gone: where none is ready, those that end still serve.
      const gone = async () => !(await stack.podNames()).some((name) => name.includes("presence"));
      await until("presence to be gone", gone, { pollMs: 500 });
      const broken = await verify("--timeout", "20");
      expect(broken).toMatchObject({ code: 1, verified: { journeys: [{ failed: { hop: "present" } }] } });
      await expectAllOnce();
    });
  });
}
