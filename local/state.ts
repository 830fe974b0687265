import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CommandError } from "./exit";
import { isAlive, type ProcessId } from "./process";

/** Port of the supervisor, at address `.1` of the checkout's network. */
export const supervisorPort = 7070;

/** Where a checkout keeps what it runs on this machine. */
export interface State {
  /** Real path of the checkout. */
  readonly root: string;
  /** `<root>/.usdf`, mode 0700. */
  readonly dir: string;
  /** First three numbers of its loopback network, e.g. `127.83.4`. */
  readonly network: string;
  /** `http://127.A.B.1:7070`. */
  readonly supervisorUrl: string;
  /** Secret that the supervisor's clients show; only this user can read it. */
  readonly token: string;
  /** The address of a name: the same for ever in this checkout. */
  address(name: string): string;
  /** Path below {@link dir}. */
  path(...parts: string[]): string;
}

/** Path of this checkout. */
export const checkout = realpathSync(resolve(__dirname, ".."));

/**
 * The state folder of a checkout; made, and a loopback network claimed, at the first call.
 * @throws {@link CommandError} when the machine has no such networks.
 */
export async function openState(root = checkout): Promise<State> {
  if (process.platform !== "linux")
    throw new CommandError(
      "usdf up needs Linux: every address of 127.0.0.0/8 answers there. Use a Linux VM or container.",
    );
  const dir = join(root, ".usdf");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const network = await claimNetwork(root, dir);
  const tokenFile = join(dir, "token");
  if (!existsSync(tokenFile)) writeFile(tokenFile, randomBytes(24).toString("hex"));
  return {
    root,
    dir,
    network,
    supervisorUrl: `http://${network}.1:${supervisorPort}`,
    token: readFileSync(tokenFile, "utf8"),
    address: (name) => `${network}.${hostNumber(join(dir, "addresses.json"), name)}`,
    path: (...parts) => join(dir, ...parts),
  };
}

/** The state folder when the checkout has one, without making anything. */
export async function existingState(root = checkout): Promise<State | undefined> {
  return existsSync(join(root, ".usdf", "network.json")) ? openState(root) : undefined;
}

/** Reads a JSON file of the state; `fallback` when there is none. */
export function readJson<T>(file: string, fallback: T): T {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as T) : fallback;
}

/** Writes a JSON file of the state, whole or not at all, readable by this user only. */
export function writeJson(file: string, value: unknown): void {
  writeFile(file, `${JSON.stringify(value, null, 1)}\n`);
}

/**
 * Lets one `usdf up` or `usdf down` work at a time in a checkout; the lock of a process that has ended does not count.
 * @throws {@link CommandError} when the other is still at work after `timeoutMs`.
 */
export async function withCommandLock<T>(state: State, work: () => Promise<T>, timeoutMs = 300_000): Promise<T> {
  const file = state.path("command.lock");
  const me: ProcessId = { pid: process.pid, startTicks: ownStartTicks() };
  for (const deadline = Date.now() + timeoutMs; ;) {
    try {
      writeFileSync(file, JSON.stringify(me), { flag: "wx", mode: 0o600 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = ownerOf(file);
    if (!owner || !isAlive(owner)) rmSync(file, { force: true });
    else if (Date.now() > deadline)
      throw new CommandError(`Another usdf command (process ${owner.pid}) works on ${state.root}; wait for its end.`);
    else await new Promise((wake) => setTimeout(wake, 200));
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function ownerOf(file: string): ProcessId | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ProcessId;
  } catch {
    return undefined; // gone, or being written: the next round tells
  }
}

function ownStartTicks(): string {
  const stat = readFileSync("/proc/self/stat", "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]!;
}

function hostNumber(file: string, name: string): number {
  const taken = readJson<Record<string, number>>(file, { supervisor: 1 });
  const known = taken[name];
  if (known !== undefined) return known;
  const used = new Set(Object.values(taken));
  const free = Array.from({ length: 253 }, (_, index) => index + 2).find((number) => !used.has(number));
  if (free === undefined) throw new CommandError(`No address left for ${name}: run usdf down --purge, then usdf up.`);
  writeJson(file, { ...taken, [name]: free });
  return free;
}

/**
 * A network of the machine that no other checkout has: the one that the path's hash names, or the next free one. The claim is
 * a file that all checkouts of the machine see; a claim whose checkout is gone does not count.
 */
async function claimNetwork(root: string, dir: string): Promise<string> {
  const file = join(dir, "network.json");
  const claims = join(tmpdir(), "usdf-networks");
  if (!existsSync(claims)) {
    mkdirSync(claims, { recursive: true });
    chmodSync(claims, 0o1777); // for every user of the machine, like its parent
  }
  const mine = readJson<{ root: string; network: string } | undefined>(file, undefined);
  if (mine?.root === root && claim(claims, mine.network, root)) return mine.network;
  // A copied or moved checkout: what the folder says about processes is another checkout's business.
  if (mine && mine.root !== root) rmSync(join(dir, "processes.json"), { force: true });
  const hash = createHash("sha256").update(root).digest();
  for (let step = 0; step < 1000; step++) {
    // 127.1 to 127.127; the other half is for tests.
    const number = (hash.readUInt32BE(0) + step) % (127 * 256);
    const network = `127.${1 + (number >> 8)}.${number & 255}`;
    if (!claim(claims, network, root)) continue;
    if (await isFree(`${network}.1`)) {
      writeJson(file, { root, network });
      return network;
    }
    rmSync(join(claims, network), { force: true });
  }
  throw new CommandError(`No free loopback network of 1,000 tried; see the claims in ${claims}.`);
}

function claim(claims: string, network: string, root: string): boolean {
  const file = join(claims, network);
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(file, root, { flag: "wx", mode: 0o644 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = readFileSync(file, "utf8");
    if (owner === root) return true;
    const theirs = readJson<{ network?: string }>(join(owner, ".usdf", "network.json"), {});
    const isBeingMade = Date.now() - statSync(file).mtimeMs < 10_000;
    if (theirs.network === network || isBeingMade) return false;
    try {
      rmSync(file); // its checkout is gone, or has another network now
    } catch {
      return false; // another user's file
    }
  }
  return false;
}

function isFree(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(supervisorPort, address, () => server.close(() => resolve(true)));
  });
}

function writeFile(file: string, text: string): void {
  const part = `${file}.${process.pid}`;
  writeFileSync(part, text, { mode: 0o600 });
  renameSync(part, file);
}
