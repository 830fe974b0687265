import { execFileSync } from "node:child_process";
import { loadStackConfig, type StackConfigError } from "../../components/config";
import { type RecordedStack, readStackYaml, recordStack } from "../../local/record";
import { ensureInfluxdb } from "../../local/services/influxdbBuild";
import { desiredStateSchema } from "../../workloads/src/influxdb-setup/contract";
import { envOf, Objects, podOf } from "./objects";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, looked into field by field */

type Json = Record<string, any>;

/** A stack with one environment of each edition, and all that stands around them. */
const backup = { storageClass: "wekafs", size: "10Ti" };
const common = (name: string, host: string) => ({
  kubeContext: "k",
  namespace: `ns-${name}`,
  host,
  secrets: { path: `secret/rubin/sasquatch/${name}` },
  allow: ["140.252.32.0/23", "140.252.33.0/23", "140.252.90.0/23"],
  chronograf: {},
  clients: { efd: {}, backpack: { retention: "30d" } },
});
const ladder = [
  { every: "1m", retention: "3y" },
  { every: "1h", retention: "infinite" },
];
const environments = (): Json => ({
  base: { ...common("base", "base-lsp.lsst.codes"), influxdb: { edition: "1", backup }, kapacitor: { slack: true } },
  summit: {
    ...common("summit", "summit-lsp.lsst.codes"),
    influxdb: {
      edition: "enterprise",
      nodes: 2,
      hosts: ["yagan15", "yagan16"],
      storageClass: "localdrive",
      standby: { size: "5Ti" },
      settings: { maxConcurrentQueries: 300 },
      backup,
    },
  },
  usdfdev: {
    ...common("usdfdev", "usdf-rsp-dev.slac.stanford.edu"),
    influxdb: { edition: "2", backup },
    storageClasses: { "local-path": {} },
    clients: { efd: { downsample: ladder, deadman: { after: "10m" } }, backpack: { retention: "30d" } },
  },
});

let recorded: RecordedStack;
const of = (name: string) => new Objects(recorded, `ns-${name}`);
beforeAll(async () => {
  const yaml = readStackYaml("prod") as { config: Json };
  const config = { "usdf:platform": yaml.config["usdf:platform"], "usdf:sasquatch": { environments: environments() } };
  recorded = await recordStack("prod", { config: { config } as never });
});

