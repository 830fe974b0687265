import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Room that it must have in memory; tests of all tiers were seen to take 2.4 GiB. */
const roomBytes = 6 * 2 ** 30;

/**
 * A folder for the temporary files of tests: in memory, where there is room for them and programs in it may be started, else
 * beside all other temporary files. Servers of tests make durable what they are told, many times a second, and all wait for
 * one disk. What killed runs left is removed.
 */
export function temporaryFolder(memory = "/dev/shm"): { readonly dir: string; readonly remove: () => void } {
  const above = hasRoom(memory) ? memory : tmpdir();
  for (const entry of readdirSync(above)) {
    const pid = Number(/^usdf-test-(\d+)$/.exec(entry)?.[1]);
    if (pid && !isRunning(pid)) remove(join(above, entry));
  }
  const dir = join(above, `usdf-test-${process.pid}`);
  mkdirSync(dir);
  chmodSync(dir, 0o711); // user postgres passes through
  return { dir, remove: () => remove(dir) };
}

function remove(dir: string): void {
  try {
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // somebody still writes there, or it is another user's: for the next run
  }
}

function hasRoom(dir: string): boolean {
  try {
    const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
    const [, , type, options = ""] = mounts.findLast((line) => line.split(" ")[1] === dir)?.split(" ") ?? [];
    if (type !== "tmpfs" || options.split(",").includes("noexec")) return false;
    const { bavail, bsize } = statfsSync(dir);
    return Math.min(bavail * bsize, process.availableMemory()) >= roomBytes;
  } catch {
    return false; // no Linux
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
