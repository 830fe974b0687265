import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ButlerChild, RawExposure } from "../lib/butler/butlerChild";
import type { Camera } from "../lib/cameras";
import { readFitsHeader } from "../lib/fits";
import type { RepoConfig } from "./repoConfig";
import { choose, type RawFile, type RawGroup } from "./rawGroup";
import { salIndexOf } from "./salIndex";

/**
 * So many groups of a Butler repository; their files are copied to this machine one group at a time, when it is its turn.
 * @throws {@link TooFewGroups}, ButlerUnavailableError.
 */
export async function repoGroups(
  butler: ButlerChild,
  { camera, config, groups, ordered }: { camera: Camera; config: RepoConfig; groups: number; ordered: boolean },
): Promise<RawGroup[]> {
  const { collections, where } = config.query;
  const exposures = await butler.rawExposures({ instrument: config.instrument, collections, where });
  const byGroup = new Map<string, RawExposure[]>();
  for (const exposure of exposures) byGroup.set(exposure.group, [...(byGroup.get(exposure.group) ?? []), exposure]);
  const place = `${config.repo} (${collections.join(", ")}${where && ` where ${where}`})`;
  const names = choose([...byGroup.keys()].sort(), groups, { ordered, where: place });
  return names.map((name) => repoGroup(butler, camera, config, name, byGroup.get(name)!));
}

function repoGroup(
  butler: ButlerChild,
  camera: Camera,
  { instrument, query: { collections } }: RepoConfig,
  name: string,
  exposures: readonly RawExposure[],
): RawGroup {
  const snaps = [...exposures].sort((a, b) => a.id - b.id);
  const [first] = snaps as [RawExposure];
  const files = new Map<string, string>();
  let folder: string | undefined;
  const file = (exposure: RawExposure, detector: number): RawFile => {
    const id = `${exposure.id}/${detector}`;
    return {
      name: `${name}: exposure ${exposure.id}, detector ${detector}`,
      detector,
      load: async () => {
        const path = files.get(id);
        if (path === undefined)
          throw new Error(`The Butler gave no file of exposure ${exposure.id}, detector ${detector}.`);
        const fits = await readFile(path);
        const header = readFitsHeader(fits);
        if (!header) throw new Error(`The header of ${path} has no end.`);
        return { fits, header };
      },
    };
  };
  return {
    name,
    salIndex: salIndexOf(camera),
    pointing: {
      position: first.ra === null || first.dec === null ? null : [first.ra, first.dec],
      rotation: first.rotation,
    },
    beginTaiMs: first.beginTaiMs,
    physicalFilter: first.physicalFilter,
    snaps: snaps.map((exposure) => exposure.detectors.map((detector) => file(exposure, detector))),
    prepare: async () => {
      folder = await mkdtemp(join(tmpdir(), "upload-"));
      const ids = snaps.map(({ id }) => id);
      for (const { exposure, detector, path } of await butler.fetchRaws({
        instrument,
        collections,
        exposures: ids,
        folder,
      }))
        files.set(`${exposure}/${detector}`, path);
    },
    release: async () => {
      files.clear();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
