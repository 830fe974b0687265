import { clusterVariables, environmentOf } from "../../local/efd/cluster";
import { settingsOf } from "../../local/efd/connection";
import { version } from "../../package.json";
import { loadStackConfig } from "../../components/config";
import { validateObject } from "../../components/platform/schemas";
import { neededFields } from "../../local/secrets/need";
import { readStackYaml, type RecordedStack, recordStack } from "../../local/record";
import { stackConfig } from "../../local/stackConfig";
import { readOptions } from "../../workloads/src/transform-efd/options";
import { envOf, Objects, podOf } from "./objects";
import { type Variant, variants } from "./efdTable";
import { recorded as recordedStack } from "../support/recorded";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, looked into field by field */

const recorded: Record<string, RecordedStack> = {};
beforeAll(async () => {
  for (const stack of ["prod", "dev"]) recorded[stack] = await recordedStack(stack);
});
const namespaces = [...new Set(variants.map(({ namespace }) => namespace))];
const stackOf = (namespace: string) => recorded[namespace.split("-")[0]!]!;
const objectsOf = (namespace: string) => new Objects(stackOf(namespace), namespace);
const cronJobOf = ({ namespace, cronJob }: Variant) => objectsOf(namespace).find("CronJob", cronJob);
const containerOf = (object: any) => podOf(object).spec.containers[0];

