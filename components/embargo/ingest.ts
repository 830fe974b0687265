import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { ingestContract } from "../../workloads/src/ingest/contract";
import {
  type Container,
  foreignProgram,
  portOf,
  program,
  usdfImage,
  type Volume,
  type VolumeMount,
  volumeClaim,
  Workload,
} from "../platform";
import {
  dbAuthFolder,
  type Environment,
  identity,
  redisConnection,
  storeConnection,
  toRedis,
  upstreamImage,
} from "./environment";

/** Ingests what the bucket's queue names into the Butler. */
export class Ingest extends pulumi.ComponentResource {
  /** What its pods run. */
  readonly image: string;

  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.name}-ingest`;
    super("usdf:embargo:Ingest", name, {}, opts);
    const { ingest } = environment.settings;
    const { rucio, webhookUri } = ingest;
    const upstream = environment.runs("ingest") === "upstream";
    const image = upstream ? upstreamImage("ingest", ingest.upstreamTag) : usdfImage.ingest;
    this.image = image;
    const imagePullPolicy = upstream ? ingest.imagePullPolicy : undefined;
    const storage = butlerStorage(environment, { image, imagePullPolicy, restricted: !upstream });
    for (const [claim, volume] of Object.entries(ingest.volumes)) {
      const protect = environment.platform.protectData;
      const args = { namespace: environment.namespace, name: claim, volume, protect };
      volumeClaim(`${environment.name}-${claim}`, args, this);
    }
    const rucioConfig = rucio && declareRucioConfig(environment, rucio, this);
    const store = storeConnection(environment);
    const args = {
      image,
      imagePullPolicy,
      resources: ingest,
      env: { ...redisConnection, ...store.env, MAX_INGESTS: ingest.maxIngests, WEBHOOK_URI: webhookUri },
      families: store.families,
      volumeMounts: [...storage.mounts, ...(rucio ? [{ name: "rucio-cfg", mountPath: "/rucio", readOnly: true }] : [])],
    };
    const more = rucio && {
      RUCIO_RSE: rucio.rse,
      RUCIO_DTN: rucio.dtn,
      RUCIO_SCOPE: rucio.scope,
      RUCIO_CONFIG: "/rucio/rucio.cfg",
    };
    const createRepository = upstream && ingest.butlerCreate ? [createButler(environment, image, storage.mounts)] : [];
    new Workload(
      name,
      {
        ...identity(environment, "ingest"),
        run: {
          kind: "Deployment",
          replicas: ingest.replicas,
          // A new pod beside the old one would be a second writer of the SQLite file.
          strategy: ingest.butlerCreate ? "Recreate" : "RollingUpdate",
        },
        container: upstream
          ? foreignProgram(ingestContract, { ...args, serves: false, more })
          : program(ingestContract, args),
        initContainers: [...storage.initContainers, ...createRepository],
        volumes: [...storage.volumes, ...(rucio ? [{ name: "rucio-cfg", configMap: { name: "rucio-cfg" } }] : [])],
        user: { runAsUser: 1000, runAsGroup: ingest.runAsGroup ?? 1000 },
        reaches: [
          toRedis(environment),
          {
            peers: "anyone",
            ports: [
              ...new Set([
                ...ingest.egressPorts,
                ...(webhookUri === undefined ? [] : [portOf(webhookUri)]),
                ...s3Ports(environment),
              ]),
            ],
          },
        ],
        config: rucioConfig,
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}

/** Volumes of pods that open the Butler: the claims of the environment, and db-auth.yaml as the Butler wants it. */
export function butlerStorage(
  { settings }: Environment,
  { image, imagePullPolicy, restricted }: Pick<Container, "image" | "imagePullPolicy" | "restricted">,
): { mounts: VolumeMount[]; volumes: Volume[]; initContainers: Container[] } {
  const { volumes: claims, dbAuth, rucio } = settings.ingest;
  const mounts: VolumeMount[] = Object.entries(claims).map(([name, { mountPath }]) => ({ name, mountPath }));
  const volumes: Volume[] = Object.keys(claims).map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  if (!dbAuth) return { mounts, volumes, initContainers: [] };
  const sources = [
    { name: "db-auth", mountPath: "/secrets-raw", readOnly: true },
    ...(rucio ? [{ name: "rucio-auth", mountPath: "/secrets-rucio", readOnly: true }] : []),
  ];
  // Butler and ssh refuse a key file that a group can read, which a mounted Secret of a non-root pod is.
  const initContainer: Container = {
    name: "fix-secret-permissions",
    image,
    imagePullPolicy,
    command: [
      "sh",
      "-c",
      'target="$1"; shift; for folder; do cp -L "$folder"/* "$target"; done; chmod 0400 "$target"/*',
      "sh",
    ],
    args: ["/secrets", ...sources.map(({ mountPath }) => mountPath)],
    env: [],
    probes: {},
    resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { cpu: "100m", memory: "64Mi" } },
    volumeMounts: [...sources, { name: "secrets", mountPath: "/secrets" }],
    metrics: false,
    restricted,
    longestStepSeconds: 0,
  };
  return {
    mounts: [...mounts, { name: "secrets", mountPath: dbAuthFolder, readOnly: true }],
    volumes: [
      ...volumes,
      ...sources.map(({ name }) => ({ name, secret: { secretName: name } })),
      { name: "secrets", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
    ],
    initContainers: [initContainer],
  };
}

/** ConfigMap of the Rucio client; its text rolls the pods when it changes. */
function declareRucioConfig(
  { name, namespace }: Environment,
  rucio: NonNullable<Environment["settings"]["ingest"]["rucio"]>,
  parent: pulumi.Resource,
): string {
  const text = `[client]
rucio_host = ${rucio.host}
auth_host = ${rucio.host}
auth_type = ssh
account = ${rucio.account}
ssh_private_key = ${dbAuthFolder}/register_svc_rsa
`;
  const metadata = { name: "rucio-cfg", namespace };
  new k8s.core.v1.ConfigMap(`${name}-rucio-cfg`, { metadata, data: { "rucio.cfg": text } }, { parent });
  return text;
}

/** Makes the repository with upstream's image, which does not do it by itself. */
function createButler({ settings }: Environment, image: string, volumeMounts: VolumeMount[]): Container {
  return {
    name: "butler-init",
    image,
    command: ["bash", "-c"],
    args: [
      `source loadLSST.bash && setup lsst_obs || exit 1
repo=${settings.butlerRepo}
[ -e "$repo/butler.yaml" ] && exit 0
butler create "$repo" &&
butler register-instrument "$repo" lsst.obs.lsst.LsstCam &&
butler register-dataset-type "$repo" guider_raw Stamps band instrument day_obs detector group physical_filter exposure`,
    ],
    env: [],
    probes: {},
    resources: { requests: { cpu: "100m", memory: "512Mi" }, limits: { cpu: "1", memory: "2Gi" } },
    volumeMounts,
    metrics: false,
    restricted: false,
    longestStepSeconds: 0,
  };
}

/** Port of the object store of an environment without profile; a profile's is in the secret, see `egressPorts`. */
export function s3Ports({ settings }: Environment): number[] {
  return settings.profile === undefined ? [portOf(settings.s3EndpointUrl)] : [];
}
