import { execFile } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { adoptProcess, startProcess, waitReady, type ProcessId, type RunningProcess } from "../process";
import { ensurePrograms, type Progress, type ProgramSet } from "./find";

const run = promisify(execFile);

export const rgwPrograms: ProgramSet = {
  what: "Ceph RGW",
  programs: ["ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "ceph"],
  packages: ["ceph-mon", "ceph-osd", "radosgw", "ceph-common"],
};

/** Finds or installs the programs of Ceph. */
export const ensureRgw = (progress?: Progress) => ensurePrograms(rgwPrograms, progress);

/** An S3 user of the gateway. */
export interface RgwUser {
  readonly uid: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Tenant of the user and of the buckets it makes; none by default. */
  readonly tenant?: string;
}

export interface RgwOptions {
  /** Folder of its data, configuration, keys and logs. Kept: the next start takes it up again. */
  readonly dir: string;
  /** Loopback address of mon, osd and gateway. */
  readonly address: string;
  /** Port of S3 and SNS; default 7480. */
  readonly port?: number;
  /** Users to create; more with {@link RunningRgw.createUser}. */
  readonly users?: readonly RgwUser[];
  /** Lives on when this process ends; default false. */
  readonly outlivesParent?: boolean;
  /** Processes of an earlier start to take over when they still run, by name. */
  readonly adopt?: Readonly<Record<string, ProcessId>>;
}

/** A Ceph cluster of one mon, one osd in memory and one gateway. */
export interface RunningRgw {
  /** `http://address:port`, for S3 (path style) and SNS. */
  readonly endpoint: string;
  readonly users: readonly RgwUser[];
  /** mon, osd, radosgw. */
  readonly processes: Readonly<Record<string, RunningProcess>>;
  readonly pids: readonly number[];
  createUser(user: RgwUser): Promise<void>;
  /** Ends the gateway (`SIGTERM`, or as told) and starts it again; mon and osd stay, so objects do. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a real Ceph RGW, about ten seconds on a new folder.
 * @throws Error with the end of the log when a part does not come up.
 */
export async function startRgw(options: RgwOptions): Promise<RunningRgw> {
  const { dir, address, port = 7480, users = [], outlivesParent = false, adopt = {} } = options;
  const programs = await ensureRgw();
  const isNew = !existsSync(join(dir, "made"));
  const conf = join(dir, "ceph.conf");
  const logs = (name: string) => join(dir, `${name}.log`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  // What a start left that did not get to its end is half a cluster.
  const half = isNew ? ["mon", "osd", "keyring", "cluster.json", "users"] : [];
  await Promise.all(half.map((name) => rm(join(dir, name), { recursive: true, force: true })));
  const cluster = await clusterFiles(dir, address, port);

  const begin = async (name: string, command: string, args: string[]) =>
    (adopt[name] && adoptProcess(name, adopt[name], logs(name))) ||
    startProcess({ name, command, args: [...args, "-c", conf, "-f"], logFile: logs(name), outlivesParent });

  if (isNew) {
    const monmap = join(dir, "monmap");
    const v2v1 = `[v2:${address}:3300,v1:${address}:6789]`;
    await run(programs.monmaptool!, ["--create", "--clobber", "--fsid", cluster.fsid, "--addv", "a", v2v1, monmap]);
    const mkfs = ["-c", conf, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", join(dir, "keyring")];
    await run(programs["ceph-mon"]!, mkfs);
  }
  const processes: Record<string, RunningProcess> = {};
  const stop = async () => {
    await processes.radosgw?.stop();
    await processes.osd?.stop(30_000); // writes its memory to disk
    await processes.mon?.stop();
  };
  try {
    processes.mon = await begin("mon", programs["ceph-mon"]!, ["-i", "a"]);
    if (isNew) {
      const mkfs = ["-c", conf, "--mkfs", "-i", "0", "--osd-uuid", cluster.osdUuid];
      // The number of the osd is given by the mon; the same uuid makes the two agree.
      await Promise.all([
        run(programs["ceph-osd"]!, mkfs),
        run(programs.ceph!, ["-c", conf, "--connect-timeout", "30", "osd", "new", cluster.osdUuid]),
      ]);
    }
    processes.osd = await begin("osd", programs["ceph-osd"]!, ["-i", "0"]);

    const createUser = async (user: RgwUser) => {
      const identity = ["--uid", user.uid, ...(user.tenant ? ["--tenant", user.tenant] : [])];
      const admin = (...args: string[]) => run(programs["radosgw-admin"]!, ["-c", conf, ...args]);
      await admin("user", "create", "--display-name", user.uid, ...identity).catch((error) => {
        if (!/exists/.test(String((error as { stderr?: string }).stderr))) throw error;
      });
      // The keys go in by a file: arguments show in every process list.
      const name = `user:${user.tenant ? `${user.tenant}$` : ""}${user.uid}`;
      const { data, ...head } = JSON.parse((await admin("metadata", "get", name)).stdout) as { data: object };
      const keys = [{ user: name.slice("user:".length), access_key: user.accessKey, secret_key: user.secretKey }];
      const file = join(dir, `user-${randomUUID()}.json`);
      await writeFile(file, JSON.stringify({ ...head, data: { ...data, keys } }), { mode: 0o600 });
      await admin("metadata", "put", name, "--infile", file).finally(() => rm(file, { force: true }));
    };
    const beginGateway = async () => {
      processes.radosgw = await begin("radosgw", programs.radosgw!, ["-n", "client.rgw"]);
      const probe = async () => (await fetch(endpoint, { signal: AbortSignal.timeout(1000) })).status < 500;
      await waitReady(processes.radosgw, probe, { timeoutMs: 60_000 });
    };
    const endpoint = `http://${address}:${port}`;
    await beginGateway();
    const known = new Set(isNew ? [] : (await readFile(join(dir, "users"), "utf8").catch(() => "")).split("\n"));
    for (const user of users) if (!known.has(user.uid)) await createUser(user);
    await writeFile(join(dir, "users"), [...known, ...users.map(({ uid }) => uid)].join("\n"));
    await writeFile(join(dir, "made"), "");
    return {
      endpoint,
      users,
      processes,
      get pids() {
        return Object.values(processes).map(({ pid }) => pid);
      },
      createUser,
      async restart(signal = "SIGTERM") {
        processes.radosgw!.kill(signal);
        await processes.radosgw!.stop();
        await beginGateway();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Configuration and keys; written once, so that a second start finds the same cluster. */
async function clusterFiles(dir: string, address: string, port: number): Promise<{ fsid: string; osdUuid: string }> {
  const file = join(dir, "cluster.json");
  const ids = existsSync(file)
    ? (JSON.parse(await readFile(file, "utf8")) as { fsid: string; osdUuid: string })
    : { fsid: randomUUID(), osdUuid: randomUUID() };
  await writeFile(file, JSON.stringify(ids));
  await writeFile(join(dir, "ceph.conf"), cephConf(dir, address, port, ids.fsid));
  if (!existsSync(join(dir, "keyring"))) {
    const all = 'caps mon = "allow *"\ncaps osd = "allow *"\ncaps mgr = "allow *"';
    const entities: [string, string][] = [
      ["mon.", 'caps mon = "allow *"'],
      ["client.admin", all],
      ["client.rgw", 'caps mon = "allow rw"\ncaps osd = "allow rwx"'],
      ["osd.0", 'caps mon = "allow profile osd"\ncaps osd = "allow *"'],
    ];
    const ring = entities.map(([name, caps]) => `[${name}]\nkey = ${cephKey()}\n${caps}\n`).join("");
    await writeFile(join(dir, "keyring"), ring, { mode: 0o600 });
  }
  for (const part of ["mon", "osd"]) await mkdir(join(dir, part), { recursive: true });
  return ids;
}

/** A cephx key: type 1, time of creation, length and 16 random bytes. */
function cephKey(): string {
  const head = Buffer.alloc(12);
  head.writeUInt16LE(1, 0);
  head.writeUInt32LE(Math.floor(Date.now() / 1000), 2);
  head.writeUInt16LE(16, 10);
  return Buffer.concat([head, randomBytes(16)]).toString("base64");
}

/** One replica, few placement groups, short paxos rounds: made to start quickly, not to keep data safe. */
function cephConf(dir: string, address: string, port: number, fsid: string): string {
  const all: Record<string, string | number | boolean> = {
    fsid,
    "mon host": `[v2:${address}:3300,v1:${address}:6789]`,
    "public addr": address,
    "cluster addr": address,
    "auth cluster required": "cephx",
    "auth service required": "cephx",
    "auth client required": "cephx",
    keyring: join(dir, "keyring"),
    "run dir": dir,
    "admin socket": "",
    "pid file": "",
    "log to stderr": true,
    "err to stderr": true,
    "log file": "",
    "mon cluster log to file": false,
    "osd pool default size": 1,
    "osd pool default min size": 1,
    "osd pool default pg num": 1,
    "osd pool default pg autoscale mode": "off",
    "osd crush chooseleaf type": 0,
    "mon allow pool size one": true,
    "mon max pg per osd": 1000,
    "mon data avail warn": 1,
    "mon data avail crit": 1,
    "paxos propose interval": 0.05,
    "paxos min wait": 0.01,
    "auth allow insecure global id reclaim": true,
    "osd objectstore": "memstore",
    // A fast shutdown would leave the memory unwritten.
    "osd fast shutdown": false,
    "memstore device bytes": 8 * 2 ** 30,
    "memstore page set": false,
    "osd class load list": "*",
    "osd class default list": "*",
    // What a crash would print of the last requests costs each request a fifth more.
    "osd enable op tracker": false,
    "debug osd": "0/0",
    "debug objclass": "0/0",
    "debug auth": "0/0",
    "debug crypto": "0/0",
    "debug rgw": "1/1",
  };
  const gateway = {
    // A request that met an osd on its way up is sent again after this many seconds, not after 5.
    "objecter tick interval": 0.5,
    // Without tcp_nodelay, header and body of an answer are two packets, and the second waits 40 ms for the client's
    // delayed acknowledgement of the first.
    "rgw frontends": `beast endpoint=${address}:${port} tcp_nodelay=1`,
    "rgw thread pool size": 64,
    "rgw rados pool pg num min": 1,
    "rgw bucket index max aio": 64,
    "rgw enable usage log": false,
    "rgw dynamic resharding": false,
    "rgw enable quota threads": false,
    "rgw enable gc threads": true,
    "rgw enable lc threads": false,
    "rgw run sync thread": false,
    "rgw lifecycle work time": "00:00-23:59",
  };
  const section = (name: string, options: Record<string, string | number | boolean>) =>
    `[${name}]\n${Object.entries(options)
      .map(([key, value]) => `${key} = ${value}\n`)
      .join("")}`;
  return [
    section("global", all),
    section("mon", { "mon data": join(dir, "mon") }),
    section("osd", { "osd data": join(dir, "osd") }),
    section("client.rgw", gateway),
  ].join("\n");
}
