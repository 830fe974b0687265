export { ensureButlerPython, findPython, requirementsFile } from "./butler";
export { cacheDir, ensurePrograms, findProgram, installCommand, MissingPrerequisite, type Progress } from "./find";
export { type InfluxdbOptions, type RunningInfluxdb, startInfluxdb, startInfluxdbServer } from "./influxdb";
export { ensureInfluxdb } from "./influxdbBuild";
export { ensureKafka, startKafka, type KafkaOptions, type RunningKafka } from "./kafka";
export {
  ensureMirrorMaker,
  mirrorConnectors,
  type MirrorMakerSpec,
  type RunningMirrorMaker,
  startMirrorMaker,
} from "./mirrorMaker";
export { ensurePostgres, startPostgres, type PostgresOptions, type RunningPostgres } from "./postgres";
export { ensureRedis, redisAnswers, startRedis, type RedisOptions, type RunningRedis } from "./redis";
export { ensureRegistry, registryUrl, type RunningRegistry, startRegistry } from "./registry";
export { ensureRgw, startRgw, type RgwOptions, type RgwUser, type RunningRgw } from "./rgw";
