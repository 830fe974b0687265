import type { Camera } from "../lib/cameras";
import { type Header, readFitsHeaders } from "../lib/fits";
import { messageOf } from "../lib/errors";
import { type ObjectStore, ObjectMissingError } from "../lib/objectStore";
import { parseRawPath, type RawPath } from "../lib/rawPath";
import { choose, type RawFile, type RawGroup } from "./rawGroup";
import { salIndexOf } from "./salIndex";
import { observedSky } from "./skyTime";

/** The pool cannot be used as it is. */
export class PoolError extends Error {}

interface PoolExposure {
  readonly id: number;
  readonly group: string;
  readonly snap: number;
  readonly files: readonly (RawPath & { readonly poolKey: string })[];
  readonly header: Header;
}

/**
 * So many groups of a pool of raw files: keys as in a bucket of raw files, after a prefix.
 * @throws {@link PoolError} and {@link TooFewGroups}.
 */
export async function poolGroups(
  store: ObjectStore,
  options: { camera: Camera; prefix: string; groups: number; ordered: boolean },
): Promise<RawGroup[]> {
  const { camera, prefix } = options;
  const pool = new Pool(store, camera, prefix);
  const exposures = await pool.exposures();
  const groups = new Map<string, PoolExposure[]>();
  for (const exposure of exposures) groups.set(exposure.group, [...(groups.get(exposure.group) ?? []), exposure]);
  const where = `the pool ${prefix}${camera.name}/ in bucket ${store.bucket}`;
  const names = choose([...groups.keys()].sort(), options.groups, { ordered: options.ordered, where });
  return names.map((name) => pool.group(name, groups.get(name)!));
}

class Pool {
  constructor(
    private readonly store: ObjectStore,
    private readonly camera: Camera,
    private readonly prefix: string,
  ) {}

  async exposures(): Promise<PoolExposure[]> {
    const files = new Map<string, (RawPath & { poolKey: string })[]>();
    for await (const page of this.store.list(`${this.prefix}${this.camera.name}/`)) {
      for (const { key } of page) {
        if (key.endsWith(".json")) continue;
        const file = { ...this.pathOf(key), poolKey: key };
        // A camera without names of exposures has the group in its keys.
        const exposure = `${file.obsId} ${file.group ?? ""}`;
        files.set(exposure, [...(files.get(exposure) ?? []), file]);
      }
    }
    return Promise.all([...files.values()].map((own) => this.exposure(own)));
  }

  group(name: string, exposures: readonly PoolExposure[]): RawGroup {
    const snaps = [...exposures].sort((a, b) => a.snap - b.snap);
    const repeated = snaps.find(({ snap }, index) => snap !== index);
    if (repeated) throw new PoolError(`Group ${name} of the pool has snaps ${snaps.map(({ snap }) => snap).join(", ")}: they must count from 0.`); // prettier-ignore
    const [first] = snaps as [PoolExposure];
    const { poolKey } = first.files[0]!;
    try {
      return {
        name,
        salIndex: salIndexOf(this.camera, first.id),
        ...observedSky(this.camera, first.header),
        snaps: snaps.map(({ files }) => files.map((file) => this.file(file))),
      };
    } catch (error) {
      throw new PoolError(`The header of "${poolKey}" cannot be used: ${messageOf(error)}. Mend or remove its group.`);
    }
  }

  private file({ poolKey, detector, sidecar }: RawPath & { poolKey: string }): RawFile {
    return {
      name: poolKey,
      detector,
      load: async () => {
        const fits = await this.store.read(poolKey);
        return { fits, header: await this.headerOf(sidecar, poolKey, fits) };
      },
    };
  }

  private async exposure(files: readonly (RawPath & { poolKey: string })[]): Promise<PoolExposure> {
    const [first] = files as [RawPath & { poolKey: string }];
    const header = await this.headerOf(first.sidecar, first.poolKey);
    if (first.group !== undefined)
      return { id: first.exposureId, group: first.group, snap: first.snap ?? 0, files, header };
    const { GROUPID: group, CURINDEX: index = 1 } = header;
    if (typeof group !== "string" || group === "" || typeof index !== "number")
      throw new PoolError(
        `The sidecar of "${first.poolKey}" has no GROUPID, or CURINDEX is no number. Mend or remove it.`,
      );
    return { id: first.exposureId, group, snap: index - 1, files, header };
  }

  /** Of the sidecar; a camera that writes none has it in its files, which may be compressed: then it is in the first extension. */
  private async headerOf(sidecar: string | undefined, poolKey: string, fits?: Buffer): Promise<Header> {
    if (sidecar === undefined) {
      const [primary = {}, first = {}] = readFitsHeaders(fits ?? (await this.store.read(poolKey)));
      return { ...first, ...primary };
    }
    const key = this.prefix + sidecar;
    try {
      return JSON.parse((await this.store.read(key)).toString("utf8")) as Header;
    } catch (error) {
      if (error instanceof ObjectMissingError)
        throw new PoolError(`"${poolKey}" of the pool has no sidecar: put "${key}" beside it.`);
      if (error instanceof SyntaxError)
        throw new PoolError(`Sidecar "${key}" of the pool is no JSON: ${error.message}.`);
      throw error;
    }
  }

  private pathOf(key: string): RawPath {
    try {
      return parseRawPath(key.slice(this.prefix.length));
    } catch (error) {
      throw new PoolError(`"${key}" does not belong into the pool: ${messageOf(error)}`);
    }
  }
}
