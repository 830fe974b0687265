import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adoptProcess, isAlive, startProcess } from "../../local/process";
import { ContainerRun } from "../../local/runner/container";
import { Forwarder } from "../../local/runner/forwarder";
import { CronRun, JobRun } from "../../local/runner/jobs";
import type { Container, PodSpec } from "../../local/runner/manifest";
import { planPod, Pod } from "../../local/runner/pod";
import { containerProcess, makeVolumes, type PodPlace } from "../../local/runner/process-spec";
import { ProcessRegistry } from "../../local/runner/registry";
import { testAddress, until } from "../support/network";

const dir = mkdtempSync(join(tmpdir(), "usdf-runner-"));
const address = testAddress(61);
let made = 0;
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const folder = () => {
  const path = join(dir, String(made++));
  mkdirSync(path);
  return path;
};
const registryIn = (path: string) => new ProcessRegistry(join(path, "processes.json"));

function place(path: string, more: Partial<PodPlace> = {}): PodPlace {
  return {
    name: "pod-0",
    namespace: "ns",
    labels: { app: "x" },
    address,
    dir: join(path, "pod"),
    claimsDir: join(path, "claims"),
    ownClaims: [],
    sharedClaims: [],
    hosts: new Map([["redis", "127.1.2.3"]]),
    secret: (name) => (name === "s" ? { password: "top", url: "http://redis:1" } : undefined),
    configMap: (name) => (name === "c" ? { "a.cfg": "text" } : undefined),
    ...more,
  };
}

const podOf = async (path: string, spec: PodSpec, restartPolicy: "Always" | "Never" = "Always") =>
  new Pod(await planPod(place(path), { spec }, "Deployment x", restartPolicy), registryIn(path), join(path, "logs"));

function runOf(
  script: string,
  options: {
    path?: string;
    container?: Partial<Container>;
    policy?: "Always" | "OnFailure" | "Never";
    hash?: string;
    graceMs?: number;
  } = {},
) {
  // prettier-ignore
  const path = options.path ?? folder();
  const registry = registryIn(path);
  const run = new ContainerRun({
    container: { name: "main", image: "redis:7", ports: [{ name: "http", containerPort: 8000 }], ...options.container },
    process: { command: "sh", args: ["-c", script], env: { PATH: process.env.PATH! }, cwd: path },
    address,
    logFile: join(path, "main.log"),
    registry,
    key: "pod/ns/pod-0/main",
    hash: options.hash ?? "h",
    restartPolicy: options.policy ?? "Always",
    graceMs: options.graceMs ?? 2_000,
  });
  return { run, path, registry };
}

describe("a process", () => {
  it("is known by number and start time, so a number used again is another", async () => {
    const path = folder();
    const running = await startProcess({ name: "s", command: "sleep", args: ["60"], logFile: join(path, "log") });
    expect(isAlive(running)).toBe(true);
    const impostor = { pid: running.pid, startTicks: String(Number(running.startTicks) - 1) };
    expect(isAlive(impostor)).toBe(false);
    expect(adoptProcess("s", impostor, "log")).toBeUndefined();
    const adopted = adoptProcess("s", running, "log")!;
    await adopted.stop();
    expect(isAlive(running)).toBe(false);
    expect(await running.exited).toEqual({ code: null, signal: "SIGTERM" });
  });
  it("that does not heed SIGTERM is killed after the grace time, children too", async () => {
    const path = folder();
    const script = `trap "" TERM; sleep 60 & echo $! > ${path}/child; wait; wait`;
    const running = await startProcess({ name: "s", command: "sh", args: ["-c", script], logFile: join(path, "log") });
    await until("the child", () => existsSync(join(path, "child")) && readFileSync(join(path, "child"), "utf8") !== "");
    expect((await running.stop(300)).signal).toBe("SIGKILL");
    const child = readFileSync(join(path, "child"), "utf8").trim();
    await until("the child to end", () => !existsSync(`/proc/${child}`) || /State:\tZ/.test(readFileSync(`/proc/${child}/status`, "utf8"))); // prettier-ignore
  });
  it("that cannot be executed is an error that names it", async () => {
    await expect(startProcess({ name: "n", command: "/no/such", logFile: join(folder(), "log") })).rejects.toThrow(
      "n: cannot run /no/such",
    );
  });

  it("whose first thread has ended runs until the last one, which keeps its ports, has", async () => {
    const path = folder();
    const code = `
import ctypes, os, threading, time
threading.Thread(target=time.sleep, args=(3600,)).start()
ctypes.CDLL(None).syscall(93 if os.uname().machine == "aarch64" else 60, 0)  # exit, of this thread alone
`;
    const running = await startProcess({
      name: "t",
      command: "python3",
      args: ["-c", code],
      logFile: join(path, "log"),
    });
    const stateOf = () => / ([A-Z]) /.exec(readFileSync(`/proc/${running.pid}/stat`, "utf8"))![1];
    await until("its first thread to end", () => stateOf() === "Z");
    expect(isAlive(running)).toBe(true);
    await running.stop(0);
    expect(isAlive(running)).toBe(false);
  });
});

