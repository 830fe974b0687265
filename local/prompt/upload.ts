import { createLogger } from "../../workloads/src/lib/log";
import { Closers } from "../../workloads/src/lib/process";
import { runUpload } from "../../workloads/src/upload/run";
import { readSettings } from "../../workloads/src/upload/settings";
import type { UploadedGroup, UploadProgress } from "../../workloads/src/upload/upload";
import { CommandError, exitCodes } from "../exit";
import { simulatedGroups } from "./simulated";

/** What `usdf prompt upload` and `upload-from-repo` were told. */
export interface UploadCommand {
  readonly groups: number;
  readonly ordered?: boolean;
  /** Variables of this shell instead of the local stack's. */
  readonly env?: boolean;
  readonly pool?: string;
  readonly interval?: number;
  readonly slew?: number;
  readonly survey?: string;
  readonly keepTimes?: boolean;
  readonly json?: boolean;
}

/** What is sent: raw files of an instrument's pool, or of the repository that a YAML file names. */
export type UploadWhat = { readonly instrument: string } | { readonly config: string };

/** Longest end after an interrupt, ms: objects in hand are finished. */
const closeMs = 20_000;

/** `usdf prompt upload`, `usdf prompt upload-from-repo`. */
export async function uploadCommand(what: UploadWhat, options: UploadCommand): Promise<void> {
  const base = options.env
    ? { env: { ...process.env }, isLocal: false }
    : { env: await localVariables(), isLocal: true };
  const environment = { ...base.env, ...given(what, options) };
  const settings = readSettings(environment);
  const isSimulated = base.isLocal && "instrument" in what && options.pool === undefined;
  const log = createLogger("upload", process.env.USDF_DEBUG ? "DEBUG" : "CRITICAL");
  const closers = new Closers(log);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  try {
    const sent = await runUpload(settings, environment, {
      ...{ log, closers, stop: stop.signal, onProgress: options.json ? undefined : progressLine() },
      groups: isSimulated ? simulatedGroups(settings.camera.name, options.groups) : undefined,
    });
    console.log(options.json ? JSON.stringify({ bucket: settings.env.BUCKET, groups: sent }, null, 2) : summary(sent));
  } finally {
    await closers.closeAll(closeMs);
  }
}

function given(what: UploadWhat, options: UploadCommand): Record<string, string> {
  const { groups, ordered, pool, interval, slew, survey, keepTimes } = options;
  return {
    ...("config" in what
      ? { SOURCE: "repo", REPO_CONFIG: what.config }
      : { SOURCE: "pool", INSTRUMENT: what.instrument }),
    N_GROUPS: String(groups),
    ...(ordered && { ORDERED: "true" }),
    ...(pool !== undefined && { POOL_BUCKET: pool }),
    ...(interval !== undefined && { EXPOSURE_INTERVAL: String(interval) }),
    ...(slew !== undefined && { SLEW_INTERVAL: String(slew) }),
    ...(survey !== undefined && { SURVEY: survey }),
    ...(keepTimes && { SHIFT_TIMES: "false" }),
  };
}

/** What upload needs of the local stack. */
async function localVariables(): Promise<NodeJS.ProcessEnv> {
  const { localEnvironment, localStack } = await import("../runner");
  const { ensureButlerPython } = await import("../services");
  const { s3, bucket, prompt } = await localStack();
  if (!prompt)
    throw new CommandError("The local stack has no prompt processing; see usdf:prompt.", exitCodes.notRunning);
  // How the Butler's child of ingest reaches registry and files.
  const ofButler = Object.entries((await localEnvironment("ingest")).env).filter(([name]) => name.startsWith("LSST_"));
  return {
    ...Object.fromEntries(ofButler),
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    BUCKET: bucket.name,
    POOL_BUCKET: bucket.name,
    S3_ENDPOINT_URL: s3.endpoint,
    AWS_ACCESS_KEY_ID: s3.accessKey,
    AWS_SECRET_ACCESS_KEY: s3.secretKey,
    KAFKA_BROKERS: prompt.brokers.join(","),
    REGISTRY_URL: prompt.registryUrl,
    REGISTER_SCHEMA: "true",
    NEXT_VISIT_TOPIC: prompt.nextVisitTopic,
    BUTLER_PYTHON: await ensureButlerPython(),
  };
}

/** A line for each next_visit; on a terminal one more that is written over. */
function progressLine(): (progress: UploadProgress) => void {
  let shownMs = 0;
  return ({ group, did, key, done, total }) => {
    const clear = process.stderr.isTTY ? "\r\x1b[2K" : "";
    if (did === "announced") process.stderr.write(`${clear}next_visit of ${group}\n`);
    else if (process.stderr.isTTY && (done === total || Date.now() - shownMs >= 100)) {
      shownMs = Date.now();
      process.stderr.write(done === total ? clear : `${clear}${done}/${total}  ${key}`);
    }
  };
}

function summary(sent: readonly UploadedGroup[]): string {
  const plural = (count: number, what: string) => `${what}${count === 1 ? "" : "s"}`;
  const lines = sent.map(({ group, from, exposureIds, files, announcedMs, lastPutMs }) => {
    const seconds = ((lastPutMs - announcedMs) / 1000).toFixed(1);
    const exposures = `${plural(exposureIds.length, "exposure")} ${exposureIds.join(", ")}`;
    return `${group}  ${files} ${plural(files, "file")} of ${from}, ${exposures}; complete ${seconds} s after its next_visit`;
  });
  return [...lines, `${sent.length} ${plural(sent.length, "group")} sent`].join("\n");
}
