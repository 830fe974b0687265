import { version } from "../../package.json";
import type { RecordedStack } from "../../local/record";
import { validateObject } from "../../components/platform/schemas";
import { envOf, Objects, podOf, recordWith } from "./objects";
import { type Row, table } from "./table";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, looked into field by field */

const images = ["upstream", "usdf"] as const;
const recorded: Record<string, RecordedStack> = {};
beforeAll(async () => {
  for (const image of images) {
    for (const stack of ["prod", "dev"]) recorded[`${stack} ${image}`] = await recordWith(stack, image);
  }
});
const objectsOf = (row: Row, image: string) => new Objects(recorded[`${row.stack} ${image}`]!, row.namespace);
const container = (object: any) => podOf(object).spec.containers[0];
const balancerOf = (service: any) => {
  const { "metallb.io/address-pool": pool, "metallb.io/loadBalancerIPs": ip = "auto" } = service.metadata.annotations;
  return `${pool} ${ip}`;
};

describe.each(Object.entries(table) as [string, Row][])("environment %s", (name, row) => {
  // sts speaks to Rucio, so it stays with upstream's image.
  describe.each(images.map((image) => (name === "sts" ? "upstream" : image)))("running %s", (image) => {
    const ours = image === "usdf";
    const deployment = (part: string) =>
      objectsOf(row, image).find("Deployment", `${row.prefix}-${part === "ingest" ? row.app : part}`);

    it("is in its namespace and cluster", () => {
      const stack = recorded[`${row.stack} ${image}`]!;
      const namespace = stack.resources.find(({ type, name: n }) => type.endsWith(":Namespace") && n === name)!;
      expect(namespace.inputs.metadata).toMatchObject({ name: row.namespace });
      expect(namespace.provider).toBe(row.context);
      const provider = stack.resources.find(({ type, name: n }) => type.endsWith(":kubernetes") && n === row.context);
      expect(provider?.inputs.context).toBe(row.context);
      for (const object of objectsOf(row, image).all) expect(object.provider).toBe(row.context);
    });

    it("runs the images of the table, or ours", () => {
      const parts = ["enqueue", "ingest", "idle", ...(row.tags.presence ? ["presence"] : [])];
      for (const part of parts) {
        const tag = row.tags[part as "enqueue"];
        const { image: used, imagePullPolicy } = container(deployment(part));
        const program = part === "ingest" ? "usdf-ingest" : "usdf-workloads";
        expect(used).toBe(
          ours ? `ghcr.io/lsst-dm/${program}:${version}` : `ghcr.io/lsst-dm/embargo-butler-${part}:${tag}`,
        );
        if (!ours) expect(imagePullPolicy).toBe(row.always.includes(part as never) ? "Always" : "IfNotPresent");
      }
      expect(container(objectsOf(row, image).find("StatefulSet", "redis")).image).toBe(`redis:${row.tags.redis}`);
      expect(objectsOf(row, image).has("Deployment", `${row.prefix}-presence`)).toBe(row.tags.presence !== undefined);
    });

    it("has labels that people and dashboards select by", () => {
      expect(podOf(deployment("ingest")).metadata.labels).toMatchObject({ app: row.app, site: row.site });
      expect(podOf(deployment("idle")).metadata.labels).toMatchObject({ app: "idle", site: row.site });
    });

    it("finds its pods by the labels of today, which the API server never changes", () => {
      const both = { app: row.app, site: row.site };
      expect(deployment("ingest").spec.selector).toEqual({ matchLabels: both });
      expect(deployment("idle").spec.selector).toEqual({ matchLabels: { app: "idle" } });
      expect(deployment("enqueue").spec.selector).toEqual({ matchLabels: { app: "enqueue" } });
      const redis = objectsOf(row, image).find("StatefulSet", "redis").spec;
      expect(redis.selector).toEqual({ matchLabels: { app: "redis" } });
      expect(redis.serviceName).toBe("redis");
      if (row.presence)
        expect(deployment("presence").spec.selector.matchLabels).toEqual({ app: "presence", site: row.site });
    });

    it("takes notifications as the table says", () => {
      const enqueue = deployment("enqueue");
      const env = envOf(enqueue);
      const [mode, ...rest] = row.input.split(" ");
      expect(env.ENQUEUE_MODE).toBe(mode);
      expect(env.DATASET_REGEXP).toBe(row.regexp);
      expect(env.PROFILE).toBe(row.profile);
      expect(env.BUCKETS).toBe(row.bucket);
      expect(container(enqueue).resources.limits.cpu).toBe("1");
      if (mode === "kafka") {
        expect([env.KAFKA_CLUSTER, env.KAFKA_TOPIC, env.KAFKA_GROUP_ID]).toEqual(rest);
        expect(objectsOf(row, image).has("Service", `${row.prefix}-enqueue`)).toBe(false);
        expect(env).not.toHaveProperty("NOTIFICATION_SECRET");
        return;
      }
      const service = objectsOf(row, image).find("Service", `${row.prefix}-enqueue`);
      expect(service.spec).toMatchObject({ type: "LoadBalancer", allocateLoadBalancerNodePorts: false });
      expect(service.spec.ports).toEqual([{ name: "enqueue-webhook", port: 8080, targetPort: 8000, protocol: "TCP" }]);
      expect(balancerOf(service)).toBe(rest.join(" "));
      expect(container(enqueue).ports).toEqual([{ name: "http", containerPort: 8000, protocol: "TCP" }]);
      const secret = name !== "pp-dev" ? "secret/notification/secret" : ours ? undefined : "";
      expect(env.NOTIFICATION_SECRET).toBe(secret);
      expect(env.ALLOW_EMPTY_SECRET).toBe(name === "pp-dev" ? "true" : undefined);
    });

    it("ingests as the table says", () => {
      const ingest = deployment("ingest");
      const env = envOf(ingest);
      expect(ingest.spec.replicas).toBe(row.replicas);
      const { cpu, memory } = container(ingest).resources.limits;
      expect(`${cpu} cpu ${memory}`).toBe(row.limits);
      expect(env).toMatchObject({ BUCKET: row.bucket, BUTLER_REPO: row.repo, MAX_INGESTS: String(row.maxIngests) });
      expect(env.WEBHOOK_URI).toBe(row.webhook);
      expect(env.S3_ENDPOINT_URL).toBe(row.endpoint);
      expect(env.AWS_ACCESS_KEY_ID).toBe(row.endpoint && "secret/s3/s3_access");
      expect(env.AWS_SECRET_ACCESS_KEY).toBe(row.endpoint && "secret/s3/s3_key");
      const profiles = Object.entries(env).filter(([key]) => key.startsWith("LSST_RESOURCES_S3_PROFILE_"));
      expect(profiles).toEqual(row.profile ? [[`LSST_RESOURCES_S3_PROFILE_${row.profile}`, "secret/s3/profile"]] : []);
      expect(objectsOf(row, image).has("CronJob", `${row.prefix}-reconcile`)).toBe(ours);
    });

    it("has the Redis of the table", () => {
      const service = objectsOf(row, image).find("Service", "redis");
      expect(service.spec.ports).toEqual([{ name: "redis", port: 6379, targetPort: 6379, protocol: "TCP" }]);
      expect(service.spec.type).toBe(row.redis === "cluster" ? "ClusterIP" : "LoadBalancer");
      if (row.redis !== "cluster") expect(balancerOf(service)).toBe(row.redis);
      const { spec } = objectsOf(row, image).find("StatefulSet", "redis");
      expect(spec.volumeClaimTemplates[0]).toEqual({
        metadata: { name: "data" },
        spec: {
          accessModes: ["ReadWriteOnce"],
          storageClassName: "wekafs--sdf-k8s01",
          resources: { requests: { storage: "10Gi" } },
        },
      });
      expect(spec.template.spec.securityContext).toMatchObject({ runAsUser: 999, runAsGroup: 999, fsGroup: 999 });
      expect(spec.template.spec.containers[0].resources.requests).toEqual({ cpu: "100m", memory: "1Gi" });
    });

    it("shows presence as the table says", () => {
      if (!row.presence) return expect(row.tags.presence).toBeUndefined();
      const service = objectsOf(row, image).find("Service", `${row.prefix}-presence`);
      const { cpu, memory } = container(deployment("presence")).resources.limits;
      // Today's program starts in 100Mi; ours needs more than that.
      const limit = ours && memory === "192Mi" ? "100Mi" : memory;
      expect(`${balancerOf(service)} ${cpu} cpu ${limit}`).toBe(row.presence);
      expect(service.spec.ports).toEqual([{ name: "presence-http", port: 8080, targetPort: 8000, protocol: "TCP" }]);
    });

    it("finds each secret at its path in Vault, and no more than it needs", () => {
      const secrets = Object.fromEntries(
        objectsOf(row, image)
          .names("ExternalSecret")
          .map((secret) => {
            const { data, target } = objectsOf(row, image).find("ExternalSecret", secret).spec;
            expect(target.name).toBe(secret);
            const paths = [...new Set(data.map((entry: any) => entry.remoteRef.key))];
            const keys = data.map((entry: any) => `${entry.secretKey}<${entry.remoteRef.property}`).join(" ");
            return [secret, `${paths.join(" ")} ${keys}`];
          }),
      );
      const usesNotification = row.input.startsWith("webhook") && name !== "pp-dev";
      expect(secrets).toEqual({
        redis: `${row.secretPath} redis-password<redis`,
        s3: `${row.s3.path} ${row.s3.keys}`,
        ...(usesNotification ? { notification: `${row.secretPath} secret<notification` } : {}),
        ...(row.dbAuth ? { "db-auth": `${row.dbAuth} db-auth.yaml<db-auth.yaml` } : {}),
        ...(!ours && row.dbAuth && !row.profile
          ? { "db-env": "secret/rubin/usdf-butler/postgres pg_password<password pg_user<username" }
          : {}),
        ...(name === "sts" ? { "rucio-auth": `${row.secretPath} register_svc_rsa<register_svc_rsa` } : {}),
      });
    });

    it("is what the API server takes, and stands on the floor of every pod", () => {
      const { all } = objectsOf(row, image);
      expect(all.flatMap(({ inputs }) => validateObject(inputs as never))).toEqual([]);
      const pods = all.filter(({ type }) => /:(Deployment|StatefulSet|CronJob)$/.test(type));
      expect(pods.length).toBe(4 + (row.presence ? 1 : 0) + (ours ? 1 : 0));
      for (const { type, inputs, name: logical } of pods) {
        const template = podOf(inputs);
        const [main] = template.spec.containers;
        const upstream = !ours && !logical.endsWith("-redis");
        expect(template.spec).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
        expect(template.spec.securityContext.seccompProfile).toEqual({ type: "RuntimeDefault" });
        expect(template.spec.securityContext.runAsNonRoot).toBe(upstream ? undefined : true);
        for (const each of [main, ...(template.spec.initContainers ?? [])]) {
          expect(each.securityContext).toMatchObject({
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
          });
          for (const amount of ["requests", "limits"])
            expect(Object.keys(each.resources[amount]).sort()).toEqual(["cpu", "memory"]);
        }
        const policy = all.find((other) => other.type.endsWith(":NetworkPolicy") && other.name === logical)!
          .inputs as any;
        expect(policy.spec.policyTypes).toEqual(["Ingress", "Egress"]);
        expect(template.metadata.labels).toMatchObject(policy.spec.podSelector.matchLabels);
        if (type.endsWith(":CronJob")) continue;
        const probes = ["startupProbe", "livenessProbe", "readinessProbe"].filter((probe) => main[probe]);
        const serves =
          logical.endsWith("-presence") || (logical.endsWith("-enqueue") && row.input.startsWith("webhook"));
        expect(probes.length).toBe(upstream && !serves ? 0 : 3);
        if (upstream && serves) expect(main.livenessProbe.tcpSocket).toEqual({ port: "http" });
        if (upstream) expect(main.command).toBeUndefined();
        const replicas = (inputs.spec as any).replicas;
        const budget = all.some((o) => o.type.endsWith(":PodDisruptionBudget") && o.name === logical);
        expect(budget).toBe(replicas > 1);
        expect(all.some((o) => o.type.endsWith(":PodMonitor") && o.name === logical)).toBe(
          ours && !logical.endsWith("-redis"),
        );
      }
    });
  });
});

