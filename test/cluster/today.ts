/** Environments as they are today, see today/README.md: their images, and the stack that declares them. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tool } from "../support/cluster";

const upstream = "ghcr.io/lsst-dm/embargo-butler-";
const tags = [
  ...["redis:7.0.15", "enqueue:1.2.1", "ingest:1.2.1", "idle:1.2.1"],
  ...["enqueue:1.6.1", "ingest:1.6.1", "idle:1.3.3", "presence:1.3.3"],
].map((tag) => (tag.startsWith("redis:") ? tag : upstream + tag));

/** Archive with every image that today's environments name: all the same Redis, which upstream's run on port 8000. */
export function imagesOfToday(dir: string): string {
  const one = join(dir, "one.tar");
  const bins = ["redis-server", "redis-cli", "sed", "grep", "hostname", "chmod"].flatMap((bin) => ["--bin", bin]);
  const entrypoint = ["redis-server", "--port", "8000", "--protected-mode", "no", "--save", ""];
  const options = ["--tools", "--user", "999:redis", "--entrypoint", JSON.stringify(entrypoint)];
  execFileSync(tool("host-image"), [one, tags[0]!, ...bins, ...options], { stdio: "ignore" });
  const files = join(dir, "images");
  mkdirSync(files);
  execFileSync("tar", ["-xf", one, "-C", files]);
  /* eslint-disable @typescript-eslint/no-explicit-any -- what a docker-archive holds, looked into field by field */
  const change = (file: string, by: (content: any) => void): any => {
    const path = join(files, file);
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    by(content);
    writeFileSync(path, JSON.stringify(content));
    return content;
  };
  /* eslint-enable @typescript-eslint/no-explicit-any */
  const [{ Config: config }] = change("manifest.json", ([image]) => (image.RepoTags = tags));
  change(config, (image) => (image.config.WorkingDir = "/data")); // where Redis writes, as in its own image
  const all = join(dir, "all.tar");
  execFileSync("tar", ["-cf", all, "-C", files, "."]);
  return all;
}

/** What a node of a test has room for. */
const small = { requests: { cpu: "20m", memory: "32Mi" }, limits: { cpu: "50m", memory: "64Mi" } };
const redis = { tag: "7.0.15", maxMemoryMi: 64, storageClass: "standard", requests: { cpu: "20m", memory: "64Mi" } };

/** Environment `lfa` as `today/keys` has it. */
export const keys = {
  site: "summit",
  image: "upstream",
  adopting: true,
  bucket: "rubinobs-lfa-cp",
  butlerRepo: "/sdf/group/rubin/repo/main/",
  enqueue: { upstreamTag: "1.2.1", ...small, service: { pool: "sdf-rubin-ingest", address: "172.24.10.41" } },
  ingest: {
    name: "ingest-lfa",
    upstreamTag: "1.2.1",
    ...small,
    volumes: { "sdf-group-rubin": { mountPath: "/sdf/group/rubin", storageClass: "standard" } },
    rucio: {
      ...{ rse: "USDF_STS_DISK", dtn: "davs://dtn.example.org/", scope: "raw" },
      ...{ account: "register_service", host: "https://rucio.example.org" },
    },
  },
  idle: { upstreamTag: "1.2.1", ...small },
  redis,
};

/** Environment `summit-new` as `today/profile` has it. */
export const profile = {
  site: "summit",
  image: "upstream",
  adopting: true,
  bucket: "rubin-summit",
  profile: "embargo",
  butlerRepo: "s3://embargo@rubin-summit-users/butler.yaml",
  enqueue: {
    upstreamTag: "1.6.1",
    ...small,
    datasetRegexp: "\\.fits$",
    kafka: { cluster: "172.24.10.54:9094", topic: "rubin-summit-notification-8" },
  },
  ingest: { upstreamTag: "1.6.1", ...small, replicas: 2, maxIngests: 50 },
  idle: { upstreamTag: "1.3.3", ...small },
  presence: { upstreamTag: "1.3.3", ...small, service: { address: "172.24.5.158" } },
  redis: { ...redis, service: { pool: "sdf-rubin-ingest", address: "172.24.10.94" } },
};

const dmz = "secret/rubin/usdf-embargo-dmz";

/** Values of the secrets, the ones that the overlays have. */
export const secrets = {
  [`${dmz}/lfa#redis`]: "of-today",
  [`${dmz}/lfa#notification`]: "a-notification-secret",
  [`${dmz}/lfa#register_svc_rsa`]: "a-key",
  "secret/rubin/embargo/read/rubin-summit-users#access_key": "an-access-key",
  "secret/rubin/embargo/read/rubin-summit-users#secret_key": "a-secret-key",
  "secret/rubin/usdf-butler/client-config#db-auth.yaml": "- url: postgresql://db",
  "secret/rubin/usdf-butler/postgres#username": "u",
  "secret/rubin/usdf-butler/postgres#password": "p",
  [`${dmz}/summit-new#redis`]: "of-today",
  [`${dmz}/summit-new#profile`]: "https://access:secret@sdfembs3.sdf.slac.stanford.edu",
  [`${dmz}/summit-new#db-auth.yaml`]: "- url: postgresql://db",
};
