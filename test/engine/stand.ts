import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { getNotifications, type RgwAccess, topicProvider } from "../../components/ceph";
import { readStackYaml } from "../../local/record";
import { type RunningRgw, startRgw } from "../../local/services/rgw";
import { testFolder, until } from "../support/network";
import { type Ended, PulumiProject, type PulumiProjectOptions } from "../support/pulumi";
import { TestVault } from "../support/vault";
import { ControlPlane } from "./controlPlane";
import { contextsOf } from "./stacks";

/** The gateway is at the same address each time: it stands in the recorded state. */
const address = "127.77.22.1";
/** Of the gateway's one user. */
export const keys = { accessKeyId: "engine-access", secretAccessKey: "engine-secret-key" };
const buckets = ["engine-raw", "rubin-pp-dev", "rubin-summit", "rubin-sts", "rubinobs-lfa-cp", "moved-raw"];
/** Time without a change after which an up waits, ms. */
const stillMs = 4_000;

/** Everything that stacks need to be applied: an API server, a gateway with their buckets, and Vault. */
export class Stand {
  /** The gateway, by keys. */
  readonly rgw: RgwAccess;

  private constructor(
    readonly dir: string,
    readonly cluster: ControlPlane,
    readonly gateway: RunningRgw,
    readonly vault: TestVault,
    private readonly remove: () => void,
  ) {
    this.rgw = { url: gateway.endpoint, ...keys };
  }

  static async start(): Promise<Stand> {
    const { dir, remove } = testFolder("engine");
    const user = { uid: "engine", accessKey: keys.accessKeyId, secretKey: keys.secretAccessKey };
    const contexts = (["dev", "prod"] as const).flatMap(contextsOf);
    // The cluster last: it starts at once and blocks, while the others wait.
    const [gateway, vault, cluster] = await Promise.all([
      startRgw({ dir: join(dir, "rgw"), address, users: [user] }),
      TestVault.start(),
      new ControlPlane(join(dir, "cluster"), contexts),
    ]);
    const stand = new Stand(dir, cluster, gateway, vault, remove);
    const s3 = new S3Client({ endpoint: gateway.endpoint, region: "default", forcePathStyle: true, credentials: keys });
    for (const Bucket of buckets) await s3.send(new CreateBucketCommand({ Bucket }));
    s3.destroy();
    return stand;
  }

  /** A project in a folder of its own, whose program finds kubeconfig, gateway and Vault as an operator's would. */
  project(stack: string, options: Partial<PulumiProjectOptions> = {}): PulumiProject {
    const credentials = join(this.dir, "credentials");
    const profiles = ["engine", ...(["dev", "prod"] as const).flatMap(profilesOf), "default"];
    const lines = `aws_access_key_id = ${keys.accessKeyId}\naws_secret_access_key = ${keys.secretAccessKey}\n`;
    writeFileSync(credentials, [...new Set(profiles)].map((name) => `[${name}]\n${lines}`).join(""), { mode: 0o600 });
    const dir = options.dir ?? join(this.dir, stack);
    mkdirSync(dir, { recursive: true });
    return new PulumiProject({
      stack,
      ...options,
      dir,
      environment: {
        KUBECONFIG: this.cluster.kubeconfig,
        AWS_SHARED_CREDENTIALS_FILE: credentials,
        VAULT_ADDR: this.vault.address,
        VAULT_TOKEN: this.vault.rootToken,
        ...options.environment,
      },
    });
  }

