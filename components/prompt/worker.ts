import { promptGatewayContract } from "../../workloads/src/prompt-gateway/contract";
import type { PromptEnvironment, ResolvedService } from "../config";
import {
  type Container,
  envVars,
  type EnvValue,
  type Opening,
  type PodUser,
  type Probe,
  program,
  type Resources,
  usdfImage,
  type Volume,
  type VolumeMount,
} from "../platform";
import { redisConnection, toRedis } from "./environment";
import { portsOf } from "./fanOut";
import {
  dbAuthFolder,
  localRepos,
  pipelineVariables,
  s3Folder,
  secretNameOf,
  upstreamVariables,
  visitVariables,
} from "./variables";

/** Pods of a service. */

/** Who the pipelines are on the facility's file systems: lsstsvc1 of rubin_users. */
export const serviceUser: PodUser = { runAsUser: 17951, runAsGroup: 4085 };

/** Claim of the facility's data, which pipelines read. */
export const dataClaim = { name: "sdf-data-rubin", mountPath: "/sdf/data/rubin" } as const;

/** Resources as Kubernetes names them. */
export function resourcesOf({ requests, limits }: Pick<ResolvedService, "requests" | "limits">): Resources {
  const named = ({ cpu, memory, ephemeralStorage }: ResolvedService["requests"]) => ({
    cpu,
    memory,
    ...(ephemeralStorage !== undefined && { "ephemeral-storage": ephemeralStorage }),
  });
  return { requests: named(requests), limits: named(limits) };
}

/** Files that the pipelines need: the facility's data, credentials, a folder for their own repository. */
export function pipelineFiles(service: ResolvedService, image: string, imagePullPolicy: Container["imagePullPolicy"]) {
  const secretName = secretNameOf(service);
  const mounts: VolumeMount[] = [{ name: "tmp-butler", mountPath: localRepos }];
  const volumes: Volume[] = [{ name: "tmp-butler", emptyDir: { sizeLimit: service.cacheSize } }];
  const initContainers: Container[] = [];
  if (service.sdfData) {
    mounts.push({ ...dataClaim, readOnly: true });
    volumes.push({ name: dataClaim.name, persistentVolumeClaim: { claimName: dataClaim.name } });
  }
  if (service.s3.credentials === "file") {
    mounts.push({ name: "s3-credentials", mountPath: s3Folder, readOnly: true });
    volumes.push({
      name: "s3-credentials",
      secret: { secretName, items: [{ key: "s3_credentials_file", path: "credentials" }] },
    });
  }
  if (service.dbAuth) {
    const raw = { name: "db-auth-raw", mountPath: "/secrets-raw", readOnly: true };
    mounts.push({ name: "db-auth", mountPath: dbAuthFolder, readOnly: true });
    volumes.push(
      { name: raw.name, secret: { secretName, items: [{ key: "db-auth_file", path: "db-auth.yaml" }] } },
      { name: "db-auth", emptyDir: { medium: "Memory", sizeLimit: "64Ki" } },
    );
    // The Butler refuses a file of passwords that others can read, which a mounted Secret of a non-root pod is.
    initContainers.push(
      helper("db-auth", image, imagePullPolicy, `umask 077; cp -L /secrets-raw/db-auth.yaml ${dbAuthFolder}/; chmod 0400 ${dbAuthFolder}/db-auth.yaml`, [raw, { name: "db-auth", mountPath: dbAuthFolder }]), // prettier-ignore
    );
  }
  return { mounts, volumes, initContainers };
}

/** A short program before the worker, as the worker's user. */
function helper(
  name: string,
  image: string,
  imagePullPolicy: Container["imagePullPolicy"],
  script: string,
  volumeMounts: VolumeMount[],
): Container {
  return {
    name: `copy-${name}`,
    image,
    imagePullPolicy,
    command: ["sh", "-c", script],
    env: [],
    probes: {},
    resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { cpu: "500m", memory: "256Mi" } },
    volumeMounts,
    metrics: false,
    restricted: true,
    longestStepSeconds: 0,
  };
}

/** Where the gateway and Node are in the container of the pipelines. */
const gatewayFolder = "/usdf";

