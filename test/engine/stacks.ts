import { readStackYaml } from "../../local/record";
import { without } from "../support/without";

/** Configuration of a stack, by full key, as `Pulumi.<stack>.yaml` has it under `config`. */
export type Config = Record<string, unknown>;

/** Name that the control plane's kubeconfig knows it by, for the stack of these tests. */
export const kubeContext = "local";

/** Secret that the test's gateway hands out with each notification. */
export const notificationSecret = "notification-secret-of-the-engine-test";

/**
 * A stack with every component: an environment of our programs (profile, webhook, presence, volume, reconcile, alerts), and
 * one of upstream's (keys, Kafka, Rucio); an instrument of the transformed EFD with a back-fill; a Sasquatch with each kind of
 * sink; prompt processing by our gateway, with its Kafka clusters and databases; a gateway with a topic and a notification to
 * each, and one to elsewhere.
 * @param gateway - URL of the gateway; its bucket `engine-raw` must be there.
 * @param secrets - Who brings the secrets.
 */
export function everything(gateway: string, secrets: "value" | "externalSecret" | "vaultSecret" = "value"): Config {
  const path = "secret/usdf/engine/ours";
  return {
    "usdf:platform": { secrets: { kind: secrets } },
    "usdf:embargo": {
      kubeContext,
      environments: {
        ours: {
          bucket: "engine-raw",
          profile: "engine",
          butlerRepo: "s3://engine@engine-users/butler.yaml",
          secrets: { path },
          enqueue: { upstreamTag: "1.2.1" },
          ingest: {
            upstreamTag: "1.2.1",
            replicas: 2,
            volumes: { "sdf-data": { mountPath: "/sdf/data", storageClass: "sdf-data" } },
          },
          idle: { upstreamTag: "1.2.1" },
          presence: { upstreamTag: "1.2.1" },
          redis: { service: { address: "192.0.2.94" } },
        },
        old: {
          image: "upstream",
          bucket: "engine-old",
          butlerRepo: "s3://engine-old/butler-ingest.yaml",
          secrets: { path: "secret/usdf/engine/old" },
          enqueue: { upstreamTag: "0.99", kafka: { cluster: "192.0.2.54:9094", topic: "engine-old" } },
          ingest: {
            upstreamTag: "0.99.2",
            rucio: { rse: "R", dtn: "davs://h/", scope: "raw", account: "a", host: "https://rucio" },
          },
          idle: { upstreamTag: "0.99" },
        },
      },
    },
    "usdf:efd": {
      kubeContext,
      secrets: { path: "secret/usdf/engine/efd" },
      environments: {
        "engine-lsstcam": {
          instrument: "LSSTCam",
          backfills: { march: { start: "2026-03-01T00:00:00", end: "2026-04-01T00:00:00", workers: 4 } },
        },
      },
    },
    "usdf:sasquatch": {
      clients: {
        // A client for each way to a bucket or a store.
        "engine.json": client("engine.json", { format: "json", sink: "telegraf" }),
        "engine.connect": client("engine.connect", {
          sink: "influxdb-sink",
          kafkaTopics: [{ name: "engine.connect.One_Topic" }],
          parquet: { bucket: "engine", sink: "s3-sink" },
          jdbc: { url: "jdbc:postgresql://192.0.2.7:5432/engine", user: "engine" },
        }),
      },
      environments: {
        engine: {
          kubeContext,
          namespace: "sasquatch",
          host: "engine.example.org",
          secrets: { path: "secret/usdf/engine/sasquatch" },
          allow: ["192.0.2.0/24"],
          kafka: {
            controllers: { ids: [2] },
            brokers: { kafka: { ids: [0] }, next: { ids: [1], taint: "kafka", nodeSelector: { kafka: "ok" } } },
            leaving: [0],
            replication: 1,
            cruiseControl: true,
            plain: true,
            external: {
              issuer: "engine",
              bootstrap: { host: "bootstrap.example.org", address: "192.0.2.70" },
              brokers: {
                "0": { host: "zero.example.org", address: "192.0.2.71" },
                "1": { host: "one.example.org", address: "192.0.2.72" },
              },
            },
          },
          registry: { replicas: 1, anonymousReads: true },
          rest: { replicas: 1 },
          bridge: {},
          influxdb: { size: "10Gi" },
          mirrors: { summit: { bootstrap: "192.0.2.73:9094" } },
          clients: {
            "engine.json": {},
            "engine.connect": {},
            cp: { from: "summit", parquet: { bucket: "engine" }, aggregate: {} },
          },
        },
      },
    },
    "usdf:prompt": prompt(gateway),
    "usdf:ceph": {
      bucketPolicies: "unmanaged",
      endpoints: {
        engine: {
          url: gateway,
          profile: "engine",
          buckets: {
            "engine-raw": {
              policy: [{ name: "read", to: ["reader"], right: "reader" }],
              notifications: {
                "engine-to-http": { topic: "engine-ours", suffix: ".fits" },
                "engine-to-kafka": { topic: "engine-old", prefix: "raw/" },
                "engine-elsewhere": { topic: "engine-elsewhere" },
              },
            },
          },
          topics: {
            "engine-ours": { to: { environment: "ours" }, maxRetries: 3 },
            "engine-old": { to: { environment: "old" } },
            "engine-elsewhere": {
              pushEndpoint: "http://192.0.2.80:8080/notify",
              opaqueDataFrom: { path, field: "elsewhere" },
              persistent: false,
            },
          },
        },
      },
    },
  };
}

