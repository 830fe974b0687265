import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fanOutDocument } from "../../workloads/src/fan-out/contract";
import { validateObject } from "../../components/platform/schemas";
import { type RecordedStack, recordStack } from "../../local/record";
import { checkPrompt } from "../../local/preview/checks/prompt";
import { declarationOf } from "../../local/preview/declaration";
import { rules, violationsOf } from "../../policy/rules";
import { recorded } from "../support/recorded";
import { envOf, Objects, podOf } from "./objects";
import { services } from "./promptTable";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, looked into field by field */

/** Reads texts as the worker does, with Python's own yaml. */
function pythonYaml(texts: readonly string[]): unknown[] {
  const program = "import json,sys,yaml; print(json.dumps([yaml.safe_load(t) for t in json.load(sys.stdin)]))";
  return JSON.parse(execFileSync("python3", ["-c", program], { input: JSON.stringify(texts), encoding: "utf8" }));
}

const texts = ["MAIN_PIPELINES_CONFIG", "PREPROCESSING_PIPELINES_CONFIG", "EXPORT_TYPE_REGEXP"] as const;

describe.each(services)("$stack $name", (row) => {
  let objects: Objects;
  let scaledJob: any;
  beforeAll(async () => {
    objects = new Objects(await recorded(row.stack), row.name);
    scaledJob = objects.find("ScaledJob", row.name);
  });

  it("is told what it is told today", () => {
    const { MAIN_PIPELINES_CONFIG, PREPROCESSING_PIPELINES_CONFIG, EXPORT_TYPE_REGEXP, ...rest } = envOf(scaledJob);
    expect(rest).toEqual(row.env);
    const [main, preprocessing, exportTypes] = pythonYaml([
      MAIN_PIPELINES_CONFIG!,
      PREPROCESSING_PIPELINES_CONFIG!,
      EXPORT_TYPE_REGEXP!,
    ]);
    expect(main).toEqual(row.main);
    expect(preprocessing).toEqual(row.preprocessing);
    expect(exportTypes).toEqual(row.exportTypes);
  });

  it("is started by KEDA as today, but with time to end a visit", () => {
    const { spec, metadata } = scaledJob;
    expect(metadata.labels.instrument).toBe(row.label);
    const { jobTargetRef, triggers, ...rest } = spec;
    expect(rest).toEqual({
      pollingInterval: 2,
      minReplicaCount: row.replicas[0],
      maxReplicaCount: row.replicas[1],
      successfulJobsHistoryLimit: 5,
      failedJobsHistoryLimit: 5,
      rollout: { propagationPolicy: "foreground" },
      scalingStrategy: { strategy: "eager" },
    });
    expect(triggers).toEqual([
      {
        type: "redis-streams",
        metadata: {
          ...{ host: "prompt-redis.prompt-redis", port: "6379" },
          ...{ stream: row.env.REDIS_STREAM_NAME, consumerGroup: row.env.REDIS_STREAM_CONSUMER_GROUP },
          ...{ activationLagCount: "1", lagCount: "1", pendingEntriesCount: "1" },
        },
      },
    ]);
    const { template, ...job } = jobTargetRef;
    expect(job).toEqual({ parallelism: 1, completions: 1, backoffLimit: 0 });
    expect(template.metadata.annotations).toEqual(row.annotations);
    const [container] = template.spec.containers;
    expect([container.name, container.image, container.imagePullPolicy]).toEqual([row.label, row.images[0], row.pull]);
    expect(container.resources).toEqual({
      requests: { cpu: "1", memory: "2Gi", "ephemeral-storage": "5Gi" },
      limits: { cpu: "1", memory: "8Gi", "ephemeral-storage": "5Gi" },
    });
    expect(template.spec).toMatchObject({ restartPolicy: "Never", terminationGracePeriodSeconds: 900 + 45 + 15 });
    expect(template.spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 17951, runAsGroup: 4085 });
  });

  it("has its init-outputs for each release and each day of observation", () => {
    const job = objects.find("Job", `init-${row.name}`).spec;
    const cron = objects.find("CronJob", `cron-${row.name}`).spec;
    expect(cron).toMatchObject({
      ...{ schedule: "1 0 * * *", timeZone: "Etc/GMT+12", suspend: false },
      ...{ concurrencyPolicy: "Replace", startingDeadlineSeconds: 82_800 },
    });
    for (const spec of [job, cron.jobTemplate.spec]) {
      expect(spec).toMatchObject({ activeDeadlineSeconds: 300, backoffLimit: 6, ttlSecondsAfterFinished: 3600 });
      expect(spec.podFailurePolicy.rules).toEqual([
        { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
      ]);
      const [container] = spec.template.spec.containers;
      expect(container.image).toBe(row.images[1]);
      expect(container.resources).toEqual({
        requests: { cpu: "1", memory: "512Mi" },
        limits: { cpu: "1", memory: "1Gi" },
      });
      const told = (name: string) => container.env.find((one: any) => one.name === name)?.value;
      for (const name of [...texts, "CONFIG_APDB", "SKYMAP"]) expect(told(name)).toBe(envOf(scaledJob)[name]);
    }
  });

  it("gets its credentials from its own secret, without root", () => {
    const { spec } = podOf(scaledJob);
    expect(spec.volumes).toContainEqual({
      name: "sdf-data-rubin",
      persistentVolumeClaim: { claimName: "sdf-data-rubin" },
    });
    const claim = objects.find("PersistentVolumeClaim", "sdf-data-rubin").spec;
    expect([claim.storageClassName, claim.accessModes, claim.resources.requests.storage]).toEqual(["sdf-data-rubin", ["ReadOnlyMany"], "1Gi"]); // prettier-ignore
    const { data } = objects.find("ExternalSecret", `${row.name}-secret`).spec;
    const prefix = `secret/rubin/usdf-prompt-processing${row.stack === "dev" ? "-dev" : ""}/${row.name}`;
    const fields = ["db-auth_file", "s3_credentials_file", "alert_stream_pass", ...("BUTLER_WRITER_KAFKA_TOPIC" in row.env ? ["butler-writer-password"] : [])]; // prettier-ignore
    expect(data.map(({ secretKey, remoteRef }: any) => [secretKey, remoteRef.key, remoteRef.property])).toEqual(
      fields.map((field) => [field, prefix, field]),
    );
  });

  it("is one of the instruments that visits are fanned out to", async () => {
    const fanOut = new Objects(await recorded(row.stack), "next-visit-fan-out");
    const document = fanOutDocument.parse(JSON.parse(fanOut.find("ConfigMap", "instrument-map").data.instruments));
    const { detectors, ...rest } = document.instruments[row.env.RUBIN_INSTRUMENT]!;
    expect(rest).toEqual({ stream: row.env.REDIS_STREAM_NAME, consumerGroup: row.env.REDIS_STREAM_CONSUMER_GROUP });
    expect(detectors).toHaveLength(row.detectors);
    expect(Object.keys(document.instruments)).toEqual(row.stack === "dev" ? ["HSC", "LATISS", "LSSTCam"] : ["LSSTCam"]);
  });
});

