/** Each rule with an object that breaks it and one that keeps to it, and the stacks as they are. */
import { declarationOf } from "../../local/preview/declaration";
import { checkDeclaration } from "../../local/preview/checks";
import { checkPolicies } from "../../local/preview/checks/policies";
import { type RecordedStack } from "../../local/record";
import { exceptions } from "../../policy/exceptions";
import { type PolicyObject, rules, titleOf, unknown, violationsOf } from "../../policy/rules";
import { recorded as recordedStack } from "../support/recorded";

/* eslint-disable @typescript-eslint/no-explicit-any -- inputs of any kind */
const stacks = new Map<string, RecordedStack>();
beforeAll(async () => {
  for (const stack of ["prod", "dev", "local"]) stacks.set(stack, await recordedStack(stack));
});

const amounts = { cpu: "1", memory: "1Gi" };
const container = {
  name: "redis",
  image: "registry.example.org:5000/redis:7.4.4",
  ports: [{ containerPort: 6379 }],
  readinessProbe: {},
  livenessProbe: {},
  resources: { requests: amounts, limits: amounts },
};
const digest = `redis@sha256:${"0".repeat(64)}`;

function kubernetes(kind: string, inputs: any, more: Partial<PolicyObject> = {}): PolicyObject {
  const all = { apiVersion: "v1", kind, metadata: { name: "redis", namespace: "summit" }, ...inputs };
  return {
    ...{ stack: "prod", type: `kubernetes:core/v1:${kind}`, name: "summit-redis", protect: false },
    ...{ isSecret: () => false },
    inputs: all,
    ...more,
  };
}
const deployment = (change: any = {}, spec: any = {}) =>
  kubernetes("Deployment", { spec: { template: { spec: { containers: [{ ...container, ...change }], ...spec } } } });
const initContainer = (change: any) => deployment({}, { initContainers: [{ ...container, name: "init", ...change }] });
const cronJob = (change: any) =>
  kubernetes("CronJob", {
    spec: { jobTemplate: { spec: { template: { spec: { containers: [{ ...container, ...change }] } } } } },
  });
const scaledJob = (change: any) =>
  kubernetes("ScaledJob", {
    spec: { jobTargetRef: { template: { spec: { containers: [{ ...container, ...change }] } } } },
  });
const variable = (name: string, value: string) => deployment({ env: [{ name, value }] });
const configMap = (data: any) => kubernetes("ConfigMap", { data });
const namespace = (level?: string, more: Partial<PolicyObject> = { protect: true }) => {
  const labels = level === undefined ? {} : { "pod-security.kubernetes.io/enforce": level };
  return kubernetes("Namespace", { metadata: { name: "sts", labels } }, more);
};
const networkPolicy = (spec: any) => kubernetes("NetworkPolicy", { spec });
const balancer = (spec: any, annotations = {}) =>
  kubernetes("Service", {
    metadata: { name: "redis", namespace: "summit", annotations },
    spec: { type: "LoadBalancer", ...spec },
  });
const fixed = (address: string) => balancer({}, { "metallb.io/loadBalancerIPs": address });
const topic = (inputs: any, more: Partial<PolicyObject> = {}): PolicyObject => ({
  ...kubernetes("", {}, more),
  ...{ type: "pulumi-nodejs:dynamic/ceph:NotificationTopic", name: "s3dfrgw-rubin-sts" },
  inputs: { name: "rubin-sts", pushEndpoint: "http://172.24.1.1:8080/notify", ...inputs },
});
const claims = { volumeClaimTemplates: [{}] };

interface Case {
  readonly rule: string;
  /** Objects with the whole message of each violation. */
  readonly breaks: readonly [PolicyObject, ...string[]][];
  readonly keeps: readonly PolicyObject[];
}