describe("a container", () => {
  it("resolves variables from literals, Secrets, ConfigMaps and fields, paths from mounts", () => {
    const path = folder();
    const container: Container = {
      name: "main",
      image: "redis:7",
      command: ["sh", "-c", "exec x $(DIR)/a /data/b $(UNKNOWN)"],
      env: [
        { name: "DIR", value: "/cfg" },
        { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "s", key: "password" } } },
        { name: "URL", valueFrom: { secretKeyRef: { name: "s", key: "url" } } },
        { name: "NONE", valueFrom: { secretKeyRef: { name: "t", key: "k", optional: true } } },
        { name: "CFG", valueFrom: { configMapKeyRef: { name: "c", key: "a.cfg" } } },
        { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
        { name: "LABEL", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
        { name: "FROM", value: "$(PASSWORD)!" },
      ],
      volumeMounts: [
        { name: "data", mountPath: "/data" },
        { name: "cfg", mountPath: "/cfg/" },
      ],
    };
    const volumes = [{ name: "cfg", configMap: { name: "c" } }];
    const spec: PodSpec = { containers: [container], volumes };
    const pod = place(path, { ownClaims: ["data"] });
    makeVolumes(spec, pod);
    const process = containerProcess(container, spec, pod, { path: ["/first"], files: () => [] });
    const data = join(path, "claims/ns/data-pod-0");
    expect(process.args).toEqual(["-c", `exec x ${path}/pod/cfg/a ${data}/b $(UNKNOWN)`]);
    expect(process.env).toMatchObject({ DIR: `${path}/pod/cfg`, PASSWORD: "top", URL: "http://127.1.2.3:1", CFG: "text", IP: address, LABEL: "x", FROM: "top!" }); // prettier-ignore
    expect(process.env).not.toHaveProperty("NONE");
    expect(process.env.PATH).toMatch(/^\/first:\/usr\/local\/sbin:/);
    expect(readFileSync(join(path, "pod/cfg/a.cfg"), "utf8")).toBe("text");
    expect(existsSync(data)).toBe(true);
  });
  it("gives pods of all namespaces the same folder for a claim that they share, and addresses in files of Secrets", () => {
    const path = folder();
    const container: Container = { name: "main", image: "redis:7", command: ["cat", "/repo/x"], volumeMounts: [{ name: "repo", mountPath: "/repo" }] }; // prettier-ignore
    const volumes = [
      { name: "repo", persistentVolumeClaim: { claimName: "repo-pvc" } },
      { name: "keys", secret: { secretName: "s" } },
    ];
    const spec: PodSpec = { containers: [container], volumes };
    const commands = ["a", "b"].map((namespace) => {
      const pod = place(path, { namespace, sharedClaims: ["repo-pvc"] });
      makeVolumes(spec, pod);
      return containerProcess(container, spec, pod, { path: [], files: () => [] }).args;
    });
    expect(commands).toEqual([[join(path, "claims/repo-pvc/x")], [join(path, "claims/repo-pvc/x")]]);
    expect(readFileSync(join(path, "pod/keys/url"), "utf8")).toBe("http://127.1.2.3:1");
  });
  it("refuses a reference that leads nowhere, by name", () => {
    const env = [{ name: "P", valueFrom: { secretKeyRef: { name: "s", key: "nope" } } }];
    const container: Container = { name: "main", image: "redis:7", env };
    expect(() =>
      containerProcess(container, { containers: [container] }, place(folder()), { path: [], files: () => [] }),
    ).toThrow("pod pod-0 refers to key nope of Secret s (variable P), which is not in namespace ns");
  });
  it("is started again after a growing delay, and not after it was stopped", async () => {
    const { run, path } = runOf("date +%s%N >> times; exit 3");
    const times = () => readFileSync(join(path, "times"), "utf8").trim().split("\n").map((ns) => Number(ns) / 1e6); // prettier-ignore
    await until("the third start", () => existsSync(join(path, "times")) && times().length >= 3);
    const [first, second, third] = times() as [number, number, number];
    expect(second - first).toBeGreaterThan(450);
    expect(third - second).toBeGreaterThan(950);
    await until("the third end", () => run.status().state === "waiting"); // until then it runs, and is ready
    expect(run.status()).toMatchObject({ lastExit: { code: 3 }, ready: false });
    await run.stop();
    expect(run.status().state).toBe("ended");
    const count = times().length;
    await new Promise((wake) => setTimeout(wake, 2_200));
    expect(times()).toHaveLength(count);
  });
  it.each([
    ["OnFailure", "exit 0", 0],
    ["Never", "exit 4", 4],
  ] as const)("with policy %s ends after `%s`", async (policy, script, code) => {
    const { run } = runOf(script, { policy });
    expect(await run.ended).toEqual({ code, signal: null });
    expect(run.status().restarts).toBe(0);
  });
  it("is ready when its probe says so, and not ready when it says so no more", async () => {
    const path = folder();
    const probe = { exec: { command: ["test", "-e", join(path, "ready")] }, periodSeconds: 0.1, failureThreshold: 2 };
    const { run } = runOf("sleep 60", { path, container: { readinessProbe: probe } });
    await until("the reason", () => /exit 1/.test(run.status().reason ?? ""));
    expect(run.status().ready).toBe(false);
    writeFileSync(join(path, "ready"), "");
    await until("ready", () => run.status().ready);
    rmSync(join(path, "ready"));
    await until("not ready", () => !run.status().ready);
    expect(run.status()).toMatchObject({ state: "running", restarts: 0 });
    await run.stop();
  });
  it("is restarted when its liveness probe fails as often as its threshold", async () => {
    const path = folder();
    const livenessProbe = { exec: { command: ["test", "-e", join(path, "alive")] }, periodSeconds: 0.1, failureThreshold: 3 }; // prettier-ignore
    writeFileSync(join(path, "alive"), "");
    const { run } = runOf("sleep 60", { path, container: { livenessProbe } });
    await until("running", () => run.status().state === "running");
    const { pid } = run.status();
    rmSync(join(path, "alive"));
    await until("another process", () => run.status().pid !== undefined && run.status().pid !== pid, {
      timeoutMs: 15_000,
    });
    expect(run.status().restarts).toBeGreaterThan(0);
    await run.stop();
  });
  it("that never passes its startup probe is started again", async () => {
    const startupProbe = { httpGet: { path: "/healthz", port: "http" }, periodSeconds: 0.1, failureThreshold: 3 };
    const { run } = runOf("sleep 60", { container: { startupProbe } });
    await until("a restart", () => run.status().restarts > 0);
    await run.stop();
  });
  it("left by a supervisor that was killed is taken over; with another digest it is replaced", async () => {
    const path = folder();
    const first = runOf("sleep 60", { path });
    await until("running", () => first.run.status().pid !== undefined);
    const { pid } = first.run.status();
    // A second supervisor reads the registry anew.
    const second = runOf("sleep 60", { path });
    await until("running", () => second.run.status().pid !== undefined);
    expect(second.run.status().pid).toBe(pid);
    const third = runOf("sleep 61", { path, hash: "other", policy: "Never" });
    await until("running", () => third.run.status().pid !== undefined && third.run.status().state === "running");
    expect(third.run.status().pid).not.toBe(pid);
    expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
    await Promise.all([first, second, third].map(({ run }) => run.stop()));
    expect(registryIn(path).keys()).toEqual([]);
  });
});

