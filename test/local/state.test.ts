import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openState, supervisorPort, withCommandLock } from "../../local/state";

const claims = join(tmpdir(), "usdf-networks");
const roots: string[] = [];
const checkout = () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "usdf-state-")));
  roots.push(root);
  return root;
};
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
  for (const name of readdirSync(claims)) {
    if (roots.includes(readFileSync(join(claims, name), "utf8"))) rmSync(join(claims, name));
  }
});
const networkOf = async (root: string) => (await openState(root)).network;

describe("the state of a checkout", () => {
  it("keeps its network and its addresses", async () => {
    const root = checkout();
    const first = await openState(root);
    expect(first.network).toMatch(/^127\.([1-9]\d?|1[01]\d|12[0-7])\.\d{1,3}$/);
    const addresses = ["redis", "ingest-0", "redis"].map((name) => first.address(name));
    expect(addresses).toEqual([`${first.network}.2`, `${first.network}.3`, `${first.network}.2`]);
    const again = await openState(root);
    expect([again.network, again.address("ingest-0"), again.token]).toEqual([first.network, addresses[1], first.token]);
  });
  it("is for this user only", async () => {
    const root = checkout();
    const state = await openState(root);
    expect(statSync(state.dir).mode & 0o777).toBe(0o700);
    expect(statSync(state.path("token")).mode & 0o777).toBe(0o600);
  });
  it("shares its network with no other checkout, whatever the hash says", async () => {
    const networks = await Promise.all(Array.from({ length: 12 }, () => networkOf(checkout())));
    expect(new Set(networks).size).toBe(12);
  });
  it("takes the next network where another checkout has its own", async () => {
    const root = checkout();
    const natural = await networkOf(root);
    rmSync(join(root, ".usdf"), { recursive: true });
    // Another checkout, which lives, has claimed it meanwhile.
    const other = checkout();
    mkdirSync(join(other, ".usdf"));
    writeFileSync(join(other, ".usdf", "network.json"), JSON.stringify({ root: other, network: natural }));
    writeFileSync(join(claims, natural), other);
    const next = await networkOf(root);
    expect(next).not.toBe(natural);
    expect(readFileSync(join(claims, next), "utf8")).toBe(root);
  });
  it("takes over the claim of a checkout that is gone", async () => {
    const root = checkout();
    const natural = await networkOf(root);
    rmSync(join(root, ".usdf"), { recursive: true });
    writeFileSync(join(claims, natural), "/no/such/checkout");
    utimesSync(join(claims, natural), 0, 0);
    expect(await networkOf(root)).toBe(natural);
  });
  it("leaves a network alone on which something listens, even without a claim", async () => {
    const root = checkout();
    const natural = await networkOf(root);
    rmSync(join(root, ".usdf"), { recursive: true });
    rmSync(join(claims, natural));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(supervisorPort, `${natural}.1`, resolve));
    try {
      expect(await networkOf(root)).not.toBe(natural);
    } finally {
      server.close();
    }
  });
  it("of a copied checkout gets a network of its own", async () => {
    const root = checkout();
    const { network } = await openState(root);
    const copy = checkout();
    cpSync(join(root, ".usdf"), join(copy, ".usdf"), { recursive: true });
    expect(await networkOf(copy)).not.toBe(network);
    expect(await networkOf(root)).toBe(network);
  });
});

describe("withCommandLock", () => {
  it("lets one work at a time, and does not count a lock whose process is gone", async () => {
    const state = await openState(checkout());
    writeFileSync(state.path("command.lock"), JSON.stringify({ pid: process.pid, startTicks: "1" }));
    let inside = 0;
    let most = 0;
    const work = () =>
      withCommandLock(state, async () => {
        most = Math.max(most, ++inside);
        await new Promise((wake) => setTimeout(wake, 50));
        inside--;
      });
    await Promise.all([work(), work(), work()]);
    expect(most).toBe(1);
    expect(existsSync(state.path("command.lock"))).toBe(false);
  });
  it("gives up with the number of the process that works", async () => {
    const state = await openState(checkout());
    await withCommandLock(state, async () => {
      await expect(withCommandLock(state, async () => {}, 100)).rejects.toThrow(
        `Another usdf command (process ${process.pid}) works on ${state.root}; wait for its end.`,
      );
    });
  });
});