test("fan-out reads what it reads today, and passwords come by reference", async () => {
  const env = async (stack: string) =>
    envOf(new Objects(await recorded(stack), "next-visit-fan-out").find("Deployment", "next-visit-fan-out"));
  expect(await env("dev")).toMatchObject({
    ...{ NEXT_VISIT_TOPIC: "test.next-visit-job", CONSUMER_GROUP: "test-group-3", MESSAGE_EXPIRATION: "600000000" },
    ...{ REGISTRY_URL: "http://10.104.198.135:8081", OFFSET: "latest", HTTP_RETRIES: "0", DELIVERY: "redis" },
  });
  expect(await env("prod")).toMatchObject({
    KAFKA_BROKERS: "sasquatch-summit-kafka-bootstrap.lsst.codes:9094",
    NEXT_VISIT_TOPIC: "lsst.sal.ScriptQueue.logevent_nextVisit",
    CONSUMER_GROUP: "next-visit-fan-out-1",
    KAFKA_TLS: "true",
    KAFKA_USERNAME: "prompt-processing",
    KAFKA_PASSWORD: "secret/next-visit-fan-out-secret/kafka_pp_sasl_password_summit",
    REGISTRY_URL: "http://10.96.100.221:8081/schema-registry-remote",
    MESSAGE_EXPIRATION: "3600",
  });
});

test("visits of testers go to some detectors, and those that production leaves out are these 17", async () => {
  const document = async (stack: string) =>
    JSON.parse(
      new Objects(await recorded(stack), "next-visit-fan-out").find("ConfigMap", "instrument-map").data.instruments,
    );
  const { testVisits } = await document("dev");
  expect(testVisits).toEqual({
    ...{
      "HSC-TEST-59134": [0, 4, 5],
      "HSC-TEST-59142": [0, 5, 11],
      "HSC-TEST-59150": [50, 58],
      "HSC-TEST-59160": [43, 51],
    },
    ...{ "LSSTCam-TEST-2026010100039": [30, 173], "LSSTCam-TEST-2026010100047": [30, 66] },
    ...{ "LSSTCam-TEST-2026010100048": [30, 66], "LSSTCam-TEST-2026010100050": [30, 158] },
    ...{ "LSSTCam-TEST-2026010100267": [30, 158] },
  });
  const { detectors } = (await document("prod")).instruments.LSSTCam;
  const off = Array.from({ length: 189 }, (_, id) => id).filter((id) => !detectors.includes(id));
  expect(off).toEqual([0, 1, 19, 20, 27, 30, 65, 68, 120, 122, 123, 158, 161, 168, 169, 187, 188]);
});

