/**
 * What the eight environments have today, written down from their own deployments and by hand: the test's own truth,
 * which nothing of the program is made from.
 */
const dmz = "secret/rubin/usdf-embargo-dmz";
const shared = {
  s3: { path: "secret/rubin/embargo/read/rubin-summit-users", keys: "s3_access<access_key s3_key<secret_key" },
  dbAuth: "secret/rubin/usdf-butler/client-config",
};
const old = "https://s3dfrgw.slac.stanford.edu";
const lfaRegexp = "(FiberSpectrograph:.*\\.fits$|GenericCamera/.*_\\d{6}\\.fits$)";
const camera = "http://lsstcam-mcm.cp.lsst.org/FITSInfo/rest/webhook/update";
const whole = "1 cpu 2Gi";
const own = (path: string) => ({ path, keys: "profile<profile" });

/* prettier-ignore */
export const table = {
  bts: { stack: "prod", namespace: "bts", context: "usdf-embargo-dmz", prefix: "bts-butler", site: "bts",
    tags: { enqueue: "1.0", ingest: "1.0-d_2024_05_07", idle: "1.0", redis: "7.0.15" }, input: "webhook sdf-services auto",
    regexp: undefined, profile: undefined, replicas: 1, limits: whole, app: "ingest", bucket: "rubin-bts",
    repo: "s3://rubin-bts-users/butler.yaml", endpoint: old, maxIngests: 10, webhook: undefined, always: [],
    redis: "cluster", presence: undefined, secretPath: `${dmz}/bts`, s3: shared.s3, dbAuth: shared.dbAuth },
  lfa: { stack: "prod", namespace: "lfa", context: "usdf-embargo-dmz", prefix: "embargo-butler", site: "summit",
    tags: { enqueue: "1.2.1", ingest: "1.2.1", idle: "1.2.1", redis: "7.0.15" }, input: "webhook sdf-rubin-ingest 172.24.10.41",
    regexp: lfaRegexp, profile: undefined, replicas: 1, limits: "500m cpu 1Gi", app: "ingest-lfa", bucket: "rubinobs-lfa-cp",
    repo: "/sdf/group/rubin/repo/main/", endpoint: old, maxIngests: 10, webhook: undefined, always: [],
    redis: "cluster", presence: undefined, secretPath: `${dmz}/lfa`, s3: { ...shared.s3, path: `${dmz}/lfa` }, dbAuth: shared.dbAuth },
  "pp-dev": { stack: "dev", namespace: "autoingest", context: "usdf-prompt-processing-dev", prefix: "embargo-butler", site: "usdf",
    tags: { enqueue: "1.3.3", ingest: "1.3.3", idle: "1.3.3", presence: "1.3.3", redis: "7.0.15" }, input: "webhook sdf-services 172.24.5.74",
    regexp: "LSSTCam/\\d{8}/\\w*/[\\w.]*\\.fits$", profile: "prompt-processing-dev", replicas: 2, limits: whole, app: "ingest",
    bucket: "prompt-processing-dev@rubin-pp-dev", repo: "s3://prompt-processing-dev@rubin-pp-dev-users/central_repo_2/butler.yaml",
    endpoint: undefined, maxIngests: 10, webhook: undefined, always: ["enqueue", "ingest"],
    redis: "cluster", presence: "sdf-services auto 250m cpu 500Mi", secretPath: "secret/rubin/usdf-prompt-processing-dev/autoingest/pp-dev",
    s3: own("secret/rubin/usdf-prompt-processing-dev/autoingest/pp-dev"), dbAuth: "secret/rubin/usdf-prompt-processing-dev/autoingest/pp-dev" },
  sts: { stack: "prod", namespace: "sts", context: "usdf-embargo-dmz", prefix: "sts-butler", site: "sts",
    tags: { enqueue: "0.99", ingest: "0.99.2-w_2023_49", idle: "0.99", redis: "7.0.8" }, input: "webhook sdf-services auto",
    regexp: undefined, profile: undefined, replicas: 20, limits: whole, app: "ingest", bucket: "rubin-sts",
    repo: "s3://rubin-sts/butler-ingest.yaml", endpoint: old, maxIngests: 10,
    webhook: "https://lsst-camera-dev.slac.stanford.edu/FITSInfo/rest/webhook/update", always: [],
    redis: "cluster", presence: undefined, secretPath: `${dmz}/sts`, s3: shared.s3, dbAuth: shared.dbAuth },
  summit: { stack: "prod", namespace: "summit", context: "usdf-embargo-dmz", prefix: "embargo-butler", site: "summit",
    tags: { enqueue: "1.2.1", ingest: "1.2.1", idle: "1.2.1", presence: "1.2.1", redis: "7.0.15" }, input: "webhook sdf-services auto",
    regexp: undefined, profile: undefined, replicas: 1, limits: whole, app: "ingest", bucket: "rubin-summit",
    repo: "s3://rubin-summit-users/butler.yaml", endpoint: old, maxIngests: 10, webhook: camera, always: [],
    redis: "cluster", presence: "sdf-services auto 250m cpu 100Mi", secretPath: `${dmz}/summit`, s3: shared.s3, dbAuth: shared.dbAuth },
  "summit-new": { stack: "prod", namespace: "summit-new", context: "usdf-embargo-dmz", prefix: "embargo-butler", site: "summit",
    tags: { enqueue: "1.6.1", ingest: "1.6.1", idle: "1.3.3", presence: "1.3.3", redis: "7.4.4" },
    input: "kafka 172.24.10.54:9094 rubin-summit-notification-8 embargo-butler-enqueue-summit",
    regexp: "\\.fits$", profile: "embargo", replicas: 8, limits: whole, app: "ingest", bucket: "embargo@rubin-summit",
    repo: "s3://embargo@rubin-summit-users/butler.yaml", endpoint: undefined, maxIngests: 50, webhook: camera, always: ["enqueue", "ingest"],
    redis: "sdf-rubin-ingest 172.24.10.94", presence: "sdf-services 172.24.5.158 1 cpu 1000Mi", secretPath: `${dmz}/summit-new`,
    s3: own(`${dmz}/summit-new`), dbAuth: `${dmz}/summit-new` },
  test: { stack: "dev", namespace: "test", context: "usdf-embargo-dmz-dev", prefix: "embargo-butler", site: "summit",
    tags: { enqueue: "DM-54533", ingest: "DM-54386", idle: "1.3.3", presence: "1.3.3", redis: "7.4.4" },
    input: "kafka 172.24.10.50:9094 prompt-processing-dev-20260114 embargo-butler-enqueue-dmz-dev",
    regexp: "\\.fits$", profile: "embargo", replicas: 1, limits: whole, app: "ingest", bucket: "embargo@rubin-summit",
    repo: "/butler", endpoint: undefined, maxIngests: 50, webhook: undefined, always: ["enqueue", "ingest"],
    redis: "cluster", presence: "sdf-services auto 1 cpu 1000Mi", secretPath: "secret/rubin/usdf-embargo-dmz-dev/test",
    s3: own("secret/rubin/usdf-embargo-dmz-dev/test"), dbAuth: undefined },
  tts: { stack: "prod", namespace: "tts", context: "usdf-embargo-dmz", prefix: "tts-butler", site: "tts",
    tags: { enqueue: "0.99", ingest: "0.99.2-w_2023_41", idle: "0.99", redis: "7.0.8" }, input: "webhook sdf-services auto",
    regexp: undefined, profile: undefined, replicas: 1, limits: whole, app: "ingest", bucket: "rubin-tts",
    repo: "s3://rubin-tts-users/butler.yaml", endpoint: old, maxIngests: 10, webhook: undefined, always: [],
    redis: "cluster", presence: undefined, secretPath: `${dmz}/tts`, s3: shared.s3, dbAuth: shared.dbAuth },
};

export type Row = (typeof table)[keyof typeof table] & { tags: { presence?: string } };