describe("a pod", () => {
  it("runs its init containers first, in turn, with the same volumes", async () => {
    const path = folder();
    const volumes = [{ name: "v", emptyDir: {} }];
    const volumeMounts = [{ name: "v", mountPath: "/v" }];
    const image = "redis:7";
    const sh = (name: string, script: string) => ({ name, image, command: ["sh", "-c", script], volumeMounts });
    const pod = await podOf(path, {
      volumes,
      initContainers: [sh("one", "sleep 0.3; echo 1 >> /v/out"), sh("two", "echo 2 >> /v/out")],
      containers: [sh("main", "cat /v/out; sleep 60")],
    });
    await until("ready", () => pod.ready);
    await until("the log", () => readFileSync(join(path, "logs/ns/pod-0/main.log"), "utf8") === "1\n2\n");
    await pod.stop();
    expect(pod.ready).toBe(false);
  });
  it("of an image that nothing here stands for is refused by name", async () => {
    await expect(podOf(folder(), { containers: [{ name: "m", image: "ghcr.io/x/telegraf:1" }] })).rejects.toThrow(
      "No local program for image ghcr.io/x/telegraf:1",
    );
  });
  it("of a job is followed by another until one succeeds, within the limit", async () => {
    const path = folder();
    const script = `echo x >> ${path}/tries; test $(wc -l < ${path}/tries) -ge 2`;
    const template = { spec: { containers: [{ name: "m", image: "redis:7", command: ["sh", "-c", script] }] } };
    const start = () => podOf(path, template.spec, "Never");
    const result = await new JobRun({ template, backoffLimit: 3 }, start).ended;
    expect(result).toBe("Succeeded");
    expect(readFileSync(join(path, "tries"), "utf8")).toBe("x\nx\n");
    const sleeping = { spec: { containers: [{ name: "m", image: "redis:7", command: ["sleep", "60"] }] } };
    const overdue = new JobRun({ template: sleeping, backoffLimit: 3, activeDeadlineSeconds: 0.3 }, () =>
      podOf(folder(), sleeping.spec, "Never"),
    );
    expect(await overdue.ended).toBe("Failed: not done after 0.3 s");
  });
});

