import pLimit from "p-limit";
import { FacilityError, messageOf } from "../lib/errors";
import { keyOf } from "../lib/objectPath";
import { blockBytes, type Header, readFitsHeader } from "../lib/fits";
import { type ObjectInfo, ObjectMissingError, type ObjectStore } from "../lib/objectStore";
import { parseSidecar } from "../lib/sidecar";

/** An object with its header. */
export interface ObjectMetadata {
  readonly info: ObjectInfo;
  /** Header of the sidecar, else of the file; absent when neither can be read, see `fault`. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** Why there is no header. */
  readonly fault?: MetadataError;
}

/** Neither sidecar nor file has a header that can be read. */
export class MetadataError extends FacilityError {
  readonly code = "METADATA";
  readonly retryable = true; // a sidecar may come later than its file
  constructor(path: string, reasons: readonly string[]) {
    super(`Cannot read the metadata of "${path}": ${reasons.join("; ")}. PUT a sidecar, then retry the dead letter.`);
  }
}

const firstRangeBytes = 10 * blockBytes;
/** From so many files of a batch in one folder on, a listing is cheaper than a HEAD each. */
const filesWorthListing = 16;
/** A primary header of more than this is taken for damage: 13,000 cards. */
const largestHeaderBytes = 365 * blockBytes;

/**
 * Reads what the store knows of an object and its header; both are asked at the same time.
 * @param listed - What a listing said of the object, if it was listed.
 * @throws {@link ObjectMissingError} {@link StoreUnavailableError}
 */
export async function readMetadata(store: ObjectStore, path: string, listed?: ObjectInfo): Promise<ObjectMetadata> {
  const [info, header] = await Promise.all([listed ?? store.head(path), readHeader(store, path).catch(faultOf)]);
  return header instanceof MetadataError ? { info, fault: header } : { info, header };
}

function faultOf(error: unknown): MetadataError {
  if (error instanceof MetadataError) return error;
  throw error;
}

async function readHeader(store: ObjectStore, path: string): Promise<Readonly<Record<string, unknown>>> {
  const reasons: string[] = [];
  const key = keyOf(path);
  const sidecar = key.replace(/\.[^./]*$/, "") + ".json";
  try {
    return parseSidecar((await store.read(sidecar)).toString("utf8"));
  } catch (error) {
    if (error instanceof FacilityError && !(error instanceof ObjectMissingError)) throw error;
    reasons.push(`sidecar "${sidecar}": ${error instanceof ObjectMissingError ? "there is none" : messageOf(error)}`);
  }
  try {
    return await readFits(store, key);
  } catch (error) {
    if (error instanceof FacilityError) throw error;
    throw new MetadataError(path, [...reasons, `FITS header: ${messageOf(error)}`]);
  }
}

async function readFits(store: ObjectStore, key: string): Promise<Header> {
  for (let size = firstRangeBytes; ; size = Math.min(size * 6, largestHeaderBytes)) {
    const bytes = await store.read(key, size);
    const header = readFitsHeader(bytes);
    if (header) return header;
    if (bytes.length < size || size === largestHeaderBytes) throw new Error("it has no END");
  }
}

/**
 * What the store knows of objects that share a folder with many others of the batch: one listing instead of a request each.
 * An object that is not listed, or whose folder is too large, is asked for by itself.
 */
async function listFolders(store: ObjectStore, paths: readonly string[]): Promise<Map<string, ObjectInfo>> {
  const folders = new Map<string, number>();
  const keys = new Map(paths.map((path) => [keyOf(path), path]));
  for (const key of keys.keys()) {
    const folder = key.slice(0, key.lastIndexOf("/") + 1);
    folders.set(folder, (folders.get(folder) ?? 0) + 1);
  }
  const found = new Map<string, ObjectInfo>();
  for (const [folder, files] of folders) {
    if (files < filesWorthListing) continue;
    for await (const page of store.list(folder)) {
      for (const info of page) {
        const path = keys.get(info.key);
        if (path !== undefined) found.set(path, info);
      }
      break; // an exposure with its sidecars fills half a page
    }
  }
  return found;
}

/** Reads many objects, `concurrency` at a time. Each is told to `onEach` as soon as it is read. */
export async function readAll(
  store: ObjectStore,
  paths: readonly string[],
  concurrency: number,
  onEach: (path: string, metadata: ObjectMetadata) => void | Promise<void>,
): Promise<Map<string, ObjectMetadata | Error>> {
  const limit = pLimit(concurrency);
  const found = new Map<string, ObjectMetadata | Error>();
  const listed = await listFolders(store, paths).catch(() => new Map<string, ObjectInfo>()); // each is asked for, then
  await Promise.all(
    paths.map((path) =>
      limit(async () => {
        try {
          const metadata = await readMetadata(store, path, listed.get(path));
          found.set(path, metadata);
          await onEach(path, metadata);
        } catch (error) {
          found.set(path, error as Error);
        }
      }),
    ),
  );
  return found;
}
