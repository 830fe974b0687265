/** The declared Redis, run as it is declared: its start command, its password and its probes against a real server. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { recordStack } from "../../local/record";
import { ensureRedis } from "../../local/services";
import { Objects } from "./objects";

/* eslint-disable @typescript-eslint/no-explicit-any -- one object, looked into field by field */

const address = "127.88.33.1";
const password = 'a "quoted" \\ pass\'word $HOME %s';

describe("the declared Redis", () => {
  let dir: string;
  let container: any;
  let child: ChildProcess;
  const environment = (given: string) => ({ PATH: process.env.PATH, POD_IP: address, REDISCLI_AUTH: given });
  const probe = (kind: string, given = password) => {
    const [command, ...args] = container[kind].exec.command as string[];
    return spawnSync(command!, args, { env: environment(given), timeout: 5_000 }).status;
  };
  const cli = (...args: string[]) =>
    execFileSync("redis-cli", ["-h", address, ...args], { env: environment(password), encoding: "utf8" }).trim();
  const start = async () => {
    const [command, ...args] = [...container.command, join(dir, "redis.conf"), dir, container.args[2]] as string[];
    child = spawn(command!, args, { env: environment(password), stdio: "ignore" });
    for (let attempt = 0; attempt < 100 && probe("startupProbe") !== 0; attempt++) await sleep(50);
  };
  const stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  };

  beforeAll(async () => {
    await ensureRedis(); // installs it where it is missing: a test that skips itself proves nothing
    dir = mkdtempSync(join(tmpdir(), "usdf-redis-"));
    container = new Objects(await recordStack("local"), "local").find("StatefulSet", "redis").spec.template.spec
      .containers[0];
    await start();
  });
  afterAll(async () => {
    await stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it("gets its files as arguments, so that a runner may put them elsewhere", () =>
    expect(container.args.slice(0, 2)).toEqual(["/run/redis/redis.conf", "/data"]));

  it("shows the password in no argument, and only the owner may read its file", () => {
    const commandLine = readFileSync(`/proc/${child.pid}/cmdline`, "utf8");
    expect(commandLine).toContain("redis-server");
    expect(commandLine).not.toContain("quoted");
    expect(statSync(join(dir, "redis.conf")).mode & 0o077).toBe(0);
  });

  it("D1: probes log in: they pass with the password, and fail with a wrong or an empty one", () => {
    for (const kind of ["startupProbe", "livenessProbe", "readinessProbe"]) {
      expect([kind, probe(kind), probe(kind, "wrong"), probe(kind, "")]).toEqual([kind, 0, 1, 1]);
    }
  });

  it("probes write nothing", () => {
    expect(cli("dbsize")).toBe("0");
    expect(JSON.stringify(container.livenessProbe)).not.toContain("incr");
  });

  it("keeps each write on disk and evicts nothing", async () => {
    const setting = (name: string) => cli("config", "get", name).split("\n")[1];
    expect(["appendonly", "appendfsync", "maxmemory-policy", "maxmemory"].map(setting)).toEqual([
      "yes",
      "always",
      "noeviction",
      String(2048 * 2 ** 20),
    ]);
    cli("lpush", "QUEUE:b", "b/x.fits");
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
    expect(probe("livenessProbe")).toBe(1);
    await start();
    expect(cli("llen", "QUEUE:b")).toBe("1");
  });
});
