import { ScaledRun } from "../../local/runner/scaled";
import { readDesired, type ScaledJob } from "../../local/runner/manifest";
import type { Pod } from "../../local/runner/pod";
import { until } from "../support/network";

/** A pod whose program ends when the test says so. */
function podOf() {
  let end = (_isWell: boolean) => {};
  let phase = "Running";
  const ended = new Promise<boolean>((resolve) => {
    end = (isWell) => {
      phase = isWell ? "Succeeded" : "Failed";
      resolve(isWell);
    };
  });
  const pod = { status: () => ({ phase }), ended, stop: async () => end(true) };
  return { pod: pod as unknown as Pod, end };
}

function stand(job: Partial<ScaledJob>, taken: number[] = []) {
  const started: { place: number; end: (isWell: boolean) => void }[] = [];
  let lag: number | Error = 0;
  let looks = 0;
  const whole = {
    kind: "ScaledJob",
    metadata: { name: "workers", namespace: "ns", labels: {}, annotations: {} },
    ...{ min: 1, max: 4, pollingSeconds: 0.01 },
    trigger: { address: "redis:6379", stream: "s", consumerGroup: "g", lagPerWorker: 1, activationLag: 0 },
    ...job,
  } as ScaledJob;
  const run = new ScaledRun(
    whole,
    async (place) => {
      const { pod, end } = podOf();
      started.push({ place, end });
      return pod;
    },
    {
      read: async () => {
        looks++;
        if (lag instanceof Error) throw lag;
        return lag;
      },
      close: () => {},
    },
    taken,
  );
  const looked = async () => {
    const before = looks;
    await until("two looks at the stream", () => looks > before + 1, { pollMs: 5 });
  };
  return { run, started, looked, wait: (entries: number | Error) => (lag = entries) };
}

describe("ScaledRun", () => {
  it("keeps as many as it shall, starts more while entries wait, never more than the most", async () => {
    const { run, started, looked, wait } = stand({});
    await run.start();
    expect(started.map(({ place }) => place)).toEqual([0]);
    await looked();
    expect(started).toHaveLength(1);
    wait(2);
    await until("the most", () => started.length === 4, { pollMs: 5 });
    wait(100);
    await looked();
    expect(run.status()).toMatchObject({ running: 4, waiting: 100, succeeded: 0, failed: 0 });
    wait(0);
    for (const { end } of started.splice(0)) end(true);
    await until("one again", () => started.length === 1, { pollMs: 5 });
    await looked();
    expect(started).toHaveLength(1);
    expect(run.status()).toMatchObject({ running: 1, waiting: 0, succeeded: 4, failed: 0 });
    started[0]!.end(false);
    await until("another", () => started.length === 2, { pollMs: 5 });
    expect(run.status().failed).toBe(1);
    await run.stop();
    expect(run.status().running).toBe(0);
  });

  it("has a worker for so many entries only, and none for what lies below the activation", async () => {
    const { run, started, looked, wait } = stand({
      min: 0,
      trigger: { address: "r:1", stream: "s", consumerGroup: "g", lagPerWorker: 50, activationLag: 10 },
    });
    await run.start();
    wait(10);
    await looked();
    expect(started).toHaveLength(0);
    wait(100);
    await until("two", () => started.length >= 2, { pollMs: 5 });
    await run.stop();
  });

  it("takes over the places of an earlier supervisor, and goes on while the stream cannot be seen", async () => {
    const { run, started, looked, wait } = stand({ min: 2 }, [3, 9]);
    wait(new Error("connect ECONNREFUSED"));
    await run.start();
    expect(started.map(({ place }) => place)).toEqual([3, 0]);
    await looked();
    expect(run.status()).toMatchObject({ running: 2, reason: "s: connect ECONNREFUSED", waiting: undefined });
    await run.stop();
  });
});

it("reads a ScaledJob with the password that its TriggerAuthentication names", () => {
  const template = { spec: { containers: [] } };
  const scaled = (triggers: object[]) => ({
    type: "kubernetes:keda.sh/v1alpha1:ScaledJob",
    name: "workers",
    inputs: {
      ...{ kind: "ScaledJob", metadata: { name: "workers", namespace: "ns" } },
      spec: {
        jobTargetRef: { template, backoffLimit: 0 },
        minReplicaCount: 3,
        maxReplicaCount: 30,
        pollingInterval: 2,
        triggers,
      },
    },
  });
  const metadata = { host: "redis.r", port: "6379", stream: "instrument:latiss", consumerGroup: "latiss_consumer_group", lagCount: "1", activationLagCount: "1" }; // prettier-ignore
  const trigger = { type: "redis-streams", metadata, authenticationRef: { name: "redis-access" } };
  const authentication = {
    type: "kubernetes:keda.sh/v1alpha1:TriggerAuthentication",
    name: "access",
    inputs: {
      ...{ kind: "TriggerAuthentication", metadata: { name: "redis-access", namespace: "ns" } },
      spec: { secretTargetRef: [{ parameter: "password", name: "redis-secret", key: "password" }] },
    },
  };
  const [job] = readDesired([authentication, scaled([trigger])]).controllers;
  expect(job).toMatchObject({
    ...{ kind: "ScaledJob", min: 3, max: 30, pollingSeconds: 2, job: { template, backoffLimit: 0 } },
    trigger: {
      ...{ address: "redis.r:6379", stream: "instrument:latiss", consumerGroup: "latiss_consumer_group" },
      ...{ lagPerWorker: 1, activationLag: 1, password: { name: "redis-secret", key: "password" } },
    },
  });
  expect(() => readDesired([scaled([{ type: "cron", metadata: {} }])])).toThrow(
    'usdf up cannot run a ScaledJob with other triggers than one redis-streams ("workers"): teach it in local/runner/manifest.ts, or leave it out of the stack',
  );
});
