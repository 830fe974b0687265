import { listText, pipelinesText, type ResolvedService, workerNodes } from "../config";
import type { EnvValue } from "../platform";

/** What the pods of a service are told: the pipelines, and the image's own program where that takes the visits. */

type Variables = Readonly<Record<string, EnvValue>>;

/** Folder of the worker's own repository. */
export const localRepos = "/tmp-butler";
/** Files of the service's Secret. */
export const dbAuthFolder = "/app/lsst-credentials";
export const s3Folder = "/app/s3";

/** Name of a service's Secret. Keys are named as the fields in Vault. */
export const secretNameOf = ({ fullName }: Pick<ResolvedService, "fullName">): string => `${fullName}-secret`;

/** Fields of a service's Secret: those that its pods use. */
export function secretFieldsOf(service: ResolvedService): string[] {
  const { s3, dbAuth, alerts, butlerWriter, sasquatch, standIn } = service;
  const used: [string, boolean][] = [
    ["db-auth_file", dbAuth],
    ["s3_credentials_file", s3.credentials === "file"],
    ["s3_access_key", s3.credentials === "variables"],
    ["s3_secret_key", s3.credentials === "variables"],
    ["alert_stream_pass", alerts !== undefined],
    ["butler-writer-password", butlerWriter !== undefined],
    ["sasquatch_token", sasquatch.url !== undefined && sasquatch.token],
  ];
  return used.filter(([field, use]) => use && (!standIn || field.endsWith("_file"))).map(([field]) => field);
}

/** Variables of the pipelines, whoever takes the visits; those of the init-outputs are the same. */
export function pipelineVariables(service: ResolvedService): Variables {
  const { pipelines, instrument, s3, alerts, butlerWriter, sasquatch, debug, limits } = service;
  const key = (field: string) => ({ secretName: secretNameOf(service), key: field });
  const text = (which: "main" | "preprocessing") =>
    pipelinesText(workerNodes(pipelines[which], pipelines.unmatchedSurvey, instrument));
  const threads = Math.max(1, Math.floor(cores(limits.cpu)));
  return {
    RUBIN_INSTRUMENT: instrument,
    SKYMAP: service.skymap,
    CENTRAL_REPO: service.centralRepo,
    READ_CENTRAL_REPO: service.readRepo === service.centralRepo ? undefined : service.readRepo,
    S3_ENDPOINT_URL: s3.endpointUrl,
    IMAGE_BUCKET: s3.imageBucket,
    PREPROCESSING_PIPELINES_CONFIG: text("preprocessing"),
    MAIN_PIPELINES_CONFIG: text("main"),
    CONFIG_APDB: service.apdbConfig,
    LOCAL_REPOS: localRepos,
    LOCAL_REPO_CONFIG: service.localRepoConfig,
    LOCAL_REPO_CACHE_SIZE: service.cachedDatasets,
    PRELOAD_PADDING: service.preloadPaddingArcsec,
    REPO_RETRY_DELAY: service.repoRetrySeconds,
    EXPORT_TYPE_REGEXP: listText(service.exportTypes),
    DEBUG_EXPORT_OUTPUTS: debug.exportOutputs ? "1" : "0",
    LSST_RESOURCES_NUM_WORKERS: service.transferWorkers,
    LSST_DISABLE_BUCKET_VALIDATION: s3.disableBucketValidation ? "1" : "0",
    ...(butlerWriter === undefined
      ? { USE_KAFKA_BUTLER_WRITER: "0" }
      : {
          USE_KAFKA_BUTLER_WRITER: "1",
          BUTLER_WRITER_KAFKA_CLUSTER: butlerWriter.server,
          BUTLER_WRITER_KAFKA_USERNAME: butlerWriter.username,
          BUTLER_WRITER_KAFKA_PASSWORD: key("butler-writer-password"),
          BUTLER_WRITER_KAFKA_TOPIC: butlerWriter.topic,
        }),
    SASQUATCH_URL: sasquatch.url,
    SASQUATCH_TOKEN: sasquatch.url !== undefined && sasquatch.token ? key("sasquatch_token") : undefined,
    DAF_BUTLER_SASQUATCH_NAMESPACE: sasquatch.namespace,
    AP_KAFKA_PRODUCER_USERNAME: alerts?.username,
    AP_KAFKA_PRODUCER_PASSWORD: alerts && key("alert_stream_pass"),
    AP_KAFKA_SERVER: alerts?.server,
    AP_KAFKA_TOPIC: alerts?.topic,
    MP_SKY_URL: service.mpSkyUrl,
    CENTRAL_IERS_CACHE: service.iersCache,
    SATTLE_URI_BASE: service.sattleUrl,
    OMP_NUM_THREADS: threads,
    MKL_NUM_THREADS: threads,
    ...(s3.credentials === "file"
      ? { AWS_SHARED_CREDENTIALS_FILE: `${s3Folder}/credentials`, AWS_PROFILE: s3.profile }
      : { AWS_ACCESS_KEY_ID: key("s3_access_key"), AWS_SECRET_ACCESS_KEY: key("s3_secret_key") }),
    AWS_REQUEST_CHECKSUM_CALCULATION: s3.checksumCalculation,
    LSST_DB_AUTH: service.dbAuth ? `${dbAuthFolder}/db-auth.yaml` : undefined,
    SERVICE_LOG_LEVELS: Object.entries(service.logLevels)
      .map(([logger, level]) => `${logger}=${level}`)
      .join(" "),
    DAX_APDB_MONITOR_CONFIG: debug.monitorDaxApdb ? "logging:lsst.dax.apdb.monitor" : undefined,
  };
}

/** Variables of what takes the visits; the gateway and the image's own program go by the same names. */
export function visitVariables(service: ResolvedService, expirationSeconds: number) {
  const { worker, raws, stream } = service;
  return {
    RUBIN_INSTRUMENT: service.instrument,
    WORKER_TIMEOUT: worker.timeoutSeconds,
    WORKER_RESTART_FREQ: worker.restartAfterVisits,
    IMAGE_TIMEOUT: raws.timeoutSeconds,
    MESSAGE_EXPIRATION: expirationSeconds,
    REDIS_STREAM_NAME: stream.name,
    REDIS_STREAM_CONSUMER_GROUP: stream.consumerGroup,
    FANNED_OUT_MSG_LISTEN_TIMEOUT: stream.listenSeconds,
  } as const;
}

/** Variables that only the image's own program has: it looks for raws itself. */
export function upstreamVariables(service: ResolvedService, redisHost: string): Variables {
  const { raws, stream, platform } = service;
  return {
    PLATFORM: platform,
    REDIS_STREAM_HOST: redisHost,
    REDIS_RETRY_DELAY: stream.retrySeconds,
    KAFKA_CLUSTER: raws.kafka,
    BUCKET_TOPIC: raws.topic,
    BUCKET_NOTIFICATION_KAFKA_OFFSET_RESET: raws.offsetReset,
    RAW_MICROSERVICE: service.presenceUrl,
  };
}

function cores(cpu: string): number {
  return cpu.endsWith("m") ? Number(cpu.slice(0, -1)) / 1000 : Number(cpu);
}
