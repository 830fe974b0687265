import { isGuider, type ObjectPath } from "../lib/objectPath";
import type { FileKind } from "../lib/butler/butler";

/** What governs ingest of one bucket; from the contract, times in ms. */
export interface IngestSettings {
  readonly bucket: string;
  readonly maxIngests: number;
  readonly maxFailures: number;
  readonly guiderWaitMs: number;
  readonly parkLifetimeMs: number;
  readonly groupLifetimeSeconds: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly s3Concurrency: number;
  readonly callWebhook: boolean;
}

/** What the Butler is to do with an object. */
export function kindOf(object: ObjectPath): FileKind {
  if (object.kind === "lfa") return "lfa";
  return isGuider(object.path) ? "guider" : "raw";
}
