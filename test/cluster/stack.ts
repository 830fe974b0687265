/** The embargo system on a real node, as a facility has it: what `pulumi up` made, and what stands around the cluster. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Redis } from "ioredis";
import { type Bucket, sendExposures, type SentExposure } from "../../local/camera";
import { ensureButlerPython, type RunningPostgres, startPostgres } from "../../local/services";
import { createLogger } from "../../workloads/src/lib/log";
import { Closers } from "../../workloads/src/lib/process";
import { bucketState } from "../../workloads/src/lib/queue";
import { redisKey } from "../../workloads/src/lib/redisKeys";
import { prepareRegistry, registryContents } from "../support/butler";
import { startGateway, type TestGateway, testProfile } from "../support/gateway";
import { testFolder, until } from "../support/network";
import { root } from "../support/pod";
import { PulumiProject } from "../support/pulumi";
import { ClusterEfd } from "./efd";
import { loadImages } from "./images";
import type { Node } from "./node";
import { ClusterPrompt, rawBucket } from "./prompt";
import { ClusterSasquatch } from "./sasquatch";
import { serviceRedis } from "./serviceRedis";

/** Environment, and so namespace, of the stack. */
export const environment = "summit";
const bucketName = "rubin-summit";
/** The bucket as Redis names it. */
export const bucketInUse = `${testProfile}@${bucketName}`;
const vaultPath = `secret/rubin/usdf-embargo-dmz/${environment}`;
const butlerRepo = `s3://${testProfile}@rubin-summit-users`;
const passwords = { redis: "cluster-redis", notification: "cluster-notification", postgres: "cluster-postgres" };
const redisTag = "7.4.4";
/** Longest end of what stands around the cluster, ms. */
const closeMs = 100_000;

/** What tests change from one `up` to the next. */
export interface Changes {
  /** Memory limit of enqueue, ingest and presence: another one rolls their pods. */
  readonly memoryLimit: string;
}

/** A cluster with the system in it, an object store and a PostgreSQL beside it on the machine. */
export class EmbargoStack {
  /** What the camera sent. */
  readonly sent: SentExposure[] = [];
  redis!: Redis;
  /** What clients put before `/<instrument>/<group>/<snap>/<detector>`. */
  presenceUrl!: string;

  private constructor(
    readonly node: Node,
    readonly gateway: TestGateway,
    readonly project: PulumiProject,
    readonly efd: ClusterEfd,
    readonly sasquatch: ClusterSasquatch,
    readonly prompt: ClusterPrompt,
    private readonly postgres: RunningPostgres,
    private readonly folder: ReturnType<typeof testFolder>,
    private readonly closers: Closers,
  ) {}

  /** Starts everything but the system itself: {@link up} brings that. What has begun ends when the start fails. */
  static async start(node: Node): Promise<EmbargoStack> {
    const closers = new Closers(createLogger("cluster", "ERROR"));
    try {
      return await EmbargoStack.begin(node, closers);
    } catch (error) {
      await closers.closeAll(closeMs);
      throw error;
    }
  }

  private static async begin(node: Node, closers: Closers): Promise<EmbargoStack> {
    const folder = testFolder("cluster");
    const { dir } = folder;
    const { address } = node;
    const stop = async (starting: Promise<{ stop(): Promise<unknown> }>) => (await starting).stop();
    const images = loadImages(node, join(dir, "images"), redisTag);
    const startingPostgres = startPostgres({
      dir: join(dir, "postgres"),
      address,
      password: passwords.postgres,
      databases: ["embargo", "consdb"],
      networks: [`${address}/32`, podNetwork],
    });
    const startingGateway = startGateway(join(dir, "rgw"), address);
    const [gateway, postgres] = await Promise.all([
      closers.add("gateway", startingGateway, async (starting) => (await starting).rgw.stop()),
      closers.add("postgres", startingPostgres, stop),
      images,
    ]);
    await Promise.all([gateway.createBucket(bucketName), gateway.createBucket("rubin-summit-users")]);
    await prepareRegistry(postgres.url("embargo"));
    const [efd] = await Promise.all([
      closers.add("efd", ClusterEfd.start(dir, address, postgres), stop),
      createButler(gateway, postgres),
    ]);
    const sasquatch = await closers.add("sasquatch", ClusterSasquatch.start(dir, address, efd.influxdb), stop);
    const prompt = new ClusterPrompt(node, sasquatch, await gateway.createBucket(rawBucket), gateway.rgw.endpoint);
    await Promise.all([prompt.prepare(), node.runKeda(dir), node.runCloudNativePg(dir)]);
    const project = await projectOf(dir, node, gateway);
    return new EmbargoStack(node, gateway, project, efd, sasquatch, prompt, postgres, folder, closers);
  }

