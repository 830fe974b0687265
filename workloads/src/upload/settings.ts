import { type Camera, cameraNamed, cameras } from "../lib/cameras";
import { ConfigError, type EnvOf, parseEnv } from "../lib/contract";
import { brokerFaults } from "../lib/kafka";
import type { StoreEnv } from "../lib/objectStore";
import { uploadContract } from "./contract";
import { dayPrefix } from "./groupIds";
import { readRepoConfig, type RepoConfig } from "./repoConfig";

/** The environment of upload, read and checked as a whole. */
export interface Settings {
  readonly LOG_CONFIG: string;
  readonly env: EnvOf<typeof uploadContract>;
  readonly camera: Camera;
  /** With SOURCE=repo. */
  readonly repo?: RepoConfig;
  /** Access to a bucket `[profile@]bucket`. */
  storeOf(bucket: string): StoreEnv;
}

/** @throws {@link ConfigError} that lists every fault. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const env = parseEnv(uploadContract, environment);
  const faults: string[] = [];
  const needed = (name: "INSTRUMENT" | "POOL_BUCKET" | "REPO_CONFIG", source: string) => {
    if (env[name] === undefined) faults.push(`${name} is missing: it is needed with SOURCE=${source}`);
  };
  if (env.SOURCE === "pool") for (const name of ["INSTRUMENT", "POOL_BUCKET"] as const) needed(name, "pool");
  else needed("REPO_CONFIG", "repo");
  if (env.REST_PROXY_URL === undefined) {
    if (env.KAFKA_BROKERS.length === 0)
      faults.push("KAFKA_BROKERS is empty: give it and REGISTRY_URL, or REST_PROXY_URL");
    else if (env.REGISTRY_URL === "") faults.push("REGISTRY_URL is empty: it is needed with KAFKA_BROKERS");
    faults.push(...brokerFaults("KAFKA_BROKERS", env.KAFKA_BROKERS));
  } else if (!URL.canParse(env.REST_PROXY_URL)) faults.push(`REST_PROXY_URL="${env.REST_PROXY_URL}" is no URL`);
  let repo: RepoConfig | undefined;
  if (env.SOURCE === "repo" && env.REPO_CONFIG !== undefined) {
    try {
      repo = readRepoConfig(env.REPO_CONFIG);
    } catch (error) {
      faults.push((error as Error).message);
    }
  }
  const name = repo?.instrument ?? env.INSTRUMENT;
  let camera: Camera | undefined;
  if (name !== undefined) {
    try {
      camera = uploadCamera(name);
    } catch (error) {
      faults.push((error as Error).message);
    }
  }
  if (faults.length > 0 || camera === undefined) throw new ConfigError(uploadContract.name, faults);
  const storeOf = (BUCKET: string) => ({ ...env, BUCKET, S3_CONCURRENCY: env.UPLOAD_CONCURRENCY });
  return { LOG_CONFIG: env.LOG_CONFIG, env, camera, repo, storeOf };
}

/** A camera that a tester can play. @throws Error that names those there are. */
export function uploadCamera(name: string): Camera {
  const camera = cameraNamed(name);
  const known = [...cameras.values()].filter(({ family, name: other }) => family === "lsst" || other === "HSC");
  if (!camera)
    throw new Error(`There is no instrument "${name}"; testers play ${known.map((one) => one.name).join(", ")}.`);
  if (camera.family !== "lsst") dayPrefix(camera, "20240101");
  return camera;
}