describe("what single environments have of their own", () => {
  it("lfa mounts the shared file systems as group 4085", () => {
    for (const image of images) {
      const objects = objectsOf(table.lfa, image);
      const pod = podOf(objects.find("Deployment", "embargo-butler-ingest-lfa")).spec;
      const group = image === "usdf" ? pod.securityContext.runAsGroup : pod.containers[0].securityContext.runAsGroup;
      expect(group).toBe(4085);
      for (const claim of ["sdf-data-rubin", "sdf-group-rubin"]) {
        expect(objects.find("PersistentVolumeClaim", claim).spec).toEqual({
          accessModes: ["ReadWriteMany"],
          storageClassName: claim,
          resources: { requests: { storage: "1Gi" } },
        });
        const mountPath = `/${claim.replaceAll("-", "/")}`;
        expect(pod.containers[0].volumeMounts).toContainEqual({ name: claim, mountPath });
      }
    }
  });

  it("test makes its SQLite repository on a volume, with one writer", () => {
    const upstream = objectsOf(table.test, "upstream").find("Deployment", "embargo-butler-ingest");
    const ours = objectsOf(table.test, "usdf").find("Deployment", "embargo-butler-ingest");
    for (const ingest of [upstream, ours]) {
      expect(ingest.spec.strategy).toEqual({ type: "Recreate" });
      expect(podOf(ingest).spec.containers[0].volumeMounts).toContainEqual({
        name: "butler-data-pvc",
        mountPath: "/butler",
      });
    }
    expect(envOf(ours).BUTLER_CREATE).toBe("true");
    const [init] = podOf(upstream).spec.initContainers;
    expect(init.name).toBe("butler-init");
    expect(init.args[0]).toContain('butler register-instrument "$repo" lsst.obs.lsst.LsstCam');
  });

  it("sts keeps all that Rucio needs", () => {
    const objects = objectsOf(table.sts, "upstream");
    const ingest = objects.find("Deployment", "sts-butler-ingest");
    expect(envOf(ingest)).toMatchObject({
      RUCIO_RSE: "USDF_STS_DISK",
      RUCIO_DTN: "davs://sdfdtn005.slac.stanford.edu:1095/",
      RUCIO_SCOPE: "raw",
      RUCIO_CONFIG: "/rucio/rucio.cfg",
    });
    const config = objects.find("ConfigMap", "rucio-cfg").data["rucio.cfg"];
    expect(config).toContain("rucio_host = https://rubin-rucio.slac.stanford.edu:8443\n");
    expect(config).toContain("account = register_service\n");
    expect(config).toContain("ssh_private_key = /home/lsst/.lsst/register_svc_rsa\n");
    const [fix] = podOf(ingest).spec.initContainers;
    expect(fix.args).toEqual(["/secrets", "/secrets-raw", "/secrets-rucio"]);
    expect(podOf(ingest).metadata.annotations).toHaveProperty(["usdf/config-checksum"]);
  });
});