/** What the program reads from its environment; values of secrets stand for themselves. */
function optionsOf(object: any) {
  const { CONSDB_URL, ...env } = envOf(object);
  expect(CONSDB_URL).toMatch(/^secret\//);
  return readOptions([], { ...env, CONSDB_URL: "postgresql://user:password@consdb/consdb" });
}

describe.each(variants.map((row) => [`${row.namespace} ${row.cronJob}`, row] as const))("%s", (_, row) => {
  it("is started as the table says", () => {
    const { spec } = cronJobOf(row);
    const { backoffLimit, ttlSecondsAfterFinished, activeDeadlineSeconds, template } = spec.jobTemplate.spec;
    expect(spec).toMatchObject({
      concurrencyPolicy: "Forbid",
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 3,
      timeZone: "Etc/UTC",
      suspend: row.mode === "job",
    });
    // A back-fill is started by a person: its schedule names a day that does not exist.
    expect(spec.schedule).toBe(row.mode === "job" ? "0 0 31 2 *" : row.schedule);
    expect([backoffLimit, template.spec.restartPolicy]).toEqual([1, "Never"]);
    expect(ttlSecondsAfterFinished).toBe(row.mode === "job" ? 600 : 86_400);
    expect(spec.startingDeadlineSeconds).toBeGreaterThan(0);
    expect(activeDeadlineSeconds).toBeGreaterThanOrEqual(3600);
    expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThan(30);
  });

  it("tells the program what the table says, in words that it takes", () => {
    const options = optionsOf(cronJobOf(row));
    const range =
      row.mode === "job" ? { startMs: Date.parse(row.start), endMs: Date.parse(row.end), resume: false } : {};
    expect(options.mode).toEqual({ name: row.mode, ...range });
    expect(options).toMatchObject({
      INSTRUMENT: row.instrument,
      CONFIG_FILE: "builtin",
      TIMEDELTA: row.chunkMinutes,
      TIMEWINDOW: row.windowMinutes,
      BUTLER_REPO: row.repo,
      DAF_BUTLER_REPOSITORY_INDEX: "/sdf/group/rubin/shared/data-repos.yaml",
      PGHOST: row.registry,
      PGDATABASE: "lsstdb1",
      PGUSER: "rubin",
      EFD: `https://usdf-rsp.slac.stanford.edu/${row.efdPath}`,
      EFD_USERNAME: "efdreader",
      LEGACY_RMS: false,
      LEGACY_START_OFFSET: false,
      LEGACY_ZERO_VISITS: false,
      LEGACY_BUCKETS: false,
    });
  });

  it("has secrets by reference only, and no more of them than its Butler needs", () => {
    const secrets = Object.entries(envOf(cronJobOf(row))).filter(([, value]) => value.startsWith("secret/"));
    const isEmbargo = row.repo.includes("embargo@");
    const key = (name: string) => `secret/efd-transform-secrets/${name}`;
    expect(Object.fromEntries(secrets)).toEqual({
      CONSDB_URL: key(row.namespace.startsWith("dev-") ? "consdb-url-dev" : "consdb-url"),
      EFD_PASSWORD: key("usdf-efd-password"),
      PGPASSWORD: key(row.password),
      ...(isEmbargo
        ? { LSST_RESOURCES_S3_PROFILE_embargo: key("s3-profile-embargo") }
        : { AWS_ACCESS_KEY_ID: key("aws-access-key-id"), AWS_SECRET_ACCESS_KEY: key("aws-secret-access-key") }),
    });
    expect(envOf(cronJobOf(row)).S3_ENDPOINT_URL).toBe(isEmbargo ? undefined : "https://s3dfrgw.slac.stanford.edu/");
    const { command, args } = containerOf(cronJobOf(row));
    expect([command, args]).toEqual([["node", "dist/transform-efd.js"], undefined]);
  });

  it("has the resources, image and volumes of the table", () => {
    const container = containerOf(cronJobOf(row));
    expect(container.image).toBe(`ghcr.io/lsst-dm/usdf-workloads:${version}`);
    expect(container.resources).toEqual({
      requests: { cpu: "2", memory: row.requests },
      limits: { cpu: "4", memory: row.limits },
    });
    for (const claim of ["sdf-data-rubin", "sdf-group-rubin"]) {
      const mountPath = `/${claim.replaceAll("-", "/")}`;
      expect(container.volumeMounts).toContainEqual({ name: claim, mountPath, readOnly: true });
      expect(podOf(cronJobOf(row)).spec.volumes).toContainEqual({
        name: claim,
        persistentVolumeClaim: { claimName: claim },
      });
    }
  });
});

describe.each(namespaces)("namespace %s", (namespace) => {
  const rows = variants.filter((row) => row.namespace === namespace);
  const [tier, instrument] = namespace.split("-") as [string, string];

  it("has the CronJobs of the table and no other, in the cluster of its tier", () => {
    const objects = objectsOf(namespace);
    expect(objects.names("CronJob")).toEqual(rows.map(({ cronJob }) => cronJob).sort());
    expect(objects.names("Job")).toEqual([]);
    const context = tier === "dev" ? "usdf-consdb-dev" : "usdf-consdb";
    for (const { provider } of objects.all) expect(provider).toBe(context);
  });

  it("gets from Vault exactly the fields that its pods refer to", () => {
    const { data, target } = objectsOf(namespace).find("ExternalSecret", "efd-transform-secrets").spec;
    expect(target.name).toBe("efd-transform-secrets");
    const path = `secret/rubin/usdf-consdb${tier === "dev" ? "-dev" : ""}/transformed-efd`;
    for (const { secretKey, remoteRef } of data) expect(remoteRef).toEqual({ key: path, property: secretKey });
    const referred = rows
      .flatMap((row) => Object.values(envOf(cronJobOf(row))))
      .flatMap((value) => /^secret\/efd-transform-secrets\/(.*)$/.exec(value)?.[1] ?? []);
    const keys = [...new Set(referred)].sort();
    expect(data.map(({ secretKey }: any) => secretKey)).toEqual(keys);
    const needed = neededFields(stackConfig(tier)).filter(({ environment }) => environment === namespace);
    expect(needed).toEqual(
      keys.map((field) => ({
        environment: namespace,
        path,
        field,
        becomes: `Secret efd-transform-secrets, key ${field}`,
      })),
    );
  });

  it("has its volumes, which the engine does not remove in production", () => {
    const stack = stackOf(namespace);
    const itself = stack.resources.find(({ type, name }) => type.endsWith(":Namespace") && name === namespace)!;
    expect((itself.inputs.metadata as any).labels).toMatchObject({
      instrument,
      "pod-security.kubernetes.io/enforce": "restricted",
    });
    const claims = objectsOf(namespace).all.filter(({ type }) => type.endsWith(":PersistentVolumeClaim"));
    expect(claims.map(({ inputs }) => (inputs.metadata as any).name).sort()).toEqual([
      "sdf-data-rubin",
      "sdf-group-rubin",
    ]);
    for (const { inputs } of claims as any[])
      expect(inputs.spec).toEqual({
        accessModes: ["ReadWriteMany"],
        storageClassName: inputs.metadata.name,
        resources: { requests: { storage: "1Gi" } },
      });
    for (const { protect } of [itself, ...claims]) expect(protect).toBe(tier === "prod");
  });

  it("is what the API server takes, with the label of its instrument on every object, Job and pod", () => {
    const { all } = objectsOf(namespace);
    expect(all.flatMap(({ inputs }) => validateObject(inputs as never))).toEqual([]);
    for (const { type, inputs } of all as any[]) {
      if (type.endsWith(":ExternalSecret")) continue; // its labels would be those of the Secret, which has a name
      expect([type, inputs.metadata.labels?.instrument]).toEqual([type, instrument]);
      if (!type.endsWith(":CronJob")) continue;
      for (const { labels } of [inputs.spec.jobTemplate.metadata, podOf(inputs).metadata])
        expect(labels).toMatchObject({ app: "transformed-efd", instrument, "app.kubernetes.io/part-of": "efd" });
    }
  });

  it("lets nobody in, and out only to databases, object store and EFD", () => {
    const { all } = objectsOf(namespace);
    for (const row of rows) {
      const policy = objectsOf(namespace).find("NetworkPolicy", row.cronJob).spec;
      const selected = all.filter(({ type, inputs }) => {
        const labels = type.endsWith(":CronJob") ? podOf(inputs).metadata.labels : {};
        return Object.entries(policy.podSelector.matchLabels).every(([key, value]) => labels[key] === value);
      });
      expect(selected.map(({ inputs }) => (inputs.metadata as any).name)).toEqual([row.cronJob]);
      expect([policy.policyTypes, policy.ingress]).toEqual([["Ingress", "Egress"], []]);
      const ports = policy.egress.map(({ to, ports }: any) => [to, ports.map(({ port }: any) => port)]);
      expect(ports).toEqual([
        [undefined, [53, 53]],
        [undefined, [443, 5432]],
      ]);
    }
  });

  it("asks a person when runs are late, fail, or a back-fill failed, each by the Jobs of its CronJob", () => {
    const rule = objectsOf(namespace).find("PrometheusRule", `transformed-efd-${tier}-alerts`);
    const alerts = rule.spec.groups[0].rules as any[];
    const of = (alert: string) => alerts.find((one) => one.alert === alert)!.expr as string;
    const jobs = (alert: string) => new RegExp(`^(?:${/job_name=~"([^"]+)"/.exec(of(alert))![1]})$`);
    const name = `transformed-efd-${tier}`;
    expect(of("EfdTransformLate")).toContain(`cronjob="${name}"`);
    expect(of("EfdFailureMonitorLate")).toContain(`cronjob="${name}-failure-monitor"`);
    expect(`${name}-29384510`).toMatch(jobs("EfdTransformFailing"));
    for (const other of rows.filter(({ mode }) => mode !== "cronjob"))
      expect(`${other.cronJob}-29384510`).not.toMatch(jobs("EfdTransformFailing"));
    for (const { mode, cronJob } of rows) {
      const isBackfill = jobs("EfdBackfillFailed").test(`${cronJob}-29384510`);
      expect([cronJob, isBackfill]).toEqual([cronJob, mode === "job"]);
      if (mode === "job") expect(cronJob).toMatch(jobs("EfdBackfillFailed"));
    }
    // What kube-state-metrics publishes; nothing else is there of pods that live for seconds.
    const known = [
      "kube_cronjob_status_last_successful_time",
      "kube_cronjob_created",
      "kube_cronjob_spec_suspend",
      "kube_job_failed",
      "kube_job_created",
    ];
    for (const { expr, annotations } of alerts) {
      expect(annotations.runbook.length).toBeGreaterThan(30);
      for (const [metric] of expr.matchAll(/\bkube_\w+/g)) expect(known).toContain(metric);
      expect(expr).toContain(`namespace="${namespace}"`);
    }
  });
});

describe("usdf:efd", () => {
  const environment = { instrument: "LATISS" };
  const efd = { kubeContext: "c", secrets: { path: "secret/efd" }, environments: { e: environment } };
  const recordE = async (more: object, platform: object = {}) => {
    const config = {
      "usdf:platform": platform,
      "usdf:efd": { ...efd, environments: { e: { ...environment, ...more } } },
    };
    return new Objects(await recordStack("x", { config: { config } }), "e");
  };

  it("shares a back-fill between workers, resumes one, and takes results as they were", async () => {
    const span = { start: "2024-01-01", end: "2024-01-02" };
    const objects = await recordE({
      legacy: { rms: true, startOffset: true, zeroVisits: true, buckets: true },
      columnsFile: "/columns/mine.yaml",
      backfills: { shared: { ...span, workers: 4, backoffLimit: 9 }, again: { ...span, resume: true } },
    });
    const job = (name: string) => objects.find("CronJob", name).spec.jobTemplate.spec;
    // No number of completions: each worker ends when no task is left, and the Job with the last.
    expect(job("transformed-efd-shared")).toMatchObject({ parallelism: 4, backoffLimit: 9 });
    expect(job("transformed-efd-shared").completions).toBeUndefined();
    expect(job("transformed-efd-again").parallelism).toBeUndefined();
    expect(optionsOf(objects.find("CronJob", "transformed-efd-again"))).toMatchObject({
      mode: { name: "job", startMs: Date.UTC(2024, 0, 1), endMs: Date.UTC(2024, 0, 2), resume: true },
      CONFIG_FILE: "/columns/mine.yaml",
      LEGACY_RMS: true,
      LEGACY_START_OFFSET: true,
      LEGACY_ZERO_VISITS: true,
      LEGACY_BUCKETS: true,
    });
    expect(objects.all.flatMap(({ inputs }) => validateObject(inputs as never))).toEqual([]);
  });

  it.each([
    ["vaultSecret", "VaultSecret"],
    ["value", "Secret"],
  ])("brings its secrets by %s", async (kind, object) => {
    const objects = await recordE({}, { secrets: { kind } });
    expect(objects.names(object)).toEqual(["efd-transform-secrets"]);
    expect(objects.has("ExternalSecret", "efd-transform-secrets")).toBe(false);
  });

  it("has no alerts where there is no Prometheus operator", async () => {
    const objects = await recordE({}, { monitoring: { enabled: false } });
    expect(objects.names("PrometheusRule")).toEqual([]);
  });

  const faultsOf = (more: object, embargo?: object) => () =>
    loadStackConfig({ efd: { ...efd, ...more }, embargo }, "x");
  const inE = (settings: object) => ({ environments: { e: { ...environment, ...settings } } });
  const span = { start: "2024-01-01T00:00:00", end: "2024-01-02T00:00:00" };

  it.each<[string, object, string]>([
    [
      "an instrument that there is not",
      inE({ instrument: "LSSTcam" }),
      'environments.e.instrument is "LSSTcam": it must be one of LATISS, LSSTCam, LSSTComCam.',
    ],
    ["a misspelt key", inE({ cronjob: {} }), "environments.e.cronjob is unknown. Did you mean cronJob?"],
    [
      "a Butler that is not declared",
      inE({ butler: "main" }),
      'environments.e.butler is "main", not one of usdf:efd.butlers (embargo, public).',
    ],
    [
      "a back-fill of such a Butler",
      inE({ backfills: { b: { ...span, butler: "emargo" } } }),
      'environments.e.backfills.b.butler is "emargo", not one of usdf:efd.butlers (embargo, public).',
    ],
    [
      "a back-fill that ends before it begins",
      inE({ backfills: { b: { ...span, end: span.start } } }),
      "environments.e.backfills.b.end is 2024-01-01T00:00:00, not after start 2024-01-01T00:00:00.",
    ],
    [
      "a span that is equal in another zone",
      inE({ backfills: { b: { start: "2024-01-01T00:00:00", end: "2024-01-01T01:00:00+01:00" } } }),
      "environments.e.backfills.b.end is 2024-01-01T01:00:00+01:00, not after start 2024-01-01T00:00:00.",
    ],
    [
      "a day that there is not",
      inE({ backfills: { b: { ...span, end: "2024-02-30" } } }),
      'environments.e.backfills.b.end is "2024-02-30", no day and time such as "2024-10-02T02:15:00".',
    ],
    [
      "a time in words",
      inE({ backfills: { b: { ...span, end: "yesterday" } } }),
      'environments.e.backfills.b.end is "yesterday", no day and time such as "2024-10-02T02:15:00".',
    ],
    [
      "a name that YAML takes for a day",
      inE({ backfills: { "2024-10-02": span } }),
      "environments.e.backfills.2024-10-02 is a name that is refused: it must begin with a letter.",
    ],
    [
      "a name too long for a CronJob",
      inE({ backfills: { ["b".repeat(40)]: span } }),
      `environments.e.backfills.${"b".repeat(40)} makes the name transformed-efd-${"b".repeat(40)}, longer than 52. Shorten it.`,
    ],
    [
      "the name of the failure monitor",
      inE({ backfills: { "failure-monitor": span } }),
      "environments.e.backfills.failure-monitor is the name of the failure monitor. Choose another.",
    ],
    [
      "no window at all",
      inE({ cronJob: { chunkMinutes: 0 } }),
      "environments.e.cronJob.chunkMinutes is 0: it must be at least 1.",
    ],
    ["an EFD that is no URL", { influxdb: { url: "usdf-rsp" } }, 'influxdb.url is "usdf-rsp": it must be a URL.'],
    ["no cluster", { kubeContext: undefined }, "kubeContext is missing (string)."],
    ["no place of the secrets", { secrets: {} }, "secrets.path is missing (string)."],
  ])("refuses %s", (_, more, text) =>
    expect(faultsOf(more)).toThrow(`Pulumi.x.yaml has 1 fault.\n  - usdf:efd.${text}`),
  );

  it("refuses a name that embargo has too", () => {
    const embargo = { kubeContext: "c", environments: { e: { bucket: "b", butlerRepo: "/butler" } } };
    expect(faultsOf({}, embargo)).toThrow(
      "Pulumi.x.yaml has 1 fault.\n  - usdf:efd.environments.e is also the name of an environment of embargo: " +
        "commands and namespaces go by it. Choose another.",
    );
  });

  it("wants Vault's mount of its cluster", () => {
    const platform = { vault: { address: "https://vault", authMounts: {} } };
    expect(() => loadStackConfig({ efd, platform }, "x")).toThrow(
      "usdf:platform.vault.authMounts.c is missing: name the mount of that cluster's Kubernetes auth method.",
    );
  });
});

it("the stacks' files write each back-fill once, and nothing that is a default", () => {
  for (const stack of ["dev", "prod"]) {
    const { environments } = readStackYaml(stack).config["usdf:efd"] as any;
    for (const settings of Object.values<any>(environments))
      expect(Object.keys(settings).filter((key) => !["instrument", "backfills"].includes(key))).toEqual([]);
  }
});

describe("usdf efd --stack prod", () => {
  const passwords = ["usdf-efd-password", "butler-embargo-password", "s3-profile-embargo"];
  /** Answers as the cluster would after an up. */
  const ask = async ({ context, namespace }: { context: string; namespace?: string }, object: string) => {
    expect(context).toBe("usdf-consdb");
    const [kind, name] = object.split("/");
    if (kind === "cronjob") return objectsOf(namespace!).find("CronJob", name!);
    const values = passwords.map((key) => [key, `${key} of ${namespace}`]);
    const all = Object.fromEntries([...values, ["consdb-url", `postgresql://u:p@consdb/${namespace}`]]);
    return { data: Object.fromEntries(Object.entries<string>(all).map(([key, value]) => [key, btoa(value)])) };
  };

  it.each(["LATISS", "LSSTCam", "LSSTComCam"])("knows the databases of %s as its CronJob does", async (instrument) => {
    const environment = `prod-${instrument.toLowerCase()}`;
    const { name, env } = await clusterVariables("prod", environment, ask);
    expect(name).toBe(`${environment} (stack prod)`);
    const settings = settingsOf({
      name,
      instrument: instrument.toLowerCase(),
      env: { ...env, CONSDB_URL: env.CONSDB_URL! },
    });
    expect(settings).toMatchObject({
      INSTRUMENT: instrument,
      CONSDB_URL: `postgresql://u:p@consdb/${environment}`,
      BUTLER_REPO: "s3://embargo@rubin-summit-users/butler.yaml",
      PGPASSWORD: `butler-embargo-password of ${environment}`,
      EFD_PASSWORD: `usdf-efd-password of ${environment}`,
    });
    expect(env.LSST_RESOURCES_S3_PROFILE_embargo).toBe(`s3-profile-embargo of ${environment}`);
  });

  it("finds the environment by its name or its instrument, and names all when it cannot", () => {
    const all = "There are: prod-latiss, prod-lsstcam, prod-lsstcomcam.";
    expect(environmentOf("prod", { environment: "prod-latiss" })).toBe("prod-latiss");
    expect(environmentOf("prod", { instrument: "LSSTcam" })).toBe("prod-lsstcam");
    expect(environmentOf("prod", {}, true)).toBe("prod-latiss");
    expect(() => environmentOf("prod", {})).toThrow(new Error(`Which environment of stack prod? ${all}`));
    expect(() => environmentOf("prod", { environment: "lsstcam" })).toThrow(
      new Error(`No environment lsstcam in stack prod. ${all}`),
    );
    expect(() => environmentOf("prod", { instrument: "DECam" })).toThrow(
      new Error(`Which environment of stack prod for DECam? ${all}`),
    );
  });
});
