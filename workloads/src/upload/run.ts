import { ButlerChild } from "../lib/butler/butlerChild";
import { kafkaClient, kafkaConnection } from "../lib/kafka";
import type { Logger } from "../lib/log";
import { dayObsOf } from "../lib/objectPath";
import { ObjectStore } from "../lib/objectStore";
import type { Closers } from "../lib/process";
import { type Announcer, kafkaAnnouncer, restAnnouncer } from "./announce";
import { lastGroup } from "./lastGroup";
import { poolGroups } from "./pool";
import type { RawGroup } from "./rawGroup";
import { repoGroups } from "./repo";
import type { Settings } from "./settings";
import { upload, type UploadedGroup, type UploadProgress } from "./upload";

export interface RunUploadOptions {
  readonly log: Logger;
  readonly stop: AbortSignal;
  readonly closers: Closers;
  readonly onProgress?: (progress: UploadProgress) => void;
  /** Instead of those of the pool or repository. */
  readonly groups?: readonly RawGroup[];
}

/** Sends what the settings say; `process.env` is where S3 profiles are looked for. */
export async function runUpload(
  settings: Settings,
  environment: NodeJS.ProcessEnv,
  options: RunUploadOptions,
): Promise<UploadedGroup[]> {
  const { env, camera } = settings;
  const { log, stop, closers, onProgress } = options;
  const storeOf = (bucket: string) =>
    closers.add(`bucket ${bucket}`, new ObjectStore(settings.storeOf(bucket), environment), (store) => store.close());
  const store = storeOf(env.BUCKET);
  const groups = options.groups ?? (await groupsOf(settings, environment, storeOf, options));
  const day = dayObsOf(new Date());
  const after = await lastGroup(camera, store, day);
  const announcer = closers.add("next_visit", await announcerOf(settings, log), (one) => one.close());
  log.info({ instrument: camera.name, groups: groups.length, bucket: env.BUCKET, after }, "Uploading");
  return upload({
    ...{ camera, groups, after, store, announcer, stop, onProgress },
    survey: env.SURVEY,
    durationSeconds: env.VISIT_DURATION,
    exposureIntervalSeconds: env.EXPOSURE_INTERVAL,
    slewIntervalSeconds: env.SLEW_INTERVAL,
    shiftTimes: env.SHIFT_TIMES,
    concurrency: env.UPLOAD_CONCURRENCY,
    giveUpAfterMs: env.UPLOAD_GIVE_UP * 1000,
  });
}

async function groupsOf(
  { env, camera, repo }: Settings,
  environment: NodeJS.ProcessEnv,
  storeOf: (bucket: string) => ObjectStore,
  { log, closers }: RunUploadOptions,
): Promise<RawGroup[]> {
  const wanted = { camera, groups: env.N_GROUPS, ordered: env.ORDERED };
  if (!repo) return poolGroups(storeOf(env.POOL_BUCKET!), { ...wanted, prefix: env.POOL_PREFIX });
  const { KAFKA_PASSWORD: _kafka, REST_PROXY_TOKEN: _rest, ...others } = environment; // no business of the Butler
  const child = new ButlerChild({
    python: env.BUTLER_PYTHON,
    env: { ...others, BUTLER_REPO: repo.repo },
    timeoutMs: env.BUTLER_TIMEOUT * 1000,
    log,
  });
  return repoGroups(
    closers.add("butler", child, (one) => one.close()),
    { ...wanted, config: repo },
  );
}

async function announcerOf({ env }: Settings, log: Logger): Promise<Announcer> {
  const { NEXT_VISIT_TOPIC: topic, REST_PROXY_URL: url, REST_PROXY_TOKEN: token } = env;
  if (url !== undefined) return restAnnouncer({ url, topic, token });
  return kafkaAnnouncer({
    kafka: kafkaClient(kafkaConnection("upload", env), log),
    topic,
    registryUrl: env.REGISTRY_URL,
    registryTimeoutMs: env.REGISTRY_TIMEOUT * 1000,
    register: env.REGISTER_SCHEMA,
  });
}
