import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** One maker at a time on this machine; the lock of a process that has ended is taken over. */
export async function withLock<T>(file: string, make: () => Promise<T>): Promise<T> {
  const mine = `${file}.${process.pid}`;
  await writeFile(mine, String(process.pid));
  for (;;) {
    // link() would do; mkdir is atomic everywhere and holds the owner's file.
    const taken = await mkdir(file).then(() => true, () => false); // prettier-ignore
    if (taken) break;
    const [owner] = await readdir(file).catch(() => [] as string[]);
    if (owner && !existsSync(`/proc/${owner}`)) await rm(file, { recursive: true, force: true });
    await sleep(250);
  }
  await rename(mine, join(file, String(process.pid)));
  try {
    return await make();
  } finally {
    await rm(file, { recursive: true, force: true });
  }
}