  /**
   * Starts an up whose pods do not become ready, until {@link ControlPlane.settles} is true again, and stops it while it
   * waits for them: as many steps as the engine takes at a time wait for pods, addresses and volumes.
   * @param namespaces - Of its pods.
   * @param by - SIGKILL ends all that runs; after a SIGINT the engine ends it by itself.
   * @throws Error with what it wrote when it ends before.
   */
  async beginUp(
    project: PulumiProject,
    namespaces: readonly string[],
    by: "SIGKILL" | "SIGINT",
  ): Promise<ReturnType<PulumiProject["begin"]>> {
    this.cluster.settles = false;
    const { environment } = project;
    const { PULUMI_EXPERIMENTAL, PULUMI_SKIP_CHECKPOINTS } = environment;
    // What is killed has a state of each step, as an operator's has; what ends by itself writes it then.
    if (by === "SIGKILL") {
      delete environment.PULUMI_EXPERIMENTAL;
      delete environment.PULUMI_SKIP_CHECKPOINTS;
    }
    // More steps at a time than pods, so that each system begins: a step waits as long as its pods do.
    const up = project.begin("up", "--yes", "--skip-preview", "--parallel", "64");
    Object.assign(environment, { PULUMI_EXPERIMENTAL, PULUMI_SKIP_CHECKPOINTS });
    let done = 0;
    up.cli.stdout!.on("data", (lines: string) => (done += lines.match(/ created \(/g)?.length ?? 0));
    let early: Ended | undefined;
    up.ended.then(
      (ended) => (early = ended),
      () => {}, // whoever awaits it sees why
    );
    let last = "";
    let sinceMs = Date.now();
    // Nothing moves: every step in flight waits. One that is cut off between its object and its entry in the state leaves both apart.
    const waits = async () => {
      if (early !== undefined) return true;
      const pods = (await this.cluster.podsOf(...namespaces)).length;
      const now = `${pods} ${done} ${project.writtenAtMs()}`;
      if (now !== last) [last, sinceMs] = [now, Date.now()];
      return pods >= 3 && Date.now() - sinceMs > stillMs;
    };
    await until("the up to wait for pods", waits).finally(() => {
      if (by === "SIGKILL") project.kill();
      else up.cli.kill(by);
      this.cluster.settles = early !== undefined;
    });
    if (early) throw new Error(`The up ended before its pods waited:\n${early.output}`);
    return up;
  }

  /** Puts secrets into Vault, by `<path>#<field>`. */
  async putSecrets(values: Readonly<Record<string, string>>): Promise<void> {
    const paths = new Map<string, Record<string, string>>();
    for (const [key, value] of Object.entries(values)) {
      const [path, field] = key.split("#") as [string, string];
      paths.set(path, { ...paths.get(path), [field]: value });
    }
    for (const [path, fields] of paths) await this.vault.put(path, fields);
  }

  /** Entries of a bucket's notifications, as `id -> topic`. */
  async notifications(bucket: string): Promise<string[]> {
    const entries = (await getNotifications(this.rgw, bucket)) ?? [];
    return entries.map(({ id, topicArn }) => `${id} -> ${topicArn.split(":").pop()}`).sort();
  }

  /** Makes a topic or changes its receiver, as someone would by hand. */
  async topicByHand(name: string, pushEndpoint: string): Promise<void> {
    await topicProvider.create({ rgw: this.rgw, name, pushEndpoint, persistent: false });
  }

  /** Removes all namespaces that stacks made, and what they left there. */
  async removeNamespaces(): Promise<void> {
    const own = this.cluster.list("namespaces").map(({ metadata }) => metadata.name as string);
    const made = own.filter((name) => name !== "default" && !name.startsWith("kube-"));
    for (const name of made) await this.cluster.call("DELETE", `/api/v1/namespaces/${name}`);
    const left = () => this.cluster.list("namespaces").filter(({ metadata }) => made.includes(metadata.name)).length;
    await until("namespaces to be gone", () => left() === 0, { pollMs: 500, state: left });
  }

  async stop(): Promise<void> {
    this.cluster.down();
    await Promise.all([this.gateway.stop(), this.vault.stop()]);
    this.remove();
  }
}

/** Profiles of the AWS credentials file that a stack names. */
function profilesOf(stack: "dev" | "prod"): string[] {
  const found: string[] = [];
  JSON.stringify(readStackYaml(stack).config["usdf:ceph"], (key, value: unknown) => {
    if (key === "profile" && typeof value === "string") found.push(value);
    return value;
  });
  return found;
}