describe("every driver and platform", () => {
  const pipelines = {
    main: [
      { survey: "on", ra: { min: -5.5, max: 0.0000001 }, dec: { min: -90, max: 12 }, pipelines: ["ApPipe"] },
      { survey: ["12:30", "1_000", "null", 'say "x"'], binaryMap: "${MAPS}/sky.fits", coordType: "boresight", pipelines: ["/a/Isr.yaml#isr"] }, // prettier-ignore
    ],
    preprocessing: [{ pipelines: ["Preprocessing"], survey: "" }],
    unmatchedSurvey: "fail",
  };
  const environment = {
    kubeContext: "c",
    host: "h",
    secrets: { prefix: "secret/p" },
    fanOut: { kafka: "k:9092", tls: false, registryUrl: "http://r:8081" },
    router: { kafka: "k:9092" },
    redis: { password: "optional" },
    service: {
      image: { tag: "15.2.0" },
      centralRepo: "/repo",
      apdbConfig: "label:apdb",
      s3: { endpointUrl: "https://s3", imageBucket: "raws", profile: "p" },
      raws: { topic: "files" },
      pipelines,
    },
    services: {
      LSSTComCam: { scaling: { min: 0, activationLag: 0 } },
      "LSSTCam-imSim": { driver: "upstream", skymap: "lsst_cells_v1" },
      LSSTComCamSim: { driver: "upstream", platform: "knative", skymap: "lsst_cells_v1", knative: { gpus: 1 } },
    },
  };
  const record = (change: object = {}): Promise<RecordedStack> =>
    recordStack("x", { config: { config: { "usdf:prompt": { environments: { e: { ...environment, ...change } } } } } });
  let stack: RecordedStack;
  beforeAll(async () => {
    stack = await record();
  });

  it("declares what operators take, and no rule has anything against it", () => {
    const objects = stack.resources.filter(({ type }) => type.startsWith("kubernetes:"));
    expect(objects.length).toBeGreaterThan(30);
    for (const { inputs } of objects) expect(validateObject(inputs as any)).toEqual([]);
    const faults = stack.resources.flatMap((resource) => {
      const object = { stack: "x", type: resource.type, name: resource.name, inputs: resource.inputs, protect: false };
      return rules.flatMap((rule) =>
        violationsOf(rule, { ...object, isSecret: () => false }).map(({ message }) => message),
      );
    });
    expect(faults).toEqual([]);
  });

  it("gateway: the program of our image runs the pipelines in theirs, and Redis asks KEDA for nothing", () => {
    const objects = new Objects(stack, "prompt-keda-lsstcomcam");
    const job = objects.find("ScaledJob", "prompt-keda-lsstcomcam");
    const { containers, initContainers } = podOf(job).spec;
    expect(initContainers.map(({ name }: any) => name)).toEqual(["copy-db-auth", "copy-gateway"]);
    expect(containers[0]).toMatchObject({
      image: "ghcr.io/lsst-dm/prompt-service:15.2.0",
      args: ["/usdf/node", "/usdf/prompt-gateway.js"],
    });
    expect(containers[0].command).toBeUndefined(); // the image's entrypoint stays
    const env = envOf(job);
    expect(JSON.parse(env.PIPELINE_COMMAND!)).toEqual(["python", "-m", "activator.driver_gateway"]);
    expect(env).toMatchObject({ REDIS_PASSWORD: "secret/redis/redis-password", RUBIN_INSTRUMENT: "LSSTComCam", SKYMAP: "lsst_cells_v1" }); // prettier-ignore
    expect(env.REDIS_STREAM_HOST).toBeUndefined();
    expect(job.spec.triggers[0].authenticationRef).toBeUndefined();
  });

  it("pipelines reach Python as they were meant, whatever their names look like", () => {
    const env = envOf(new Objects(stack, "prompt-keda-lsstcam-imsim").find("ScaledJob", "prompt-keda-lsstcam-imsim"));
    const path = (name: string) => `\${PROMPT_PROCESSING_DIR}/pipelines/LSSTCam-imSim/${name}.yaml`;
    const rest = { "binary-map": "${MAPS}/sky.fits", "coord-type": "boresight", pipelines: ["/a/Isr.yaml#isr"] };
    expect(pythonYaml([env.MAIN_PIPELINES_CONFIG!, env.PREPROCESSING_PIPELINES_CONFIG!])).toEqual([
      [
        { survey: "on", ra: { min: -5.5, max: 1e-7 }, dec: { min: -90, max: 12 }, pipelines: [path("ApPipe")] },
        ...["12:30", "1_000", "null", 'say "x"'].map((survey) => ({ survey, ...rest })),
      ],
      [{ survey: "", pipelines: [path("Preprocessing")] }],
    ]);
    expect(env.REDIS_STREAM_NAME).toBe("instrument:lsstcam_imsim");
  });

  it("knative: a service of its own, which a second fan-out posts to", () => {
    const name = "prompt-proto-service-lsstcomcamsim";
    const { template } = new Objects(stack, name).find("Service", name).spec;
    expect(template.metadata.annotations).toMatchObject({
      "autoscaling.knative.dev/min-scale": "3",
      "autoscaling.knative.dev/max-scale": "150",
      "autoscaling.knative.dev/target-utilization-percentage": "80",
      "queue.sidecar.serving.knative.dev/memory-resource-limit": "800Mi",
    });
    expect(template.spec).toMatchObject({ containerConcurrency: 1, timeoutSeconds: 1200, idleTimeoutSeconds: 1200 });
    expect(template.spec.containers[0].resources.limits).toEqual({
      ...{ cpu: "1", memory: "16Gi", "ephemeral-storage": "5Gi", "nvidia.com/gpu": "1" },
    });
    const fanOut = new Objects(stack, "next-visit-fan-out");
    expect(fanOut.names("Deployment")).toEqual(["next-visit-fan-out", "next-visit-fan-out-http"]);
    expect(JSON.parse(fanOut.find("ConfigMap", "instrument-map-http").data.instruments).instruments).toEqual({
      LSSTComCamSim: {
        ...{ stream: "instrument:lsstcomcamsim", consumerGroup: "lsstcomcamsim_consumer_group" },
        ...{ url: `http://${name}.${name}/next-visit`, detectors: [0, 1, 2, 3, 4, 5, 6, 7, 8] },
      },
    });
  });

  it("one router reads the topic that workers of the gateway are told of", () => {
    const objects = new Objects(stack, "notification-router");
    expect(objects.names("Deployment")).toEqual(["notification-router-files"]);
    expect(envOf(objects.find("Deployment", "notification-router-files"))).toMatchObject({
      ...{ BUCKET_TOPIC: "files", CONSUMER_GROUP: "notification-router-files", IMAGE_BUCKET: "p@raws" },
      LSST_RESOURCES_S3_PROFILE_p: "secret/notification-router-secret/s3-profile-p",
    });
  });

  it("with a password, KEDA and every worker log in to Redis", async () => {
    const { LSSTComCam } = environment.services;
    const locked = await record({ redis: {}, services: { LSSTComCam } });
    const objects = new Objects(locked, "prompt-keda-lsstcomcam");
    expect(objects.find("ScaledJob", "prompt-keda-lsstcomcam").spec.triggers[0].authenticationRef).toEqual({
      name: "redis",
    });
    expect(objects.find("TriggerAuthentication", "redis").spec.secretTargetRef).toEqual([
      { parameter: "password", name: "redis", key: "redis-password" },
    ]);
    const settings = (of: RecordedStack) => podOf(new Objects(of, "prompt-redis").find("StatefulSet", "prompt-redis")).spec.containers[0].args[2]; // prettier-ignore
    expect([settings(locked).includes("nopass"), settings(stack).includes("nopass")]).toEqual([false, true]);
  });

  it("alerts go by metrics that our programs have", () => {
    const sources = ["fan-out", "prompt-gateway", "notification-router"].map((name) =>
      readFileSync(join(__dirname, `../../workloads/src/${name}/metrics.ts`), "utf8"),
    );
    const { spec } = new Objects(stack, "prompt-redis").find("PrometheusRule", "prompt-alerts");
    const used = [...JSON.stringify(spec).matchAll(/usdf_\w+/g)].map(([name]) => name);
    expect(new Set(used).size).toBeGreaterThan(8);
    for (const name of used) expect([name, sources.some((text) => text.includes(`"${name}"`))]).toEqual([name, true]);
  });

  it("preview tells of workers that do not suffice, of waits that do not fit, and of what is not processed", async () => {
    const LSSTComCam = {
      ...environment.services.LSSTComCam,
      ...{ scaling: { max: 100 }, worker: { timeoutSeconds: 2000 }, raws: { timeoutSeconds: 2000 } },
      pipelines: { main: [{ survey: "BLOCK-T1", pipelines: [] }], unmatchedSurvey: "ignore" },
    };
    const services = { LSSTComCam, DECam: { detectors: { count: 9 }, skymap: "m" } };
    const declaration = declarationOf(await record({ services }));
    expect(checkPrompt(declaration).map(({ level, object, message }) => `${level} ${object}: ${message}`)).toEqual([
      "warning service prompt-keda-lsstcomcam: scaling.max is 100; 9 detectors × 500 s / 30 s need 150 workers. Visits would wait ever longer.",
      "error service prompt-keda-lsstcomcam: raws.timeoutSeconds is 2000, not below worker.timeoutSeconds (2000): a visit whose raws are late is ended while it waits.",
      "warning service prompt-keda-lsstcomcam: expirationSeconds is 3600, less than two visits of 2000 s: what waits for one worker expires.",
      'warning service prompt-keda-lsstcomcam: pipelines.preprocessing has "", which pipelines.main has not.',
      'note service prompt-keda-lsstcomcam: surveys that are not processed: "BLOCK-T1"; all that no node names.',
      "error service prompt-keda-decam: DECam has no detectors 0. Correct detectors.",
      'warning service prompt-keda-decam: pipelines.preprocessing has "", which pipelines.main has not.',
    ]);
  });

  const of = (change: object) => ({ services: { LSSTComCam: { ...environment.services.LSSTComCam, ...change } } });
  const at = "usdf:prompt.environments.e.services.LSSTComCam";
  it.each<[string, object, string]>([
    ["a release that nobody names", { ...of({}), service: { ...environment.service, image: {} } }, `${at}.image.tag is missing: no release of the pipelines is named.`], // prettier-ignore
    ["an instrument that nobody knows", { services: { Cam: {} } }, "usdf:prompt.environments.e.services.Cam.detectors is missing (object): no layer gives it; put it here, or into service for all of the environment."], // prettier-ignore
    ["a detector that the camera lacks", of({ detectors: { off: [9] } }), `${at}.detectors.off has 9, no detectors, of which there are 9, from 0.`], // prettier-ignore
    ["upstream's workers before a locked Redis", { ...of({ driver: "upstream" }), redis: {} }, `${at}.driver is upstream, whose workers know no password of Redis. Set redis.password to optional until all services are gateway.`], // prettier-ignore
    ["no router for the gateway", { ...of({}), router: {} }, `${at}.driver is gateway, whose workers are told of raws by a router: it needs fileNotifications, or router.kafka.`], // prettier-ignore
    ["KEDA that waits for a second visit", of({ scaling: { min: 0, activationLag: 1 } }), `${at}.scaling.activationLag is 1, with min 0: KEDA begins above it, so the last visits would wait for ever. Set it to 0.`], // prettier-ignore
    ["one stream for two instruments", { services: { LSSTComCam: {}, HSC: { stream: { name: "instrument:lsstcomcam" } } } }, "usdf:prompt.environments.e.services.HSC.stream.name goes by instrument:lsstcomcam, as LSSTComCam does: visits of both would mix."], // prettier-ignore
    ["pipelines of one name", of({ pipelines: { main: [{ survey: "S", pipelines: ["ApPipe", "x/ApPipe.yaml#isr"] }] } }), `Pulumi.x.yaml has 1 fault.\n  - ${at}.pipelines.main.0.pipelines has "x/ApPipe.yaml#isr" beside "ApPipe": outputs go by the name without folder, extension and #subset, so both would be one.`], // prettier-ignore
    ["a node after one for all", of({ pipelines: { main: [{ pipelines: [] }] } }), "fits every visit: say what happens to others by unmatchedSurvey"], // prettier-ignore
    ["no decision about other surveys", { ...of({}), service: { ...environment.service, pipelines: { ...pipelines, unmatchedSurvey: undefined } } }, `${at}.pipelines.unmatchedSurvey is missing (ignore or fail): no layer gives it`], // prettier-ignore
    ["a cache beyond the disk", of({ cacheSize: "6Gi" }), `${at}.cacheSize is 6Gi, more than limits.ephemeralStorage (5Gi): the pod would be evicted first.`], // prettier-ignore
    ["a misspelt key", of({ scalling: {} }), `${at}.scalling is unknown. Did you mean scaling?`],
  ])("refuses %s", async (_, change, message) => {
    const said = await record(change).then(() => "accepted", (error: Error) => error.message); // prettier-ignore
    expect(said).toContain(message);
  });
});