/** Container, volumes and user of a worker. */
export function workerPod(service: ResolvedService, { expirationSeconds }: PromptEnvironment) {
  const { driver, image, standIn, worker } = service;
  const name = service.fullName.replace(/^prompt-(keda|proto-service)-/, "");
  const pipelineImage = standIn ? usdfImage.workloads : `${image.repository}:${image.tag}`;
  const imagePullPolicy = standIn ? undefined : image.pullPolicy;
  const files = pipelineFiles(service, pipelineImage, imagePullPolicy);
  const http = { name: "http", number: promptGatewayContract.httpPort };
  const common = {
    name,
    image: pipelineImage,
    imagePullPolicy,
    port: http,
    resources: resourcesOf(service),
    metrics: true,
    restricted: true,
    writesRoot: !standIn, // an image of others: it writes beside its code
    longestStepSeconds: worker.timeoutSeconds + worker.graceSeconds, // a visit in hand is finished
  };
  const visits = visitVariables(service, expirationSeconds);
  const told = standIn ? { STAND_IN_COMMITS: `${localRepos}/commits` } : pipelineVariables(service);
  const pipeline = { ...told, ...worker.env };
  if (driver === "upstream") {
    const env = envVars({ ...pipeline, ...visits, ...upstreamVariables(service, redisConnection.REDIS_HOST) });
    const container: Container = { ...common, env, probes: {}, volumeMounts: files.mounts };
    return { container, volumes: files.volumes, initContainers: files.initContainers, user: serviceUser };
  }
  const command = standIn ? ["node", "dist/stand-in-pipeline.js"] : worker.command;
  const gateway = program(promptGatewayContract, {
    image: usdfImage.workloads,
    env: {
      ...redisConnection,
      ...visits,
      PIPELINE_COMMAND: JSON.stringify(command),
      MAX_ATTEMPTS: worker.attempts,
      LEASE_DURATION: worker.leaseSeconds,
    },
    resources: common.resources,
  });
  const container: Container = {
    ...common,
    // The command of our image; in another's its entrypoint stays, which sets up what the pipelines need.
    ...(standIn
      ? { command: gateway.command, workingDir: gateway.workingDir }
      : { args: [`${gatewayFolder}/node`, `${gatewayFolder}/prompt-gateway.js`] }),
    env: [...gateway.env, ...envVars(without(pipeline, gateway.env.map((one) => one.name)))], // prettier-ignore
    probes: { liveness: alive },
    volumeMounts: standIn ? files.mounts : [...files.mounts, { name: "usdf", mountPath: gatewayFolder, readOnly: true }], // prettier-ignore
  };
  const copy = helper("gateway", usdfImage.workloads, undefined, `cp /usr/local/bin/node /app/dist/prompt-gateway.js ${gatewayFolder}/`, [{ name: "usdf", mountPath: gatewayFolder }]); // prettier-ignore
  return {
    container,
    volumes: standIn ? files.volumes : [...files.volumes, { name: "usdf", emptyDir: { sizeLimit: "512Mi" } }],
    initContainers: standIn ? files.initContainers : [...files.initContainers, copy],
    user: standIn ? undefined : serviceUser,
  };
}

/** Seldom asked, since hundreds of workers wait; one that does not answer ends, and another takes its visit over. */
const alive: Probe = {
  httpGet: { path: "/healthz", port: "http", scheme: "HTTP" },
  periodSeconds: 60,
  timeoutSeconds: 10,
  failureThreshold: 3,
};

/** Whom a worker may talk to: Redis, and what its settings name outside the cluster. */
export function workerReaches(service: ResolvedService): Opening[] {
  const { s3, presenceUrl, mpSkyUrl, sattleUrl, sasquatch, alerts, butlerWriter, raws, driver, egressPorts } = service;
  const named = portsOf(
    [s3.endpointUrl, presenceUrl, mpSkyUrl, sattleUrl, sasquatch.url],
    alerts?.server,
    butlerWriter?.server,
    driver === "upstream" ? raws.kafka : undefined,
  );
  const ports = [...new Set([...egressPorts, ...named])].sort((one, other) => one - other);
  return service.standIn ? [toRedis] : [toRedis, { peers: "anyone", ports }];
}

function without(variables: Readonly<Record<string, EnvValue>>, names: readonly string[]): Record<string, EnvValue> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !names.includes(name)));
}