  /** `pulumi up`; gives the seconds until everything is ready. */
  async up({ memoryLimit }: Changes): Promise<number> {
    const { address } = this.node;
    const limits = { memory: memoryLimit };
    const registry = `postgresql://${address}:${this.postgres.port}/embargo`;
    const topic = `${environment}-notification`;
    const profile = this.gateway.env[`LSST_RESOURCES_S3_PROFILE_${testProfile}`]!;
    const secrets = {
      redis: passwords.redis,
      notification: passwords.notification,
      profile,
      "db-auth.yaml": JSON.stringify([
        { url: registry, username: this.postgres.user, password: this.postgres.password },
      ]),
    };
    this.project.configure({
      "usdf:platform": { secrets: { kind: "value" } },
      "usdf:secrets": {
        ...Object.fromEntries(Object.entries(secrets).map(([field, value]) => [`${vaultPath}#${field}`, value])),
        ...this.efd.secrets(profile),
        ...this.sasquatch.secrets(),
        ...this.prompt.secrets(),
      },
      "usdf:efd": this.efd.config(`${butlerRepo}/butler.yaml`),
      "usdf:sasquatch": this.sasquatch.config(),
      "usdf:prompt": this.prompt.config(),
      "usdf:embargo": {
        kubeContext: "local",
        environments: {
          [environment]: {
            bucket: bucketName,
            profile: testProfile,
            butlerRepo: `${butlerRepo}/butler.yaml`,
            redis: { tag: redisTag, storageClass: "standard" },
            enqueue: { replicas: 2, limits },
            ingest: { replicas: 2, limits, egressPorts: [443, this.postgres.port, 7480] },
            presence: { replicas: 2, limits },
            reconcile: { lookbackDays: 0 }, // the camera's day is long ago
          },
        },
      },
      "usdf:ceph": {
        endpoints: {
          embargo: {
            url: this.gateway.rgw.endpoint,
            topics: { [topic]: { to: { environment } } },
            buckets: { [bucketName]: { notifications: { [topic]: { topic } } } },
          },
        },
      },
    });
    const beganMs = Date.now();
    await this.project.up();
    const seconds = (Date.now() - beganMs) / 1000;
    const { embargo } = (await this.project.outputs()) as { embargo: Record<string, { presenceUrl: string }> };
    this.presenceUrl = embargo[environment]!.presenceUrl;
    this.redis ??= await serviceRedis(this.node, environment, "redis", passwords.redis);
    return seconds;
  }

  /** Plays the camera and remembers what it sent. */
  async send(options: {
    exposures: number;
    detectors?: readonly string[];
    ratePerSecond?: number;
  }): Promise<readonly SentExposure[]> {
    const { exposures } = await sendExposures({
      ...options,
      instrument: "LSSTCam",
      bucket: this.gateway.bucket(bucketName),
      dayObs: "20260603",
      concurrency: 8,
    });
    this.sent.push(...exposures);
    return exposures;
  }

  /** URIs of every file that was sent. */
  get sentUris(): string[] {
    return this.sent.flatMap(({ keys }) => keys.map((key) => `s3://${bucketInUse}/${key}`)).sort();
  }

  /** URIs of the registry's datasets, each as often as it is there. */
  async ingestedUris(): Promise<string[]> {
    return (await registryContents(this.postgres.url("embargo"))).paths.sort();
  }