const cases: Case[] = [
  {
    rule: "image-tag",
    breaks: [
      [
        deployment({ image: "ghcr.io/lsst-dm/enqueue:latest" }),
        'spec.template.spec.containers[0].image "ghcr.io/lsst-dm/enqueue:latest" has the tag latest, which moves. Name a version, or a digest.',
      ],
      [
        initContainer({ image: "registry.example.org:5000/redis" }),
        'spec.template.spec.initContainers[0].image "registry.example.org:5000/redis" has neither tag nor digest. Name a version, or a digest.',
      ],
      [
        cronJob({ image: "redis" }),
        'spec.jobTemplate.spec.template.spec.containers[0].image "redis" has neither tag nor digest. Name a version, or a digest.',
      ],
      [
        scaledJob({ image: "redis@sha256:12" }),
        'spec.jobTargetRef.template.spec.containers[0].image "redis@sha256:12" has neither tag nor digest. Name a version, or a digest.',
      ],
      [
        kubernetes("Cluster", { spec: { imageName: "postgresql" } }),
        'spec.imageName "postgresql" has neither tag nor digest. Name a version, or a digest.',
      ],
    ],
    keeps: [
      deployment(),
      deployment({ image: digest }),
      deployment({ image: `ghcr.io/a/${digest}` }),
      deployment({ image: "ghcr.io/lsst-dm/embargo-butler-ingest:0.99.2-w_2023_49" }),
      deployment({ image: unknown }),
      kubernetes("Service", { spec: {} }),
    ],
  },
  {
    rule: "probes",
    breaks: [
      [
        deployment({ readinessProbe: undefined, livenessProbe: undefined }),
        "container redis listens on a port and has no readinessProbe. Give it one.",
        "container redis listens on a port and has no livenessProbe. Give it one.",
      ],
    ],
    keeps: [
      deployment(),
      deployment({ ports: undefined, readinessProbe: undefined, livenessProbe: undefined }),
      initContainer({ readinessProbe: undefined }),
      cronJob({ readinessProbe: undefined, livenessProbe: undefined }),
    ],
  },
  {
    rule: "resources",
    breaks: [
      [
        deployment({ resources: undefined }),
        "container redis lacks resources requests.cpu, requests.memory, limits.cpu, limits.memory. Set them.",
      ],
      [
        initContainer({ resources: { requests: amounts, limits: { cpu: "1" } } }),
        "container init lacks resources limits.memory. Set them.",
      ],
      [
        cronJob({ resources: { limits: amounts } }),
        "container redis lacks resources requests.cpu, requests.memory. Set them.",
      ],
    ],
    keeps: [deployment(), initContainer({}), cronJob({}), namespace("restricted")],
  },
  {
    rule: "host-access",
    breaks: [
      [deployment({}, { hostNetwork: true }), "asks for hostNetwork. Remove it."],
      [
        deployment({}, { hostPID: true, hostIPC: true }),
        "asks for hostPID. Remove it.",
        "asks for hostIPC. Remove it.",
      ],
      [
        deployment({}, { volumes: [{ name: "data", hostPath: { path: "/" } }] }),
        "asks for hostPath (volume data). Remove it.",
      ],
      [deployment({ securityContext: { privileged: true } }), "asks for privileged (container redis). Remove it."],
      [
        initContainer({ securityContext: { allowPrivilegeEscalation: true } }),
        "asks for allowPrivilegeEscalation (container init). Remove it.",
      ],
      [
        cronJob({ securityContext: { capabilities: { add: ["NET_BIND_SERVICE", "SYS_ADMIN"] } } }),
        "asks for capabilities SYS_ADMIN (container redis). Remove it.",
      ],
      [deployment({ ports: [{ hostPort: 80 }] }), "asks for hostPort (container redis). Remove it."],
    ],
    keeps: [
      deployment({ securityContext: { privileged: false, capabilities: { drop: ["ALL"] } } }, { hostNetwork: false }),
      deployment({}, { volumes: [{ name: "tmp", emptyDir: {} }] }),
    ],
  },
  {
    rule: "pod-security",
    breaks: [
      [namespace(), "enforces nothing of Pod Security. Set the label pod-security.kubernetes.io/enforce: restricted."],
      [
        namespace("privileged"),
        "enforces privileged of Pod Security. Set the label pod-security.kubernetes.io/enforce: restricted.",
      ],
    ],
    keeps: [namespace("baseline"), namespace("restricted"), deployment()],
  },
  {
    rule: "pod-security-restricted",
    breaks: [
      [namespace("baseline"), "enforces baseline of Pod Security. Enforce restricted once all its images are ours."],
    ],
    keeps: [namespace("restricted"), deployment()],
  },
  {
    rule: "plain-secret",
    breaks: [
      [
        variable("REDIS_PASSWORD", "hunter2"),
        "variable REDIS_PASSWORD of container redis has its value in plain. Take it from a Secret (valueFrom.secretKeyRef).",
      ],
      ...["PGPASSWORD", "MYSQL_PWD", "REDISCLI_AUTH", "dbPassword", "API_TOKENS"].map(
        (name): [PolicyObject, string] => [
          variable(name, "hunter2"),
          `variable ${name} of container redis has its value in plain. Take it from a Secret (valueFrom.secretKeyRef).`,
        ],
      ),
      [
        variable("AWS_SECRET_ACCESS_KEY", "x1"),
        "variable AWS_SECRET_ACCESS_KEY of container redis has its value in plain. Take it from a Secret (valueFrom.secretKeyRef).",
      ],
      [
        variable("REGISTRY", "postgresql://butler:hunter2@host/db"),
        "spec.template.spec.containers[0].env[0].value is a URL with a password in it. Give the password by a Secret.",
      ],
      ...["--requirepass-token=hunter2", "--password"].map((word): [PolicyObject, string] => [
        cronJob({ args: [word, "hunter2"] }),
        `container redis is given ${word.split("=")[0]} as an argument, which every process list shows. Use a variable from a Secret, or a file.`,
      ]),
      [
        configMap({ "api-token": "hunter2" }),
        "data.api-token of the ConfigMap holds a secret in plain. Put it into a Secret.",
      ],
      [
        configMap({ "client.cfg": "[client]\nhost = a\ndb_password = hunter2\n" }),
        "data.client.cfg of the ConfigMap holds a secret in plain. Put it into a Secret.",
      ],
      [
        kubernetes("Secret", { stringData: { password: "hunter2" } }),
        "stringData.password is in plain in the state. Give it as a Pulumi secret, or declare a SecretReference.",
      ],
      [
        topic({ pushEndpoint: "http://user:hunter2@host/notify" }),
        "pushEndpoint is a URL with a password in it. Give the password by a Secret.",
      ],
    ],
    keeps: [
      deployment({ env: [{ name: "REDIS_PASSWORD", valueFrom: { secretKeyRef: { name: "redis", key: "p" } } }] }),
      variable("ALLOW_EMPTY_SECRET", "true"),
      variable("NOTIFICATION_SECRET", ""),
      variable("PASSWORD_FILE", "password.txt"),
      variable("TOKEN", "/run/secrets/token"),
      variable("REGISTRY", "postgresql://butler@host:5432/db"),
      variable("TOKENIZER", "standard"),
      variable("SECRET_NAME", "redis"),
      variable("LSST_DB_AUTH", "/home/lsst/.lsst/db-auth.yaml"),
      variable("AUTHORITY", "x"),
      deployment({ args: ["--password-file", "x", "--token=$(TOKEN)", "--verbose"] }),
      configMap({ "rucio.cfg": "account = a\nssh_private_key = /home/lsst/.lsst/key\n" }),
      kubernetes("Secret", { stringData: { password: "hunter2" } }, { isSecret: () => true }),
      topic({ opaqueData: "http://a:b@c" }, { isSecret: ([field]) => field === "opaqueData" }),
      { ...topic({ "usdf:secrets": "https://key:secret@host" }), type: "pulumi:providers:pulumi-nodejs" },
      topic({ __provider: "postgresql://user:password@host" }),
    ],
  },
  {
    rule: "every-network",
    breaks: [
      [
        networkPolicy({ ingress: [{ from: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }] }),
        "spec.ingress[0].from[0].ipBlock.cidr lets in or out 0.0.0.0/0. Name the networks that are meant.",
      ],
      [
        networkPolicy({ egress: [{ to: [{ ipBlock: { cidr: "::/0" } }] }] }),
        "spec.egress[0].to[0].ipBlock.cidr lets in or out ::/0. Name the networks that are meant.",
      ],
      [
        balancer({ loadBalancerSourceRanges: ["0.0.0.0/1", "128.0.0.0/1"] }),
        "spec.loadBalancerSourceRanges[0] lets in or out 0.0.0.0/1. Name the networks that are meant.",
        "spec.loadBalancerSourceRanges[1] lets in or out 128.0.0.0/1. Name the networks that are meant.",
      ],
      [
        kubernetes("Ingress", {
          metadata: {
            annotations: { "nginx.ingress.kubernetes.io/whitelist-source-range": "172.24.0.0/16, 0.0.0.0/0" },
          },
        }),
        "metadata.annotations.nginx.ingress.kubernetes.io/whitelist-source-range lets in or out 0.0.0.0/0. Name the networks that are meant.",
      ],
      [
        networkPolicy({ ingress: [{}], egress: [{ to: [] }] }),
        "an opening of ingress names neither peers nor ports. Name the ports, and the peers where they are known.",
        "an opening of egress names neither peers nor ports. Name the ports, and the peers where they are known.",
      ],
    ],
    keeps: [
      networkPolicy({ ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/8" } }] }, { ports: [{ port: 8080 }] }] }),
      networkPolicy({ ingress: [], egress: [{ ports: [{ port: 443 }] }] }),
      balancer({ loadBalancerSourceRanges: ["172.24.0.0/16", "fd00:24::/48", "192.0.2.1/32"] }),
      deployment({ args: ["http://host/0", "10/0", "1.2.3.4", "redis://cafe:6379/0", "cafe:6379/0"] }),
    ],
  },
  {
    rule: "open-balancer",
    breaks: [balancer({}), fixed("134.79.23.1"), fixed("172.24.10.41,134.79.23.1"), fixed("172.32.0.1")].map(
      (object): [PolicyObject, string] => [
        object,
        "is a load balancer for everyone who reaches its address. Set service.sources, or service.address to a private one.",
      ],
    ),
    keeps: [
      fixed("172.24.10.41"),
      fixed("fd00:24::41"),
      balancer({ loadBalancerSourceRanges: ["134.79.0.0/16"] }),
      balancer({ type: "ClusterIP" }),
    ],
  },
  {
    rule: "data-protected",
    breaks: [
      ...[
        namespace("restricted", {}),
        kubernetes("PersistentVolumeClaim", {}),
        kubernetes("StatefulSet", { spec: claims }),
        kubernetes("Cluster", {}),
        kubernetes("KafkaTopic", {}),
        topic({}),
        topic({}, { stack: "prod-embargo" }),
        { ...topic({}), type: "aws:s3/bucket:Bucket" },
      ].map((object): [PolicyObject, string] => [
        object,
        "holds data and is not protected. Set usdf:platform.protectData, or the resource option protect.",
      ]),
      [
        kubernetes(
          "StatefulSet",
          { spec: { ...claims, persistentVolumeClaimRetentionPolicy: { whenDeleted: "Delete" } } },
          { protect: true },
        ),
        "deletes its volumes with its pods (persistentVolumeClaimRetentionPolicy). Retain them.",
      ],
    ],
    keeps: [
      namespace("restricted", { protect: true }),
      kubernetes("StatefulSet", { spec: {} }),
      kubernetes("StatefulSet", { spec: claims }, { stack: "dev" }),
      kubernetes("StatefulSet", { spec: claims }, { protect: true }),
      topic({}, { protect: true }),
      topic({}, { stack: "production-like" }),
      deployment(),
    ],
  },
];

describe.each(cases)("$rule", ({ rule, breaks, keeps }) => {
  const one = rules.find(({ name }) => name === rule)!;
  it("tells of what breaks it, with what to do and without a value", () => {
    for (const [object, ...messages] of breaks) {
      expect(violationsOf(one, object, []).map(({ message }) => message)).toEqual(messages);
      expect(messages.join()).not.toContain("hunter2");
    }
  });
  it("lets pass what keeps to it", () => {
    for (const object of keeps) expect(violationsOf(one, object, []).map(({ message }) => message)).toEqual([]);
  });
});

it("every rule is tested here", () => {
  expect(cases.map(({ rule }) => rule)).toEqual(rules.map(({ name }) => name));
});

describe("an exception", () => {
  const rule = rules.find(({ name }) => name === "pod-security-restricted")!;
  const exception = { rule: rule.name, stack: "prod", object: "Namespace sts", reason: "it runs upstream's images" };

  it("is for one rule, stack and object, and goes along with the violation", () => {
    expect(violationsOf(rule, namespace("baseline"), [exception])[0]!.excepted).toBe(exception.reason);
    for (const other of [{ rule: "probes" }, { stack: "dev" }, { object: "Namespace tts" }])
      expect(violationsOf(rule, namespace("baseline"), [{ ...exception, ...other }])[0]!.excepted).toBeUndefined();
  });

  it("is shown for the pods of a workload that is being taken over, and for nothing else of it", () => {
    const { inputs, ...rest } = deployment({ image: "redis", resources: undefined });
    const adopting = {
      ...rest,
      inputs: { ...inputs, metadata: { name: "x", annotations: { "usdf/adopting": "true" } } },
    };
    for (const name of ["image-tag", "resources"]) {
      const [violation] = violationsOf(
        rules.find((one) => one.name === name)!,
        adopting,
        [],
      );
      expect(violation!.excepted).toBe("its pods are still those that it is taken over with");
    }
    const claimed = { ...adopting, inputs: { ...adopting.inputs, kind: "StatefulSet", spec: claims } };
    const [violation] = violationsOf(
      rules.find((one) => one.name === "data-protected")!,
      claimed,
      [],
    );
    expect(violation!.excepted).toBeUndefined();
  });

  it("has a reason, and is still needed", () => {
    const used = new Set<string>();
    for (const stack of ["prod", "dev", "local"])
      for (const { level, object, message } of checkPolicies(declarationOf(stacks.get(stack)!))) {
        const rule = /\((\S+), excepted: /.exec(message)?.[1];
        if (level === "note") used.add(`${rule} ${stack} ${object}`);
      }
    expect(exceptions.map(({ rule, stack, object }) => `${rule} ${stack} ${object}`).sort()).toEqual([...used].sort());
    for (const { reason } of exceptions) expect(reason.length).toBeGreaterThan(20);
  });
});

describe("the stacks as they are", () => {
  it.each(["prod", "dev", "local"])("%s breaks no mandatory rule", (stack) => {
    const findings = checkPolicies(declarationOf(stacks.get(stack)!));
    expect(findings.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("names objects as the preview does", () => {
    const declaration = declarationOf(stacks.get("prod")!);
    const shown = new Set(declaration.objects.map(({ kind, name }) => `${kind} ${name}`));
    for (const { object } of checkPolicies(declaration)) expect(shown).toContain(object);
    expect(titleOf(topic({}))).toBe("NotificationTopic rubin-sts");
  });

  it("a preview of prod without protection fails, and names rule, object and remedy", () => {
    const recorded = stacks.get("prod")!;
    const resources = recorded.resources.map((one) => ({ ...one, protect: false }));
    const findings = checkDeclaration(declarationOf({ ...recorded, resources }));
    expect(findings).toContainEqual({
      level: "error",
      stack: "prod",
      environment: "summit",
      object: "StatefulSet summit/redis",
      message:
        "holds data and is not protected. Set usdf:platform.protectData, or the resource option protect. (data-protected)",
    });
  });

  it("a secret value in plain is an error of the preview, a Pulumi secret is none", () => {
    const recorded = stacks.get("prod")!;
    const reference = recorded.resources.find(
      ({ type, name }) => type.endsWith(":StatefulSet") && name === "summit-redis",
    )!;
    const inputs = { apiVersion: "v1", kind: "Secret", metadata: { name: "s", namespace: "summit" } };
    const secret = { ...reference, type: "kubernetes:core/v1:Secret", urn: "urn:s", name: "s" };
    const with_ = (data: object, secrets: string[][]) =>
      checkDeclaration(
        declarationOf({
          ...recorded,
          resources: [...recorded.resources, { ...secret, secrets, inputs: { ...inputs, stringData: data } }],
        }),
      ).filter(({ object, level }) => object === "Secret summit/s" && level === "error");
    expect(with_({ password: "hunter2" }, []).map(({ message }) => message)).toEqual([
      "stringData.password is in plain in the state. Give it as a Pulumi secret, or declare a SecretReference. (plain-secret)",
    ]);
    expect(with_({ password: "[secret]" }, [["stringData", "password"]])).toEqual([]);
  });
});
