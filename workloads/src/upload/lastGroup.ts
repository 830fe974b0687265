import type { Camera } from "../lib/cameras";
import type { ObjectStore } from "../lib/objectStore";
import { dayPrefix, groupBefore, incrementGroup } from "./groupIds";

/** Two testers that begin at once rather differ by chance than meet: what the first number may be above the last, and snaps fit. */
const [smallestStep, largestStep] = [10, 18];

/**
 * The group after which new ones are counted: the last of the day in the bucket, and 9 to 17 more.
 * @param day - `YYYYMMDD`, UTC: the day of observation, which begins at 12:00.
 */
export async function lastGroup(
  camera: Camera,
  store: ObjectStore,
  day: string,
  random = Math.random,
): Promise<string> {
  const last = camera.family === "lsst" ? await lastSeqNum(camera, store, day) : await lastCounter(camera, store, day);
  const step = smallestStep + Math.floor(random() * (largestStep - smallestStep + 1));
  return incrementGroup(camera, groupBefore(camera, day, last), step - 1);
}

async function lastSeqNum(camera: Camera, store: ObjectStore, day: string): Promise<number | undefined> {
  const folders = await store.folders(`${camera.name}/${day}/`);
  return largest(folders.map((folder) => /_(\d+)\/$/.exec(folder)?.[1]));
}

async function lastCounter(camera: Camera, store: ObjectStore, day: string): Promise<number | undefined> {
  const prefix = dayPrefix(camera, day);
  const found: (string | undefined)[] = [];
  for (const detector of await store.folders(`${camera.name}/`)) {
    const groups = await store.folders(detector + prefix);
    found.push(...groups.map((folder) => /\/\d{4}(\d{4})\/$/.exec(folder)?.[1]));
  }
  return largest(found);
}

function largest(numbers: readonly (string | undefined)[]): number | undefined {
  const known = numbers.filter((text) => text !== undefined).map(Number);
  return known.length === 0 ? undefined : Math.max(...known);
}