describe("topics and notifications", () => {
  /* prettier-ignore */
  const expected: [stack: string, gateway: string, bucket: string, id: string, arn: string, attributes: object | undefined][] = [
    ["prod", "https://sdfembs3.sdf.slac.stanford.edu embargo-rw", "rubin-summit", "rubin-summit-notification-8", "arn:aws:sns:sdfembargo::rubin-summit-notification-8",
      { pushEndpoint: "kafka://172.24.10.54:9094", opaqueData: "", persistent: true, maxRetries: 3, retrySleepSeconds: 10, timeToLiveSeconds: 60 }],
    ["dev", "https://s3dfrgw.slac.stanford.edu ppdev", "rubin-pp-dev", "pp-dev-microservice-202509", "arn:aws:sns:default::pp-dev-microservice-202509",
      { pushEndpoint: "http://172.24.5.74:8080/notify", opaqueData: "", persistent: false }],
    ["dev", "https://s3dfrgw.slac.stanford.edu ppdev", "rubin-pp-dev", "prompt-processing-dev", "arn:aws:sns:default::prompt-processing-dev",
      { pushEndpoint: "kafka://172.24.10.50:9094", opaqueData: "", persistent: false }],
    ["dev", "https://s3dfrgw.slac.stanford.edu ppdev", "rubin-pp-dev", "prompt-processing-dev-20260114", "arn:aws:sns:default::prompt-processing-dev-20260114",
      { pushEndpoint: "kafka://172.24.10.50:9094", opaqueData: "", persistent: false }],
    ["prod", "https://s3dfrgw.slac.stanford.edu rubin-sts", "rubin-sts", "rubin-sts-to-http", "arn:aws:sns:default::rubin-sts",
      { pushEndpoint: "http://sts-butler-enqueue.sts.svc.cluster.local:8080/notify", opaqueData: "[secret secret/rubin/usdf-embargo-dmz/sts#notification]", persistent: true }],
    ["prod", "https://s3dfrgw.slac.stanford.edu rubinobs-lfa-cp", "rubinobs-lfa-cp", "rubinobs-lfa-cp-to-http", "arn:aws:sns:default:rubin:rubinobs-lfa-cp",
      { pushEndpoint: "http://172.24.10.41:8080/notify", opaqueData: "[secret secret/rubin/usdf-embargo-dmz/lfa#notification]", persistent: true }],
    ["prod", "https://s3dfrgw.slac.stanford.edu rubin-summit", "rubin-summit", "rubin-summit-to-http", "arn:aws:sns:default::rubin-summit",
      { pushEndpoint: "http://embargo-butler-enqueue.summit.svc.cluster.local:8080/notify", opaqueData: "[secret secret/rubin/usdf-embargo-dmz/summit#notification]", persistent: true }],
    ["prod", "https://s3dfrgw.slac.stanford.edu rubin-summit", "rubin-summit", "rubin-prompt-processing-prod", "arn:aws:sns:default::rubin-prompt-processing-prod", undefined],
  ];
  const of = (stack: string, kind: string) =>
    recorded[`${stack} usdf`]!.resources.filter(({ type }) => type.endsWith(`:${kind}`)).map(
      ({ inputs }) => inputs as any,
    );

  it.each(expected)("%s %s: %s <- %s", (stack, gateway, bucket, id, arn, attributes) => {
    const at = ({ rgw }: any) => `${rgw.url} ${rgw.profile}`;
    const [entry, ...others] = of(stack, "BucketNotification").filter(
      (each) => at(each) === gateway && each.bucket === bucket && each.entryId === id,
    );
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ topicArn: arn, events: ["s3:ObjectCreated:*"] });
    const topic = of(stack, "NotificationTopic").find((each) => at(each) === gateway && arn.endsWith(`:${each.name}`));
    if (attributes === undefined) return expect(topic).toBeUndefined();
    const { rgw: _rgw, name: _name, ...rest } = topic;
    expect({ opaqueData: "", ...rest }).toEqual(attributes);
  });

  it("has no others", () => {
    for (const stack of ["prod", "dev"])
      expect(of(stack, "BucketNotification").length).toBe(expected.filter(([s]) => s === stack).length);
  });
});
