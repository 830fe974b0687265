import { loadStackConfig, type StackConfigError } from "../../components/config";
import { readStackYaml } from "../../local/record";
import { desiredGrantsSchema } from "../../workloads/src/database-grants/contract";
import { recorded } from "../support/recorded";
import { envOf, Objects } from "./objects";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, looked into field by field */

const services = ["hsc_prompt", "latiss_prompt", "lsstcam_prompt"];
let objects: Objects;
beforeAll(async () => {
  objects = new Objects(await recorded("dev"), "database");
});

describe("databases of dev", () => {
  it("are the server of today", () => {
    const { spec } = objects.find("Cluster", "prompt-processing");
    expect(spec).toMatchObject({
      imageName: "ghcr.io/lsst-sqre/cnpg-postgres-images:17.5",
      instances: 2,
      primaryUpdateStrategy: "unsupervised",
      enablePDB: true,
      enableSuperuserAccess: false,
      bootstrap: { initdb: { database: "lsst-devl", owner: "rubin", encoding: "UTF8", localeCollate: "C", localeCType: "C" } }, // prettier-ignore
      resources: { requests: { cpu: "8", memory: "16Gi" }, limits: { cpu: "16", memory: "32Gi" } },
      storage: { size: "1500Gi", storageClass: "wekafs--sdf-k8s01", resizeInUseVolumes: false },
      monitoring: { enablePodMonitor: true },
    });
    expect(spec.postgresql.parameters).toMatchObject({
      jit: "on",
      shared_buffers: "8GB",
      max_connections: "3000",
      "pg_stat_statements.max": "10000",
      "pg_stat_statements.track": "all",
      idle_in_transaction_session_timeout: "14400000ms",
      transaction_timeout: "14400000ms",
    });
  });

  it("have their roles and both databases, each with its owner", () => {
    const { roles } = objects.find("Cluster", "prompt-processing").spec.managed;
    expect(roles.map(({ name }: any) => name).sort()).toEqual(["rubin", "pp", ...services].sort());
    for (const { name, login, superuser, passwordSecret } of roles) {
      expect([name, login, superuser ?? false]).toEqual([name, true, false]);
      const { data, target } = objects.find("ExternalSecret", passwordSecret.name).spec;
      const { type, metadata } = target.template;
      expect([type, metadata.labels]).toEqual(["kubernetes.io/basic-auth", { "cnpg.io/reload": "true" }]);
      expect(data.map(({ secretKey }: any) => secretKey)).toEqual(["username", "password"]);
    }
    expect(objects.find("ExternalSecret", "postgres-rubin").spec.data[0].remoteRef.key).toBe(
      "secret/rubin/usdf-prompt-processing-dev/postgres",
    );
    const owners = objects.names("Database").map((name) => {
      const { spec } = objects.find("Database", name);
      return [spec.name, spec.owner, spec.databaseReclaimPolicy];
    });
    expect(owners).toEqual([
      ["lsst-devl", "rubin", "retain"],
      ["ppcentralbutler", "pp", "retain"],
    ]);
  });

  it("are backed up where they are today", () => {
    const store = objects.find("ObjectStore", "prompt-processing-s3-store").spec;
    expect(store.retentionPolicy).toBe("15d");
    expect(store.configuration).toMatchObject({
      destinationPath: "s3://rubin-usdf-apdb-dev",
      endpointURL: "https://s3dfrgw.slac.stanford.edu",
      wal: { compression: "gzip", maxParallel: 8 },
      data: { compression: "gzip", jobs: 4 },
    });
    expect(objects.find("ScheduledBackup", "prompt-processing-backup").spec).toMatchObject({
      schedule: "0 0 0 * * *",
      immediate: true,
      method: "plugin",
      cluster: { name: "prompt-processing" },
    });
    expect(objects.find("Cluster", "prompt-processing").spec.plugins).toEqual([
      {
        name: "barman-cloud.cloudnative-pg.io",
        isWALArchiver: true,
        parameters: { barmanObjectName: "prompt-processing-s3-store" },
      },
    ]);
  });

  it.each([
    ["session-rw", "session", "3000", "0", "172.24.10.45"],
    ["trans-rw", "transaction", "4000", "60", "172.24.10.46"],
  ])("pooler %s keeps its pods apart and its pool bounded", (name, mode, clients, idle, address) => {
    const { spec } = objects.find("Pooler", name);
    expect(spec).toMatchObject({ instances: 3, type: "rw", cluster: { name: "prompt-processing" } });
    const { poolMode, parameters } = spec.pgbouncer;
    expect([poolMode, parameters.max_client_conn, parameters.server_idle_timeout]).toEqual([mode, clients, idle]);
    expect(parameters.max_db_connections).toBe(parameters.default_pool_size);
    const { podAntiAffinity } = spec.template.spec.affinity;
    const [term] = podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    expect(term.labelSelector.matchLabels).toEqual({ "cnpg.io/poolerName": name });
    expect(spec.serviceTemplate.metadata.annotations["metallb.io/loadBalancerIPs"]).toBe(address);
  });

  it("open to the server no more connections than it takes", () => {
    const { max_connections: most } = objects.find("Cluster", "prompt-processing").spec.postgresql.parameters;
    const pools = objects.names("Pooler").map((name) => objects.find("Pooler", name).spec);
    const databases = objects.names("Database").length;
    const open = pools.reduce((sum, { instances, pgbouncer }) => {
      return sum + instances * Number(pgbouncer.parameters.max_db_connections) * databases;
    }, 0);
    expect(open).toBeGreaterThan(2000);
    expect(open).toBeLessThan(Number(most));
  });

  it("let in the allow list only, and no node port", () => {
    const { services: more } = objects.find("Cluster", "prompt-processing").spec.managed;
    const balancers = [
      more.additional[0].serviceTemplate.spec,
      ...objects.names("Pooler").map((name) => objects.find("Pooler", name).spec.serviceTemplate.spec),
    ];
    for (const spec of balancers) {
      expect(spec).toMatchObject({ type: "LoadBalancer", allocateLoadBalancerNodePorts: false });
      expect(spec.loadBalancerSourceRanges).toEqual(["134.79.0.0/16", "172.24.0.0/16"]);
    }
    const { ingress } = objects.find("NetworkPolicy", "prompt-processing").spec;
    const clients = ingress.filter(({ from }: any) => from.some(({ ipBlock }: any) => ipBlock));
    expect(clients.map(({ ports }: any) => ports)).toEqual([[{ protocol: "TCP", port: 5432 }]]);
  });

  it("have rights as declared, mended by a job that knows the owners' passwords only", () => {
    const job = objects.find("CronJob", "database-grants");
    const { DESIRED_GRANTS, ...env } = envOf(job);
    expect(env).toMatchObject({
      DATABASE_HOST: "prompt-processing-rw",
      DATABASE_PASSWORD_rubin: "secret/postgres-rubin/password",
      DATABASE_PASSWORD_pp: "secret/postgres-pp/password",
    });
    expect(Object.keys(env).filter((name) => name.startsWith("DATABASE_PASSWORD_"))).toHaveLength(2);
    const { roles, databases } = desiredGrantsSchema.parse(JSON.parse(DESIRED_GRANTS!));
    expect(roles).toEqual(expect.arrayContaining(services));
    const registry = databases.find(({ name }) => name === "ppcentralbutler")!.schemas[0]!;
    expect(registry.tables[0]).toEqual({ names: "*", to: services, privileges: ["SELECT", "UPDATE"] });
    expect(registry.sequences).toEqual([
      { names: "collection_seq_collection_id", to: services, privileges: ["SELECT", "USAGE"] },
    ]);
    const apdb = databases.find(({ name }) => name === "lsst-devl")!;
    expect(apdb.schemas.map(({ names, grants }) => [names, grants.flatMap(({ to }) => to)])).toEqual([
      ["pp_apdb_hsc*", ["hsc_prompt"]],
      ["pp_apdb_latiss*", ["latiss_prompt"]],
      ["pp_apdb_lsstcam*", ["lsstcam_prompt"]],
    ]);
    const [ca] = job.spec.jobTemplate.spec.template.spec.volumes;
    expect(ca.secret).toMatchObject({ secretName: "prompt-processing-ca", items: [{ key: "ca.crt", path: "ca.crt" }] });
  });

  it("are none in prod, as today", async () => {
    const { resources } = await recorded("prod");
    expect(resources.filter(({ type }) => type.includes("postgresql.cnpg.io"))).toEqual([]);
  });
});

