import { execFile } from "node:child_process";
import { S3Client } from "@aws-sdk/client-s3";
import { type CephEndpoint, type EmbargoConfig, imageOf, type StackConfig } from "../../components/config";
import type { StackOutputs } from "../../components/outputs";
import { pythonRegexp } from "../../workloads/src/lib/pythonRegexp";
import type { Bucket } from "../camera";
import { CommandError } from "../exit";
import { kubectl } from "../kubectl";
import { makeCanary } from "./canary";
import { forward } from "./tunnel";
import type { Place } from "./place";

/** What of the stack's outputs is needed here; a stack that was never brought up has none. */
type Outputs = Partial<Pick<StackOutputs, "embargo">>;

/** Longest time for the CLI to read a stack's outputs, ms. */
const outputsMs = 60_000;

/** Why a canary cannot be sent through an environment; `undefined` when it can. */
export function obstacle(embargo: EmbargoConfig, name: string): string | undefined {
  const settings = embargo.environments[name]!;
  if (imageOf("ingest", settings, embargo) === "upstream") {
    return "its ingest is upstream's image, which knows no canaries; switch ingest.image to usdf first";
  }
  const path = pathOf(embargo, name);
  if (path.includes("rubinobs-lfa-")) return "a bucket of the Large File Annex holds no exposures";
  const { datasetRegexp } = settings.enqueue;
  const object = makeCanary(path, 1).object.path;
  if (datasetRegexp !== undefined && !pythonRegexp(datasetRegexp).test(object)) {
    return `its datasetRegexp ${datasetRegexp} does not take ${object}`;
  }
  return undefined;
}

function pathOf(embargo: EmbargoConfig, name: string): string {
  const { bucket, profile } = embargo.environments[name]!;
  return profile === undefined ? bucket : `${profile}@${bucket}`;
}

/** Outputs of a stack, as the Pulumi CLI of this shell reads them. */
export function stackOutputs(stack: string, folder: string): Promise<Outputs> {
  const args = ["stack", "output", "--json", "--stack", stack, "--cwd", folder, "--non-interactive"];
  return new Promise((resolve, reject) => {
    execFile("pulumi", args, { timeout: outputsMs, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      if (!error) return resolve(JSON.parse(stdout) as Outputs);
      const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
      const reason = isMissing
        ? "pulumi is not on the PATH"
        : stderr.trim().split("\n")[0] || error.message.split("\n")[0];
      reject(new CommandError(`The outputs of stack ${stack} cannot be read (pulumi stack output): ${reason}`));
    });
  });
}

/** The Deployment of ingest, as far as it is read: it says which Redis and password the environment uses. */
interface Deployment {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly Container[] } } };
}
interface Container {
  readonly image: string;
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string; readonly key: string } };
  }[];
}

/**
 * An environment that runs on a cluster: Redis through a tunnel of kubectl, its password read into memory, the bucket with the
 * keys of its owner, presence at the address of the stack's outputs.
 */
export async function clusterPlace(
  { embargo, ceph }: StackConfig,
  name: string,
  outputs: Outputs,
  given: { readonly bucket?: Omit<Bucket, "name"> },
): Promise<Place> {
  const settings = embargo!.environments[name]!;
  const context = (settings.kubeContext ?? embargo!.kubeContext)!;
  const namespace = settings.namespace ?? name;
  const cluster = { context, namespace };
  const get = async (kind: string, object: string): Promise<unknown> =>
    JSON.parse(await kubectl(cluster, "get", `${kind}/${object}`, "--output=json"));
  const bucketName = settings.bucket;
  const bucket = { ...(given.bucket ?? (await ownersAccess(ceph.endpoints, name, bucketName))), name: bucketName };
  const deployment = `${settings.namePrefix}-${settings.ingest.name}`;
  const [container] = ((await get("deployment", deployment)) as Deployment).spec.template.spec.containers;
  if (/\/embargo-butler-ingest[:@]/.test(container!.image)) {
    throw new CommandError(
      `${deployment} still runs ${container!.image}, which knows no canaries: run pulumi up for this stack first.`,
    );
  }
  const variable = (wanted: string) => container!.env?.find((one) => one.name === wanted);
  const secret = variable("REDIS_PASSWORD")?.valueFrom?.secretKeyRef;
  const service = variable("REDIS_HOST")?.value?.split(".")[0];
  if (secret === undefined || service === undefined) {
    throw new CommandError(`${deployment} has no REDIS_HOST, or no REDIS_PASSWORD from a Secret.`);
  }
  const { data } = (await get("secret", secret.name)) as { data?: Record<string, string> };
  const password = Buffer.from(data?.[secret.key] ?? "", "base64").toString("utf8");
  const found = outputs.embargo?.[name];
  if (settings.presence !== undefined && found?.presenceUrl === undefined) {
    throw new CommandError(`The outputs of the stack name no presence of ${name}: run pulumi up for this stack first.`);
  }
  const tunnel = await forward(cluster, service, Number(variable("REDIS_PORT")?.value ?? 6379));
  return {
    environment: name,
    bucket,
    path: pathOf(embargo!, name),
    redis: { host: tunnel.host, port: tunnel.port, password },
    enqueueUrl: settings.enqueue.kafka === undefined ? found?.enqueueUrl : undefined,
    presenceUrl: settings.presence && found?.presenceUrl,
    logCommand: (component) => {
      const part = component === "ingest" ? settings.ingest.name : component;
      return `kubectl --context ${context} -n ${namespace} logs deployment/${settings.namePrefix}-${part}`;
    },
    close: () => tunnel.close(),
  };
}

/** The gateway that notifies the environment of its bucket, with the keys of the bucket's owner in the AWS profile or shell. */
async function ownersAccess(
  endpoints: Readonly<Record<string, CephEndpoint>>,
  environment: string,
  bucket: string,
): Promise<Omit<Bucket, "name">> {
  const key = bucket.slice(bucket.indexOf(":") + 1); // configured without tenant
  const endpoint = Object.values(endpoints).find(({ buckets, topics }) =>
    Object.values(buckets[key]?.notifications ?? {}).some(
      ({ topic }) => topic !== undefined && topics[topic]?.to?.environment === environment,
    ),
  );
  if (endpoint === undefined) {
    throw new CommandError(
      `No endpoint of usdf:ceph notifies ${environment} of bucket ${bucket}. Name the gateway with --endpoint or --profile.`,
    );
  }
  const profile = endpoint.buckets[key]?.profile ?? endpoint.profile;
  const client = new S3Client({ region: "default", ...(profile === undefined ? {} : { profile }) });
  try {
    const { accessKeyId, secretAccessKey } = await client.config.credentials();
    return { endpoint: endpoint.url, accessKey: accessKeyId, secretKey: secretAccessKey };
  } catch (cause) {
    const where = profile === undefined ? "the shell or the default AWS profile" : `AWS profile ${profile}`;
    throw new CommandError(`There are no keys for bucket ${bucket} in ${where}: ${(cause as Error).message}`);
  } finally {
    client.destroy();
  }
}
