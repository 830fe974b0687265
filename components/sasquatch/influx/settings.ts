import type { InfluxdbConfig, InfluxdbSettings } from "../../config";
import type { EnvValue } from "../../platform";

type Edition = InfluxdbConfig["edition"];

/** Image of a server. Enterprise has two: of meta and of data nodes. */
export function imageOf({ edition, tag }: InfluxdbConfig, role: "data" | "meta" = "data"): string {
  const version = tag ?? { "1": "1.12.4", "2": "2.7.12", enterprise: "1.12.4" }[edition];
  return edition === "enterprise" ? `influxdb:${version}-${role}` : `influxdb:${version}`;
}

/** Folder of all that a server keeps. */
export const dataFolder = "/var/lib/influxdb";

const defaults: Readonly<Record<Edition, Partial<InfluxdbSettings>>> = {
  "1": { maxConcurrentQueries: 500, queryTimeoutSeconds: 15, logQueriesAfterSeconds: 15, maxSeriesPerDatabase: 0 },
  "2": { maxConcurrentQueries: 64 },
  enterprise: {
    maxConcurrentQueries: 50,
    queryTimeoutSeconds: 180,
    logQueriesAfterSeconds: 15,
    maxSeriesPerDatabase: 10_000_000,
    maxSelectPoints: 50_000_000,
    maxSelectSeries: 200_000,
    maxSelectBuckets: 20_000,
    hintedHandoffMaxBytes: 100 * 2 ** 30,
    antiEntropy: false,
  },
};

const common: Partial<InfluxdbSettings> = {
  walFsyncDelayMs: 100,
  cacheMaxMemoryBytes: 0,
  writeTimeoutSeconds: 60,
  maxSelectPoints: 0,
  maxSelectSeries: 0,
  maxSelectBuckets: 0,
};

/** Settings of a server in the variables of its edition: no file, so nothing that is set twice. */
export function serverEnv({ edition, settings }: InfluxdbConfig): Record<string, EnvValue> {
  const set = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const all = { ...common, ...defaults[edition], ...set } as InfluxdbSettings;
  return edition === "2" ? env2(all) : env1(all, edition);
}

const seconds = (value: number | undefined) => (value === undefined ? undefined : `${value}s`);

function env1(all: InfluxdbSettings, edition: Edition): Record<string, EnvValue> {
  return {
    INFLUXDB_REPORTING_DISABLED: true,
    INFLUXDB_BIND_ADDRESS: ":8088", // backups come in here; the network lets in no one else
    INFLUXDB_META_DIR: `${dataFolder}/meta`,
    INFLUXDB_DATA_DIR: `${dataFolder}/data`,
    INFLUXDB_DATA_WAL_DIR: `${dataFolder}/wal`,
    INFLUXDB_DATA_INDEX_VERSION: "tsi1", // an index in memory would be as large as the number of series
    INFLUXDB_DATA_WAL_FSYNC_DELAY: `${all.walFsyncDelayMs}ms`,
    INFLUXDB_DATA_CACHE_MAX_MEMORY_SIZE: all.cacheMaxMemoryBytes,
    INFLUXDB_DATA_MAX_SERIES_PER_DATABASE: all.maxSeriesPerDatabase,
    INFLUXDB_DATA_QUERY_LOG_ENABLED: false,
    INFLUXDB_COORDINATOR_WRITE_TIMEOUT: seconds(all.writeTimeoutSeconds),
    INFLUXDB_COORDINATOR_MAX_CONCURRENT_QUERIES: all.maxConcurrentQueries,
    INFLUXDB_COORDINATOR_QUERY_TIMEOUT: seconds(all.queryTimeoutSeconds),
    INFLUXDB_COORDINATOR_LOG_QUERIES_AFTER: seconds(all.logQueriesAfterSeconds),
    INFLUXDB_COORDINATOR_MAX_SELECT_POINT: all.maxSelectPoints,
    INFLUXDB_COORDINATOR_MAX_SELECT_SERIES: all.maxSelectSeries,
    INFLUXDB_COORDINATOR_MAX_SELECT_BUCKETS: all.maxSelectBuckets,
    INFLUXDB_HTTP_AUTH_ENABLED: true,
    INFLUXDB_HTTP_FLUX_ENABLED: true,
    INFLUXDB_HTTP_MAX_ROW_LIMIT: 0,
    INFLUXDB_HTTP_LOG_ENABLED: false,
    INFLUXDB_MONITOR_STORE_ENABLED: false,
    INFLUXDB_CONTINUOUS_QUERIES_ENABLED: false,
    ...(edition === "enterprise"
      ? {
          INFLUXDB_HINTED_HANDOFF_DIR: `${dataFolder}/hh`,
          INFLUXDB_HINTED_HANDOFF_MAX_SIZE: all.hintedHandoffMaxBytes,
          INFLUXDB_ANTI_ENTROPY_ENABLED: all.antiEntropy,
        }
      : {}),
  };
}

function env2(all: InfluxdbSettings): Record<string, EnvValue> {
  return {
    INFLUXD_BOLT_PATH: `${dataFolder}/influxd.bolt`,
    INFLUXD_SQLITE_PATH: `${dataFolder}/influxd.sqlite`,
    INFLUXD_ENGINE_PATH: `${dataFolder}/engine`,
    INFLUXD_REPORTING_DISABLED: true,
    INFLUXD_LOG_LEVEL: "info",
    INFLUXD_STORAGE_WAL_FSYNC_DELAY: `${all.walFsyncDelayMs}ms`,
    INFLUXD_STORAGE_CACHE_MAX_MEMORY_SIZE: all.cacheMaxMemoryBytes,
    INFLUXD_STORAGE_WRITE_TIMEOUT: seconds(all.writeTimeoutSeconds),
    INFLUXD_QUERY_CONCURRENCY: all.maxConcurrentQueries,
    INFLUXD_QUERY_QUEUE_SIZE: 1024,
    INFLUXD_INFLUXQL_MAX_SELECT_POINT: all.maxSelectPoints,
    INFLUXD_INFLUXQL_MAX_SELECT_SERIES: all.maxSelectSeries,
    INFLUXD_INFLUXQL_MAX_SELECT_BUCKETS: all.maxSelectBuckets,
  };
}