describe("databases that contradict themselves are refused", () => {
  const at = "usdf:prompt.environments.usdfdev-prompt-processing.databases";
  const grant = (to: string) => ({ databases: { "lsst-devl": { owner: "rubin", grants: [{ to: [to], privileges: ["CONNECT"] }] } } }); // prettier-ignore
  it.each([
    [
      "pools above the server's connections",
      { poolers: { p: { mode: "session", poolSize: 2500, maxClients: 3000 } } },
      `${at}.poolers open up to 15000 connections (p 3 × 2500 × 2 databases), more than maxConnections 3000 less 20 that stay free. Make poolSize smaller, or maxConnections larger.`,
    ],
    ["a right of nobody", grant("ghost"), `${at}.databases.lsst-devl gives rights to "ghost", none of roles.`],
    ["a right of the owner", grant("rubin"), `${at}.databases.lsst-devl gives rights to "rubin", its owner, which has them all.`], // prettier-ignore
    ["no backup and no reason", { backup: undefined }, `${at}.backup is missing: say where backups go, or why there are none (backupWaiver); not both.`], // prettier-ignore
    ["balancers for everyone", { allow: [] }, `${at}.allow is empty: name the networks that reach its load balancers.`],
    ["a setting that has its place", { parameters: { max_connections: "9" } }, `${at}.parameters.max_connections is set elsewhere. Set maxConnections instead.`], // prettier-ignore
  ])("%s", (_what, change, fault) => {
    const { config } = readStackYaml("dev") as any;
    const prompt = structuredClone(config["usdf:prompt"]);
    Object.assign(prompt.environments["usdfdev-prompt-processing"].databases, change);
    let faults: readonly string[] = [];
    try {
      loadStackConfig({ prompt });
    } catch (error) {
      faults = (error as StackConfigError).faults;
    }
    expect(faults).toEqual([fault]);
  });
});
