import { Redis } from "ioredis";
import { setTimeout as sleep } from "node:timers/promises";
import { redisKey } from "../../workloads/src/lib/redisKeys";
import { dayObsOf } from "../../workloads/src/lib/objectPath";
import { exposureSeconds, instrumentNamed, sendExposures, type SentExposure } from "../camera";
import { CommandError } from "../exit";
import { awaitStored, type Stored } from "../efd/awaitStored";
import { fillTelemetry, spanOf } from "../efd/fillTelemetry";
import type { Progress } from "../services";
import type { LocalStack } from "./api";
import type { SupervisorClient } from "./client";
import { FirstVisits, type VisitJourney } from "./first-visits";
import { endOfNewest, type ExposureRows, instrumentOf, transformExposure } from "./first-rows";

/** Longest way of one exposure from the camera to the Butler, ms. */
const journeyLimitMs = 60_000;

/** How one exposure went from the camera to the Butler, and its telemetry to the consolidated database. */
export interface Journey {
  readonly instrument: string;
  readonly obsId: string;
  readonly files: number;
  /** From the first PUT to the last. */
  readonly putSeconds: number;
  /** From the last PUT until every file is in the Butler with its visit, and presence has answered for each detector. */
  readonly ingestSeconds: number;
  /** Telemetry of its time: through Kafka into InfluxDB. None where the stack has no transformed EFD. */
  readonly telemetry?: Stored;
  /** None where the stack has no transformed EFD. */
  readonly rows?: ExposureRows;
  /** Its way through prompt processing, and that of a LATISS exposure. None where the stack has no services for them. */
  readonly visits: readonly VisitJourney[];
}

/**
 * Sends one simulated exposure and follows it: bucket, notification, queue, Butler, presence; its next_visit goes before it, and
 * its raws to the workers of each detector. Sends the telemetry of its time meanwhile, follows that from Kafka to InfluxDB, and
 * has it summarised. Prompt processing gets a LATISS exposure beside it.
 * @throws {@link CommandError} that says how far it came.
 */
export async function sendFirstExposure(
  client: SupervisorClient,
  stack: LocalStack,
  instrument: string,
  progress: Progress,
): Promise<Journey> {
  const endingAt = stack.efd ? endOfNewest(instrumentOf(stack.efd, instrument), Date.now()) : new Date();
  const span = spanOf({ beginMs: endingAt.getTime() - exposureSeconds * 1000, endMs: endingAt.getTime() });
  const { efd } = stack;
  const stored = efd && fillTelemetry(efd.sal, instrument, [span]).then((filled) => awaitStored(efd, filled));
  stored?.catch(() => {}); // told below, where it is waited for
  const visits = stack.prompt && (await FirstVisits.open(stack.prompt));
  try {
    const second = instrument !== "LATISS" && stack.prompt?.services.LATISS !== undefined;
    const [journey, beside] = await Promise.all([
      journeyOf(stack, instrument, endingAt, progress, visits),
      second ? visitOf(stack, "LATISS", endingAt, visits!, progress) : undefined,
    ]);
    const result = { ...journey.result, visits: [journey.visit, beside].filter((one) => one !== undefined) };
    if (!efd) return result;
    progress("telemetry from Kafka to InfluxDB");
    const telemetry = await stored;
    const rows = await transformExposure(client, efd, instrument, journey.exposure, progress);
    return { ...result, telemetry, rows };
  } finally {
    await visits?.close();
  }
}

/** One exposure into the bucket, its next_visit before it. */
async function send(
  stack: LocalStack,
  instrument: string,
  endingAt: Date,
  visits: FirstVisits | undefined,
  progress: Progress,
): Promise<{ exposure: SentExposure; seconds: number }> {
  const { exposures, seconds } = await sendExposures({
    instrument,
    bucket: { ...stack.s3, name: stack.bucket.name },
    exposures: 1,
    dayObs: dayObsOf(endingAt),
    endingAt,
    onExposure: (exposure) => visits?.announce(exposure) ?? Promise.resolve(),
    onProgress: ({ done, total }) => progress(`${done} of ${total} files in the bucket`),
  });
  return { exposure: exposures[0]!, seconds };
}