describe("a schedule", () => {
  afterEach(() => jest.useRealTimers());
  it("starts its job once in each minute that it names, also when a timer comes early", async () => {
    jest.useFakeTimers({ now: Date.UTC(2026, 5, 3, 11, 59, 30) });
    const clock = jest.spyOn(Date, "now");
    const starts: number[] = [];
    const job = { template: { spec: { containers: [] } }, backoffLimit: 0 };
    const metadata = { name: "c", namespace: "n", labels: {}, annotations: {} };
    const cron = new CronRun(
      { kind: "CronJob", metadata, schedule: "*/10 * * * *", suspend: false, concurrencyPolicy: "Allow", job },
      async () => {
        starts.push(new Date().getTime());
        throw new Error("no pod in this test");
      },
    );
    for (let second = 0; second < 1800; second++) {
      const early = jest.now() + 1000 - 3; // the clock is 3 ms behind the timers
      clock.mockImplementation(() => early);
      await jest.advanceTimersByTimeAsync(1000);
    }
    clock.mockRestore();
    expect(starts.map((ms) => new Date(ms + 1000).toISOString().slice(11, 16))).toEqual(["12:00", "12:10", "12:20"]);
    await cron.stop();
  });
  it("runs its job when it is told to, one after the other, and tells how each ended", async () => {
    const path = folder();
    const script = 'test ! -e running && touch running && echo x >> runs && rm running && test "$(wc -l < runs)" -ne 2';
    const template = { spec: { containers: [{ name: "m", image: "redis:7", command: ["sh", "-c", `cd ${path}; ${script}`] }] } }; // prettier-ignore
    const metadata = { name: "c", namespace: "n", labels: {}, annotations: {} };
    const cron = new CronRun(
      { kind: "CronJob", metadata, schedule: "0 0 1 1 *", suspend: true, concurrencyPolicy: "Forbid", job: { template, backoffLimit: 0 } }, // prettier-ignore
      () => podOf(path, template.spec, "Never"),
    );
    const results = await Promise.all([cron.runNow(), cron.runNow(), cron.runNow()]);
    await cron.stop();
    expect(results.sort()).toEqual(["Failed: 1 attempts, see its log", "Succeeded", "Succeeded"]);
    expect(cron.status()).toMatchObject({ name: "c", namespace: "n", lastResult: "Succeeded" });
  });
});

describe("a forwarder", () => {
  const servers: Server[] = [];
  const forwarders: Forwarder[] = [];
  afterEach(async () => {
    await Promise.all(forwarders.splice(0).map((each) => each.close()));
    servers.splice(0).forEach((server) => server.close());
  });
  const serve = async (answer: string, port: number) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let text = "";
      socket.on("data", (data) => (text += data.toString()));
      socket.on("end", () => socket.end(`${answer}:${text.length}`));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, address, resolve));
    return { host: address, port };
  };
  const forward = async (targets: () => { host: string; port: number }[], port: number) => {
    const forwarder = new Forwarder(targets);
    forwarders.push(forwarder);
    await forwarder.listen(address, port);
    return port;
  };
  const ask = (port: number, text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: address, port });
      let answer = "";
      socket.on("data", (data) => (answer += data.toString()));
      socket.on("close", () => resolve(answer));
      socket.on("error", reject);
      socket.end(text);
    });

  it("sends connections to its targets in turn, with half-closed sides and large bodies", async () => {
    const targets = [await serve("a", 7101), await serve("b", 7102)];
    const port = await forward(() => targets, 7100);
    const large = "x".repeat(3_000_000);
    const answers = [await ask(port, "1"), await ask(port, large), await ask(port, "22")];
    expect(answers).toEqual(["a:1", "b:3000000", "a:2"]);
  });
  it("passes by a target that refuses", async () => {
    const targets = [{ host: address, port: 7119 }, await serve("b", 7111)];
    const port = await forward(() => targets, 7110);
    expect([await ask(port, "1"), await ask(port, "1")]).toEqual(["b:1", "b:1"]);
  });
  it("holds a connection while a pod starts again, and resets it when none comes", async () => {
    const targets: { host: string; port: number }[] = [];
    const port = await forward(() => targets, 7120);
    const early = ask(port, "12345");
    setTimeout(() => void serve("late", 7121).then((target) => targets.push(target)), 400);
    expect(await early).toBe("late:5");
    targets.length = 0;
    await expect(ask(port, "1")).rejects.toThrow("ECONNRESET");
  });
});