/** The part of {@link everything} that most tests need: less is made, looked at and taken away. */
export function withoutLarge(config: Config): Config {
  const { "usdf:sasquatch": _, "usdf:prompt": __, "usdf:efd": ___, ...others } = config;
  return others;
}

/** Prompt processing with each kind of object that it can have, but for a service by Knative, whose kinds are not here. */
function prompt(gateway: string): object {
  const kafka = {
    cluster: { controllers: { ids: [1] }, brokers: { kafka: { ids: [0] } }, replication: 1 },
    topics: {
      one: { partitions: 2, retentionSeconds: 86_400 },
      "butler-writer": {},
      "butler-writer-ingestion-events": {},
    },
  };
  const user = { reads: ["one"], writes: ["one"] };
  return {
    environments: {
      "engine-prompt": {
        kubeContext,
        host: "prompt.example.org",
        secrets: { prefix: promptPath },
        fanOut: { kafka: "192.0.2.74:9094", username: "prompt-processing", registryUrl: "http://192.0.2.75:8081" },
        services: {
          LATISS: {
            image: { tag: "1.0.0" },
            centralRepo: "s3://engine-users/central_repo",
            apdbConfig: "label:engine",
            s3: { endpointUrl: gateway, imageBucket: "engine-raw", profile: "engine" },
            raws: { topic: "one" },
            pipelines: {
              main: [{ survey: "SURVEY", pipelines: ["ApPipe", "Isr"] }],
              preprocessing: [{ survey: "SURVEY", pipelines: ["Preprocessing"] }],
              unmatchedSurvey: "ignore",
            },
          },
        },
        fileNotifications: kafka,
        outputsKafka: {
          ...kafka,
          users: { "butler-writer-service": user, "prompt-publication-consumer": user },
          writerService: {
            butlerRepository: "s3://engine-users/central_repo",
            outputDatasetLists: "s3://engine-users/publication/",
            s3EndpointUrl: gateway,
          },
          publication: { stateDb: "postgresql://engine@192.0.2.76/promptpub" },
        },
        alertStream: {
          ...kafka,
          namespace: "prompt-alerts",
          users: { broker: { authentication: "tls", reads: "all" } },
        },
        databases: {
          maxConnections: 100,
          roles: { rubin: {}, latiss_prompt: {} },
          databases: {
            "lsst-devl": {
              owner: "rubin",
              grants: [{ to: ["latiss_prompt"], privileges: ["CONNECT"] }],
              schemas: [{ names: "pp_apdb_*", grants: [{ to: ["latiss_prompt"], privileges: ["USAGE"] }] }],
            },
          },
          poolers: { session: { mode: "session", poolSize: 10, maxClients: 100, address: "192.0.2.77" } },
          service: { address: "192.0.2.78" },
          allow: ["192.0.2.0/24"],
          backup: { destination: "s3://engine-backup", endpointUrl: gateway },
        },
      },
    },
  };
}

/** A client of the test, with topics below a namespace of its name. */
const client = (namespace: string, more: object) => ({
  about: "A client of the test",
  topics: { namespace },
  timestamp: { field: "timestamp", unit: "ms" },
  writers: ["rest-proxy", "bridge"],
  ...more,
});

/** Fields of the Sasquatch of {@link everything}. */
const sasquatchFields = [
  ...["cp-writer", "efdreader", "engine", "engine.connect-writer", "engine.json-writer", "influxdb"].map(
    (user) => `${user}-password`,
  ),
  ...["influxdb-token", "s3-access-key-id", "s3-secret-access-key", "summit-replicator-password"],
];

const promptPath = "secret/usdf/engine/prompt";