describe("servers", () => {
  it("take their settings by names that the editions know", async () => {
    // An unknown variable is ignored in silence, so the servers themselves say what they made of them.
    const variables = (name: string) => {
      const env = envOf(of(name).find("StatefulSet", "sasquatch-influxdb"));
      return Object.fromEntries(Object.entries(env).filter(([, value]) => !value.startsWith("secret/")));
    };
    const run = (command: string, args: string[], env: Json) =>
      execFileSync(command, args, { env: { HOME: "/nowhere", ...env }, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }); // prettier-ignore
    const one = run("/usr/bin/influxd", ["config"], variables("base"));
    for (const line of [
      'bind-address = ":8088"',
      'dir = "/var/lib/influxdb/data"',
      'wal-dir = "/var/lib/influxdb/wal"',
      'index-version = "tsi1"',
      'wal-fsync-delay = "100ms"',
      "cache-max-memory-size = 0",
      "max-series-per-database = 0",
      'write-timeout = "1m0s"',
      "max-concurrent-queries = 500",
      'query-timeout = "15s"',
      'log-queries-after = "15s"',
      "max-select-point = 0",
      "auth-enabled = true",
    ])
      expect(one.split("\n").map((text) => text.trim())).toContain(line);
    expect(one).toMatch(/\[continuous_queries\]\n {2}log-enabled = \w+\n {2}query-stats-enabled = \w+\n {2}enabled = false|\[continuous_queries\][^[]*\n {2}enabled = false/); // prettier-ignore
    const two = run(await ensureInfluxdb(), ["print-config"], variables("usdfdev")).split("\n");
    for (const line of [
      "bolt-path: /var/lib/influxdb/influxd.bolt",
      "engine-path: /var/lib/influxdb/engine",
      "sqlite-path: /var/lib/influxdb/influxd.sqlite",
      "storage-wal-fsync-delay: 100ms",
      "storage-write-timeout: 1m0s",
      "storage-cache-max-memory-size: 0",
      "query-concurrency: 64",
      "query-queue-size: 1024",
      "reporting-disabled: true",
    ])
      expect(two).toContain(line);
  });

  it("of Enterprise are three meta nodes and apart from each other, on the nodes that are theirs", () => {
    const objects = of("summit");
    const meta = objects.find("StatefulSet", "sasquatch-influxdb-meta");
    const data = objects.find("StatefulSet", "sasquatch-influxdb");
    expect([meta.spec.replicas, data.spec.replicas]).toEqual([3, 2]);
    expect(envOf(data).INFLUXDB_COORDINATOR_MAX_CONCURRENT_QUERIES).toBe("300");
    const { nodeAffinity, podAntiAffinity } = podOf(data).spec.affinity;
    const [term] = nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
    expect(term.matchExpressions).toEqual([
      { key: "kubernetes.io/hostname", operator: "In", values: ["yagan15", "yagan16"] },
    ]);
    expect(podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels).toEqual(
      data.spec.selector.matchLabels,
    );
    // With one pod a budget could only hold up a drain.
    expect(objects.names("PodDisruptionBudget").filter((name) => name.includes("influxdb"))).toEqual([
      "sasquatch-influxdb",
      "sasquatch-influxdb-meta",
      "sasquatch-influxdb-standby-meta",
    ]);
    // The license is a Secret of its own: no pod sees the others' passwords in a volume.
    const secretsMounted = objects
      .names("StatefulSet")
      .flatMap((name) =>
        podOf(objects.find("StatefulSet", name)).spec.volumes.flatMap(({ secret }: Json) => secret?.secretName ?? []),
      );
    expect([...new Set(secretsMounted)].sort()).toEqual([
      "sasquatch-influxdb-license",
      "sasquatch-influxdb-standby-license",
    ]);
    const join = podOf(objects.find("CronJob", "sasquatch-influxdb-setup")).spec.initContainers[0];
    const variable = (name: string) => join.env.find((one: Json) => one.name === name).value;
    expect(variable("DATA_NODES")).toBe(
      "sasquatch-influxdb-0.sasquatch-influxdb-nodes:8088 sasquatch-influxdb-1.sasquatch-influxdb-nodes:8088",
    );
  });

  it("let in pods of the environment, the ingress and Prometheus, and nobody else", () => {
    const { spec } = of("usdfdev").find("NetworkPolicy", "sasquatch-influxdb");
    expect(spec.ingress.every(({ from }: Json) => from.length > 0)).toBe(true);
    const ports = of("base").find("NetworkPolicy", "sasquatch-influxdb").spec.ingress.filter(({ ports: list }: Json) => list[0].port === 8088); // prettier-ignore
    expect(ports[0].from.map(({ podSelector }: Json) => podSelector.matchLabels["app.kubernetes.io/name"])).toEqual([
      "influxdb-backup",
      "influxdb-restore",
    ]);
  });
});

describe("credentials", () => {
  it("of the administrator are the set-up's and the backup's alone", () => {
    for (const name of Object.keys(environments())) {
      const objects = of(name);
      const users = ["Deployment", "StatefulSet", "CronJob"].flatMap((kind) =>
        objects
          .names(kind)
          .filter((one) =>
            Object.values(envOf(objects.find(kind, one))).some((value) => /\/influxdb-(password|token)$/.test(value)),
          ),
      );
      const backups = name === "usdfdev" ? ["sasquatch-influxdb-backup", "sasquatch-influxdb-restore"] : [];
      const setUps = name === "summit" ? ["sasquatch-influxdb-setup", "sasquatch-influxdb-standby-setup"] : ["sasquatch-influxdb-setup"]; // prettier-ignore
      expect(users.sort()).toEqual([...backups, ...setUps].sort());
    }
  });

  it("are made with rights on their own bucket only, and fit what the program reads", () => {
    const env = envOf(of("usdfdev").find("CronJob", "sasquatch-influxdb-setup"));
    const state = desiredStateSchema.parse(JSON.parse(env.DESIRED_STATE!));
    const day = 86_400;
    expect(
      state.buckets.map(({ name, retentionSeconds, shardGroupSeconds }) => [name, retentionSeconds, shardGroupSeconds]),
    ).toEqual([
      ["efd", 0, 7 * day],
      ["efd_1m", 3 * 365 * day, 7 * day],
      ["efd_1h", 0, 7 * day],
      ["lsst.backpack", 30 * day, day],
    ]);
    for (const { name, reads, writes } of state.users) {
      if (name === "efdreader") expect([reads.length > 0, writes]).toEqual([true, []]);
      else expect([reads, writes.length]).toEqual([[], 1]);
      expect(env[`INFLUXDB_PASSWORD_${name}`]).toMatch(/^secret\/sasquatch\//);
    }
    expect(state.rungs).toEqual([
      { from: "efd", to: "efd_1m", everySeconds: 60 },
      { from: "efd_1m", to: "efd_1h", everySeconds: 3600 },
    ]);
    expect(state.deadmen).toEqual([{ bucket: "efd", afterSeconds: 600 }]);
    const kapacitor = JSON.parse(envOf(of("base").find("CronJob", "sasquatch-influxdb-setup")).DESIRED_STATE!).users;
    expect(kapacitor.find(({ name }: Json) => name === "kapacitor")).toMatchObject({ reads: ["efd", "lsst.backpack"], writes: [] }); // prettier-ignore
  });
});

describe("what people reach", () => {
  it("is behind the allow list, merged", () => {
    for (const name of Object.keys(environments())) {
      const shown = of(name).names("Ingress");
      expect(shown).toEqual(expect.arrayContaining(["sasquatch-influxdb", "sasquatch-chronograf"]));
      for (const one of shown)
        expect(
          of(name).find("Ingress", one).metadata.annotations["nginx.ingress.kubernetes.io/whitelist-source-range"],
        ).toBe("140.252.32.0/23,140.252.90.0/23");
    }
  });

  // As the environments of today have it.
  it.each([
    ["usdfdev", "https://usdf-rsp-dev.slac.stanford.edu/", "https://usdf-rsp-dev.slac.stanford.edu/auth/userinfo"],
    ["summit", "https://summit-lsp.lsst.codes", "https://summit-lsp.lsst.codes/auth/openid/userinfo"],
    ["base", "https://base-lsp.lsst.codes", "https://base-lsp.lsst.codes/auth/openid/userinfo"],
  ])("is Chronograf of %s with the login of its host", (name, publicUrl, apiUrl) => {
    const env = envOf(of(name).find("StatefulSet", "sasquatch-chronograf"));
    expect(env).toMatchObject({
      PUBLIC_URL: publicUrl,
      GENERIC_API_URL: apiUrl,
      BASE_PATH: "/chronograf",
      HOST_PAGE_DISABLED: "true",
      INACTIVITY_DURATION: "1h",
      GENERIC_SCOPES: "openid",
      GENERIC_CLIENT_SECRET: "secret/sasquatch/GENERIC_CLIENT_SECRET",
      TOKEN_SECRET: "secret/sasquatch/TOKEN_SECRET",
    });
    expect(env.STATUS_FEED_URL).toMatch(new RegExp(`/jsonfeeds/${name}\\.json$`));
  });
});

it("backups go the way of their edition, and a restore waits for a person", () => {
  for (const [name, tool] of [
    ["base", 'influxd backup -portable -host "$SERVER" "$INCOMING"'],
    ["summit", 'influxd-ctl -bind "$SERVER" backup -strategy full "$INCOMING"'],
    ["usdfdev", undefined],
  ] as const) {
    const cronJob = of(name).find("CronJob", "sasquatch-influxdb-backup");
    const { initContainers, containers } = podOf(cronJob).spec;
    expect(initContainers?.[0].command[2].split("\n").at(-1)).toBe(tool);
    expect(containers[0].env.find((one: Json) => one.name === "MODE").value).toBe("backup");
    if (tool !== undefined) {
      const server = initContainers[0].env.find((one: Json) => one.name === "SERVER").value;
      expect(server).toBe(name === "base" ? "sasquatch-influxdb:8088" : "sasquatch-influxdb-meta-0.sasquatch-influxdb-meta-nodes:8091"); // prettier-ignore
    }
    const restore = of(name).find("CronJob", "sasquatch-influxdb-restore");
    expect([restore.spec.suspend, restore.spec.schedule]).toEqual([true, "0 0 31 2 *"]);
    // A half restore is not begun again by itself.
    expect(restore.spec.jobTemplate.spec.backoffLimit).toBe(0);
    expect(of(name).find("PersistentVolumeClaim", "sasquatch-influxdb-backup").spec.accessModes).toEqual([
      "ReadWriteMany",
    ]);
    const items = name === "base" ? ["chronograf", "influxdb", "kapacitor"] : ["chronograf", "influxdb"];
    expect(
      of(name)
        .names("CronJob")
        .filter((one) => /-(backup|restore)$/.test(one)),
    ).toEqual(items.flatMap((item) => [`sasquatch-${item}-backup`, `sasquatch-${item}-restore`]));
    // Its volume is attached to one node: where Chronograf is.
    const { affinity, volumes } = podOf(of(name).find("CronJob", "sasquatch-chronograf-backup")).spec;
    expect(volumes[1].persistentVolumeClaim.claimName).toBe("data-sasquatch-chronograf-0");
    expect(affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels).toEqual(
      of(name).find("StatefulSet", "sasquatch-chronograf").spec.selector.matchLabels,
    );
  }
});

it("a backup or set-up without success is told of, where there is one", () => {
  const alertsOf = (name: string): string[] =>
    of(name)
      .find("PrometheusRule", "sasquatch-alerts")
      .spec.groups.flatMap(({ rules }: Json) => rules.map(({ alert }: Json) => alert));
  for (const name of Object.keys(environments()))
    expect(alertsOf(name)).toEqual(expect.arrayContaining(["SasquatchInfluxdbNotAsDeclared", "SasquatchBackupLate"]));
});

describe("configuration refuses", () => {
  const faultsOf = (change: Json, name = "usdfdev"): readonly string[] => {
    const one = { ...environments()[name], ...change };
    try {
      loadStackConfig({ sasquatch: { environments: { [name]: one } } }, "x");
      return [];
    } catch (error) {
      return (error as StackConfigError).faults;
    }
  };
  const at = (path: string, name = "usdfdev") => `usdf:sasquatch.environments.${name}.${path}`;
  it.each<[string, Json, string]>([
    ["an open allow list", { allow: ["0.0.0.0/0"] }, `${at("allow")} has an entry that is refused: "0.0.0.0/0" is wider than /8: name the networks that are meant.`], // prettier-ignore
    ["an endpoint without allow list", { allow: [] }, `${at("chronograf")} is for people outside the cluster, and allow names no network.`], // prettier-ignore
    ["a tag that moves", { influxdb: { tag: "latest" } }, `${at("influxdb.tag")} is "latest": it must be a version: others move.`], // prettier-ignore
    ["several nodes of one server", { influxdb: { nodes: 2 } }, `${at("influxdb.nodes")} is 2: only edition enterprise has several.`], // prettier-ignore
    ["a setting that the edition has not", { influxdb: { settings: { queryTimeoutSeconds: 5 } } }, `${at("influxdb.settings.queryTimeoutSeconds")} is a setting of edition 1 and enterprise, not of 2.`], // prettier-ignore
    ["a setting without unit", { influxdb: { settings: { queryTimeout: "180s" } } }, `${at("influxdb.settings.queryTimeout")} is unknown. Known: walFsyncDelayMs, cacheMaxMemoryBytes`], // prettier-ignore
    ["Kapacitor beside InfluxDB 2", { kapacitor: {} }, `${at("kapacitor")} cannot work with InfluxDB 2, which has tasks instead: leave it out.`], // prettier-ignore
    ["one path for two", { chronograf: { path: "/influxdb" } }, `${at("chronograf.path")} is /influxdb, a path of influxdb too.`], // prettier-ignore
    ["GitHub's users without organisation", { chronograf: { login: "github" } }, `${at("chronograf.githubOrganizations")} is missing: anyone with an account could log in.`], // prettier-ignore
    ["a ladder without tasks", { influxdb: { edition: "1" }, clients: { efd: { downsample: ladder } } }, `${at("clients.efd.downsample")} is made by tasks of InfluxDB 2; the environment has edition 1. Take it away in this environment's client.`], // prettier-ignore
    ["a bucket that is not there", { influxdb: { mayShortenRetention: ["edf"] } }, `${at("influxdb.mayShortenRetention")} names edf, no bucket here.`], // prettier-ignore
    ["a backup of what something else runs", { influxdb: { url: "http://i:8086", backup } }, `${at("influxdb.backup")} is of no use with url: something else runs the server.`], // prettier-ignore
    ["a backup without its place", { influxdb: { backup: {} } }, `${at("influxdb.backup.storageClass")} is missing (string).`], // prettier-ignore
  ])("%s", (_, change, fault) => {
    const faults = faultsOf(change);
    expect(faults.filter((one) => one.startsWith(fault.replace(/\.$/, "")))).toHaveLength(1);
  });

  it("nothing else", () => {
    for (const name of Object.keys(environments())) expect(faultsOf({}, name)).toEqual([]);
  });
});