  /** Waits until everything that was sent is ingested, and no queue holds anything. */
  async settled(timeoutMs = 120_000): Promise<void> {
    const wanted = this.sentUris.length;
    await until(
      `${wanted} files to be ingested and the queues to be empty`,
      async () => {
        const { queued, retrying, followUps, workers } = await bucketState(this.redis, bucketInUse);
        const held = workers.reduce((sum, worker) => sum + worker.held, 0);
        return queued + retrying + followUps + held === 0 && (await this.counted()) >= wanted;
      },
      { timeoutMs, pollMs: 500, state: () => this.state() },
    );
  }

  /** Objects that Redis counts as ingested. */
  async counted(): Promise<number> {
    const days = await this.redis.hgetall(redisKey.ingested(bucketInUse, "LSSTCam"));
    return Object.values(days).reduce((sum, count) => sum + Number(count), 0);
  }

  /** Names of the running pods of a workload, e.g. `ingest`. */
  pods(component: string): string[] {
    return this.node
      .list("pods", environment)
      .filter(({ metadata, status }) => status.phase === "Running" && !metadata.deletionTimestamp)
      .filter(({ metadata }) => metadata.labels["app.kubernetes.io/name"] === component)
      .map(({ metadata }) => metadata.name as string);
  }

  /** Names of all pods, those that end included. */
  async podNames(): Promise<string[]> {
    return (await this.node.podsOf(environment)).map(({ metadata }) => metadata.name as string);
  }

  /** Whether every Deployment has all the pods that it wants, ready. */
  async allReady(): Promise<boolean> {
    const { items } = await this.node.call("GET", `/apis/apps/v1/namespaces/${environment}/deployments`);
    return items.every(
      ({ spec, status }: Deployment) => status.readyReplicas === spec.replicas && status.replicas === spec.replicas,
    );
  }

  kubectl(...args: string[]): string {
    return this.node.kubectl("--namespace", environment, ...args);
  }

  /** For the message of a test that fails: what Redis counts, and how the pods are. */
  async state(): Promise<unknown> {
    const pods = this.node.list("pods", environment).map(({ metadata, status }) => {
      const containers = (status.containerStatuses ?? []).map(({ ready, restartCount, state }: ContainerStatus) =>
        ready ? `ready, ${restartCount} restarts` : state,
      );
      return { pod: metadata.name, phase: status.phase, containers };
    });
    const queues = await bucketState(this.redis, bucketInUse);
    const dead = await this.redis.hgetall(redisKey.dead(bucketInUse));
    return { sent: this.sentUris.length, counted: await this.counted(), queues, dead, pods };
  }

  async stop(): Promise<void> {
    this.redis?.disconnect();
    await this.prompt.stop();
    await this.closers.closeAll(closeMs);
    if (!process.env.KEEP_TEST_FOLDER) this.folder.remove();
  }
}

interface Deployment {
  spec: { replicas: number };
  status: { replicas: number; readyReplicas?: number };
}

interface ContainerStatus {
  ready: boolean;
  restartCount: number;
  state: object;
}

/** Addresses of pods in the node. */
const podNetwork = "10.88.7.0/24";

/** The stack's project, with the rights of the bucket's owner. */
async function projectOf(dir: string, node: Node, gateway: TestGateway): Promise<PulumiProject> {
  const { accessKey, secretKey } = gateway.bucket(bucketName) as Bucket;
  const project = new PulumiProject({
    dir,
    stack: "cluster",
    environment: {
      KUBECONFIG: node.kubeconfig,
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      ...gateway.env,
    },
    meanwhile: () => node.balance(),
  });
  project.init();
  return project;
}

/** Makes the repository, as administrators did long before there was this stack: in the object store, over PostgreSQL. */
async function createButler(gateway: TestGateway, postgres: RunningPostgres): Promise<void> {
  const code = [
    "import os",
    "from lsst.daf.butler import Butler, Config",
    "config = Config()",
    'config["registry", "db"] = os.environ["REGISTRY"]',
    `Butler.makeRepo("${butlerRepo}", config=config)`,
  ];
  await promisify(execFile)(await ensureButlerPython(), ["-c", code.join("\n")], {
    cwd: root,
    env: {
      ...process.env,
      ...gateway.env,
      REGISTRY: `postgresql://${postgres.host}:${postgres.port}/embargo`,
      PGUSER: postgres.user,
      PGPASSWORD: postgres.password,
    },
  });
}