/** Fields of the prompt processing of {@link everything}, by path below its own. */
const promptFields: Readonly<Record<string, readonly string[]>> = {
  "butler-writer-service": ["db-auth_file", "s3_credentials_file"],
  "next-visit-fan-out": ["kafka_pp_sasl_password"],
  "notification-router": ["s3-profile-engine"],
  "postgres-latiss-prompt": ["password", "username"],
  "postgres-rubin": ["password", "username"],
  "prompt-kafka": ["butler-writer-service-password", "prompt-publication-consumer-password"],
  "prompt-keda-latiss": ["db-auth_file", "s3_credentials_file"],
  "prompt-redis": ["redis-password"],
  "s3-buckets": ["ACCESS_KEY_ID", "ACCESS_SECRET_KEY"],
  "s3-file-notifications": ["rgw-password"],
};

/** Secret values of {@link everything}, by `<path>#<field>`, where the stack itself brings them. */
export const secretValues = {
  "secret/usdf/engine/ours#redis": "redis-password-of-ours",
  "secret/usdf/engine/ours#notification": notificationSecret,
  "secret/usdf/engine/ours#elsewhere": "secret-of-elsewhere",
  "secret/usdf/engine/ours#profile": "https://access:key@192.0.2.1",
  "secret/usdf/engine/ours#db-auth.yaml": "- url: postgresql://192.0.2.2/butler",
  "secret/usdf/engine/efd#consdb-url": "postgresql://usdf:password-of-consdb@192.0.2.3/consdb",
  "secret/usdf/engine/efd#usdf-efd-password": "password-of-the-efd",
  "secret/usdf/engine/efd#butler-embargo-password": "password-of-the-registry",
  "secret/usdf/engine/efd#s3-profile-embargo": "https://access:key-of-embargo@192.0.2.1",
  ...Object.fromEntries(
    sasquatchFields.map((field) => [`secret/usdf/engine/sasquatch#${field}`, `value-of-${field}-of-sasquatch`]),
  ),
  ...Object.fromEntries(
    Object.entries(promptFields).flatMap(([path, fields]) =>
      fields.map((field) => [`${promptPath}/${path}#${field}`, `value-of-${field}-of-${path}`]),
    ),
  ),
  "secret/usdf/engine/old#redis": "redis-password-of-old",
  "secret/usdf/engine/old#register_svc_rsa": "key-of-rucio",
  "secret/rubin/embargo/read/rubin-summit-users#access_key": "access-key-of-old",
  "secret/rubin/embargo/read/rubin-summit-users#secret_key": "secret-key-of-old",
  "secret/rubin/usdf-butler/client-config#db-auth.yaml": "- url: postgresql://192.0.2.2/old",
  "secret/rubin/usdf-butler/postgres#password": "password-of-postgres",
  "secret/rubin/usdf-butler/postgres#username": "user-of-postgres",
};

interface Facility extends Config {
  "usdf:sasquatch"?: { environments: Record<string, object> };
  "usdf:prompt"?: { environments: Record<string, { alertStream?: { namespace?: string } }> };
  "usdf:embargo": { kubeContext?: string; environments: Record<string, { kubeContext?: string }> };
  "usdf:efd": { kubeContext: string };
  "usdf:ceph": { bucketPolicies?: string; endpoints: Record<string, { url: string }> };
}

/**
 * `Pulumi.<stack>.yaml` as it is, but for what no test can have: its gateways are one of the test, and bucket policies, which
 * need the aws plugin, are left out.
 */
export function declared(stack: "dev" | "prod", gateway: string): Facility {
  const config = readStackYaml(stack).config as Facility;
  const { endpoints, ...ceph } = config["usdf:ceph"];
  const ours = Object.fromEntries(Object.entries(endpoints).map(([name, one]) => [name, { ...one, url: gateway }]));
  return { ...config, "usdf:ceph": { ...ceph, bucketPolicies: "unmanaged", endpoints: ours } };
}

/** A system whose environments have namespaces of the same names, each in a cluster of its own: here all clusters are one. */
const leftOut = { dev: ["sasquatch"], prod: ["prompt"] } as const;

/**
 * {@link declared}, as it can be applied to one cluster: of the environments of Sasquatch there is usdfprod, of those of prompt
 * processing usdfdev.
 */
export function facility(stack: "dev" | "prod", gateway: string): Config {
  const config = without(declared(stack, gateway), ...leftOut[stack]);
  for (const name of Object.keys(config["usdf:sasquatch"]?.environments ?? {}))
    if (name !== "usdfprod") delete config["usdf:sasquatch"]!.environments[name];
  for (const { alertStream } of Object.values(config["usdf:prompt"]?.environments ?? {}))
    alertStream!.namespace = "prompt-alerts"; // another cluster's sasquatch
  return config;
}

/** Every kubeContext that a stack names. */
export function contextsOf(stack: "dev" | "prod"): string[] {
  const config = readStackYaml(stack).config as Facility;
  const named = JSON.stringify(config).matchAll(/"kubeContext":"([^"]+)"/g);
  return [...new Set([...named].map(([, name]) => name!))];
}