async function visitOf(
  stack: LocalStack,
  instrument: string,
  endingAt: Date,
  visits: FirstVisits,
  progress: Progress,
): Promise<VisitJourney | undefined> {
  const { exposure } = await send(stack, instrument, endingAt, visits, () => {});
  return visits.follow(instrument, exposure.groupId, exposure.lastPutMs, progress);
}

async function journeyOf(
  stack: LocalStack,
  instrument: string,
  endingAt: Date,
  progress: Progress,
  visits: FirstVisits | undefined,
): Promise<{ exposure: SentExposure; result: Omit<Journey, "visits">; visit: VisitJourney | undefined }> {
  const { exposure, seconds: putSeconds } = await send(stack, instrument, endingAt, visits, progress);
  const redis = new Redis({ ...stack.redis, maxRetriesPerRequest: 1, lazyConnect: true });
  redis.on("error", () => {}); // each command reports it
  try {
    await redis.connect();
    await follow(redis, stack, exposure, progress);
  } finally {
    redis.disconnect();
  }
  if (stack.presenceUrl) await askPresence(stack.presenceUrl, instrument, exposure);
  const ingestSeconds = (Date.now() - exposure.lastPutMs) / 1000;
  const visit = await visits?.follow(instrument, exposure.groupId, exposure.lastPutMs, progress);
  const files = exposure.keys.length;
  return { exposure, visit, result: { instrument, obsId: exposure.obsId, files, putSeconds, ingestSeconds } };
}

/** Waits until every file of the exposure is in the Butler, and its visit is defined. */
async function follow(redis: Redis, stack: LocalStack, exposure: SentExposure, progress: Progress): Promise<void> {
  const paths = exposure.keys.map((key) => `${stack.bucket.path}/${key}`);
  const deadline = Date.now() + journeyLimitMs;
  for (;;) {
    const times = await redis.pipeline(paths.map((path) => ["hget", redisKey.file(path), "ingest_time"])).exec();
    const ingested = times!.filter(([, time]) => typeof time === "string").length;
    // Only its own: one of another exposure, whose worker was killed, is hidden for minutes.
    const followUps = await redis.zrange(redisKey.followUp(stack.bucket.path), 0, -1);
    const isVisitDefined = !followUps.some((text) => text.includes(String(exposure.exposureId)));
    progress(`${ingested} of ${paths.length} files in the Butler`);
    if (ingested === paths.length && isVisitDefined) return;
    const dead = await redis.hmget(redisKey.dead(stack.bucket.path), ...paths);
    const [reason] = dead.filter((entry) => entry !== null);
    if (reason) throw new CommandError(`${exposure.obsId} was refused: ${reason}. See: usdf embargo dead list`);
    if (Date.now() > deadline) {
      const received = await redis.pipeline(paths.map((path) => ["hget", redisKey.file(path), "recv_time"])).exec();
      const queued = received!.filter(([, time]) => typeof time === "string").length;
      throw new CommandError(
        `${exposure.obsId}: after ${journeyLimitMs / 1000} s enqueue has heard of ${queued} of ${paths.length} files and ` +
          `${ingested} are in the Butler, its visit is ${isVisitDefined ? "" : "not "}defined. See: usdf status, usdf logs enqueue, usdf logs ingest`,
      );
    }
    await sleep(50);
  }
}

/** Asks presence for each detector that has a place in it. */
async function askPresence(presenceUrl: string, instrument: string, exposure: SentExposure): Promise<void> {
  const kinds = new Map(instrumentNamed(instrument).detectors.map(({ name, purpose }) => [name, purpose]));
  for (const key of exposure.keys) {
    const detector = /_(R\d\d_S\w\d)(_guider)?\.fits$/.exec(key)?.[1];
    // Guiders have no place in a group: they are no images of it.
    if (detector === undefined || kinds.get(detector) === "GUIDER") continue;
    const url = `${presenceUrl}/${instrument}/${encodeURIComponent(exposure.groupId)}/0/${detector}`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    const body = (await answer.json()) as { present?: boolean };
    if (!body.present) throw new CommandError(`${url} answers ${JSON.stringify(body)}, though the file is ingested`);
  }
}
