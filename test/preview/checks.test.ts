import { checkDeclaration } from "../../local/preview/checks";
import { checkNetworks } from "../../local/preview/checks/networks";
import { declarationOf } from "../../local/preview/declaration";
import type { Declaration } from "../../local/preview/model";
import { type RecordedResource, type RecordedStack } from "../../local/record";
import { recorded as recordedStack } from "../support/recorded";

// It looks at the configuration alone, which no case changes: for all of them once.
jest.mock("../../local/preview/checks/sasquatch", () => {
  const { checkSasquatch } = jest.requireActual("../../local/preview/checks/sasquatch") as typeof import("../../local/preview/checks/sasquatch"); // prettier-ignore
  const found = new Map<string, ReturnType<typeof checkSasquatch>>();
  const once = (declaration: Declaration) => {
    const known = found.get(declaration.stack) ?? checkSasquatch(declaration);
    found.set(declaration.stack, known);
    return known;
  };
  return { checkSasquatch: once };
});

/* eslint-disable @typescript-eslint/no-explicit-any -- the tests break any field of any object */
type Break = (resources: RecordedResource[]) => void;
let recorded: RecordedStack;
/** What prod as it is has. */
let before: Set<string>;

beforeAll(async () => {
  recorded = await recordedStack("prod");
  before = new Set(show(declarationOf(recorded)));
});
const show = (declaration: Declaration) =>
  checkDeclaration(declaration).map(
    ({ level, environment, object, message }) => `${level} ${environment} ${object}: ${message}`,
  );

/** Findings of prod, with one thing changed, that prod as it is does not have. */
function findingsAfter(change: Break): string[] {
  const resources = structuredClone(recorded.resources) as RecordedResource[];
  change(resources);
  return show(declarationOf({ ...recorded, resources })).filter((line) => !before.has(line));
}

function find(resources: RecordedResource[], type: string, name: string): any {
  const found = resources.find((one) => one.type.endsWith(`:${type}`) && one.name === name);
  if (!found) throw new Error(`prod has no ${type} ${name}`);
  return found.inputs;
}
function remove(resources: RecordedResource[], type: string, name: string): void {
  const inputs = find(resources, type, name);
  resources.splice(
    resources.findIndex((one) => one.inputs === inputs),
    1,
  );
}
const podOf = (inputs: any) => inputs.spec.template.spec;
const envOf = (inputs: any, name: string) => podOf(inputs).containers[0].env.find((one: any) => one.name === name);

it("prod as it is has no error", () => {
  expect(checkDeclaration(declarationOf(recorded)).filter(({ level }) => level === "error")).toEqual([]);
});

const cases: { about: string; change: Break; says: (string | RegExp)[] }[] = [
  {
    about: "a field that the schema does not know",
    change: (all) => (find(all, "Deployment", "summit-idle").spec.replica = 1),
    says: [
      "error summit Deployment summit/embargo-butler-idle: spec.replica is no field of Deployment; did you mean replicas?",
    ],
  },
  {
    about: "a secret key that no one provides",
    change: (all) => (find(all, "ExternalSecret", "summit-redis").spec.data[0].secretKey = "redis-pasword"),
    says: expectEach(
      [
        "StatefulSet summit/redis",
        "Deployment summit/embargo-butler-enqueue",
        "CronJob summit/embargo-butler-reconcile",
      ],
      /wants key "redis-password" of Secret redis, which has redis-pasword\. Did you mean redis-pasword\?$/,
    ),
  },
  {
    about: "a Secret that is not there",
    change: (all) => remove(all, "ExternalSecret", "summit-new-s3"),
    says: [
      /Deployment summit-new\/embargo-butler-ingest: variable LSST_RESOURCES_S3_PROFILE_embargo of container ingest wants Secret s3, which no object provides\. Declare it, or correct the name\.$/,
    ],
  },
  {
    about: "a claim that is not there",
    change: (all) => remove(all, "PersistentVolumeClaim", "lfa-sdf-data-rubin"),
    says: [
      /Deployment lfa\/embargo-butler-ingest-lfa: volume sdf-data-rubin wants PersistentVolumeClaim sdf-data-rubin, which is not declared\./,
    ],
  },
  {
    about: "a ConfigMap that is not there",
    change: (all) => remove(all, "ConfigMap", "sts-rucio-cfg"),
    says: [/Deployment sts\/sts-butler-ingest: volume rucio-cfg wants ConfigMap rucio-cfg, which no object provides\./],
  },
  {
    about: "a volume that the pod does not have",
    change: (all) => (podOf(find(all, "Deployment", "summit-idle")).volumes = []),
    says: [/Deployment summit\/embargo-butler-idle: container idle mounts volume tmp, which the pod does not have\./],
  },
  {
    about: "a Service, NetworkPolicy and PodMonitor that select nothing",
    change: (all) => {
      find(all, "Deployment", "summit-presence").spec.template.metadata.labels.app = "presense";
    },
    says: [
      /Service summit\/\S+: selects no pods with app=presence,site=summit\. Pods of its namespace: /,
      /NetworkPolicy summit\/embargo-butler-presence: selects no pods with /,
      /PodMonitor summit\/embargo-butler-presence: selects no pods with /,
      /Deployment summit\/embargo-butler-presence: its selector .* does not fit the labels of its own pods\.$/,
    ],
  },
  {
    about: "a targetPort that no container has",
    change: (all) => (find(all, "Service", "summit-enqueue").spec.ports[0].targetPort = "htp"),
    says: [
      /Service summit\/\S+: targetPort htp of port 8080 is no port of Deployment summit\/embargo-butler-enqueue \(http=8000\)\. Correct it\.$/,
    ],
  },
  {
    about: "a monitor of a port that is not there",
    change: (all) => (find(all, "PodMonitor", "summit-idle").spec.podMetricsEndpoints[0].port = "metrics"),
    says: [/PodMonitor summit\/embargo-butler-idle: scrapes port "metrics", but what it selects has http\.$/],
  },
  {
    about: "a PodDisruptionBudget that selects nothing",
    change: (all) => (find(all, "PodDisruptionBudget", "summit-new-ingest").spec.selector.matchLabels.app = "x"),
    says: [/PodDisruptionBudget summit-new\/embargo-butler-ingest: selects no pods with app=x,/],
  },
  {
    about: "a StatefulSet without its Service",
    change: (all) => remove(all, "Service", "summit-redis"),
    says: [/StatefulSet summit\/redis: serviceName redis is no Service of its namespace\. Declare it\.$/],
  },
  {
    about: "a queue without an ingester, and an ingester without a queue",
    change: (all) => (envOf(find(all, "Deployment", "summit-ingest"), "BUCKET").value = "rubin-sumit"),
    says: [
      "error summit Deployment summit/embargo-butler-enqueue: queue rubin-summit has no ingester in its namespace. Ingesters here take rubin-sumit.",
      "error summit Deployment summit/embargo-butler-ingest: queue rubin-sumit is filled by nothing in its namespace. Enqueue here fills rubin-summit.",
    ],
  },
  {
    about: "no ingester at all",
    change: (all) => remove(all, "Deployment", "summit-ingest"),
    says: [
      /Deployment summit\/embargo-butler-enqueue: queue rubin-summit has no ingester in its namespace\. Declare one\.$/,
    ],
  },
  {
    about: "no enqueue at all",
    change: (all) => remove(all, "Deployment", "summit-enqueue"),
    says: [
      /Deployment summit\/embargo-butler-ingest: queue rubin-summit is filled by nothing in its namespace\. No enqueue is declared\.$/,
    ],
  },
  {
    about: "a notification to a topic that does not exist",
    change: (all) => remove(all, "NotificationTopic", "s3dfrgw-rubin-summit"),
    says: [
      /^error \S+ BucketNotification rubin-summit: entry rubin-summit-to-http goes to topic arn:aws:sns:default::rubin-summit, which does not exist in this stack\. Declare the topic\.$/,
      /^warning summit Deployment summit\/embargo-butler-enqueue: no notification of bucket rubin-summit in this stack reaches it/,
    ],
  },
  {
    about: "a notification to a topic of almost that name",
    change: (all) => {
      const inputs = find(all, "BucketNotification", "s3dfrgw-rubin-sts-rubin-sts-to-http");
      inputs.topicArn = "arn:aws:sns:default::rubin-stts";
      delete inputs.topicRevision;
    },
    says: [/entry rubin-sts-to-http goes to topic arn:aws:sns:default::rubin-stts, .*Did you mean rubin-sts\?$/],
  },
  {
    about: "a topic in another zonegroup",
    change: (all) =>
      (find(all, "BucketNotification", "sdfembs3-rubin-summit-rubin-summit-notification-8").topicArn =
        "arn:aws:sns:default::rubin-summit-notification-8"),
    says: [/goes to arn:aws:sns:default::rubin-summit-notification-8, but the topic is in zonegroup sdfembargo\.$/],
  },
  {
    about: "a topic that pushes to nobody of the stack",
    change: (all) =>
      (find(all, "NotificationTopic", "s3dfrgw-rubinobs-lfa-cp").pushEndpoint = "http://172.24.10.42:8080/notify"),
    says: [
      /^warning lfa NotificationTopic rubinobs-lfa-cp: pushes to http:\/\/172\.24\.10\.42:8080\/notify, which is no Service of this stack\. Is the address right\?$/,
    ],
  },
  {
    about: "settings of a topic that fit no push endpoint",
    change: (all) => (find(all, "NotificationTopic", "s3dfrgw-rubinobs-lfa-cp").kafkaAckLevel = "broker"),
    says: [
      /NotificationTopic rubinobs-lfa-cp: kafkaAckLevel counts for kafka:\/\/ only, and the push endpoint is http:\/\/\. Leave it out\.$/,
    ],
  },
  {
    about: "an object twice",
    change: (all) => {
      const service = all.find((one) => one.type.endsWith(":Service") && one.name === "summit-enqueue")!;
      all.push({ ...structuredClone(service), name: "again", urn: `${service.urn}-again` });
    },
    says: [/^error summit Service summit\/\S+: is declared twice\. Rename or remove one\.$/],
  },
  {
    about: "a load-balancer address twice",
    change: (all) => {
      find(all, "Service", "summit-enqueue").metadata.annotations["metallb.io/loadBalancerIPs"] = "172.24.10.41";
    },
    says: [/Service \S+: asks for load-balancer address 172\.24\.10\.41, which Service \S+ has\. Give it another\.$/],
  },
];

function expectEach(objects: string[], message: RegExp): RegExp[] {
  return objects.map((object) => new RegExp(`${object.replaceAll("/", "\\/")}: .*${message.source}`));
}

it.each(cases)("tells of $about", ({ change, says }) => {
  const findings = findingsAfter(change);
  for (const one of says)
    if (!findings.some((line) => (typeof one === "string" ? line === one : one.test(line))))
      throw new Error(`no finding ${one} among\n${findings.join("\n") || "(none)"}`);
});

it("tells of networks in allow lists that are taken otherwise than written, and of those that say nothing new", () => {
  const ingress = { allow: ["140.252.33.0/23", "140.252.90.0/23", "140.252.33.7"] };
  const config = { "usdf:sasquatch": { environments: { ldf: { ingress } } } };
  const declaration = { stack: "ldf", recorded: { yaml: { config } } } as unknown as Declaration;
  const where = {
    level: "warning",
    environment: "sasquatch-ldf",
    object: "usdf:sasquatch.environments.ldf.ingress.allow",
  };
  expect(checkNetworks(declaration)).toEqual([
    { ...where, message: '"140.252.33.0/23" is no network: 140.252.32.0/23 was taken. Correct it' },
    { ...where, message: '"140.252.33.7" says nothing new: 140.252.32.0/23 covers it. Correct it' },
  ]);
});

it("lets Services share an address when both say so", () => {
  const shared = findingsAfter((all) => {
    for (const name of ["summit-enqueue", "lfa-enqueue"])
      Object.assign(find(all, "Service", name).metadata.annotations, {
        "metallb.io/loadBalancerIPs": "172.24.10.41",
        "metallb.io/allow-shared-ip": "embargo",
      });
  });
  expect(shared.filter((line) => line.includes("load-balancer"))).toEqual([]);
});

it("tells that test is fed with another bucket than it ingests, as it is today", async () => {
  const findings = checkDeclaration(declarationOf(await recordedStack("dev")));
  expect(findings).toContainEqual({
    level: "warning",
    stack: "dev",
    environment: "test",
    object: "Deployment test/embargo-butler-enqueue",
    message:
      "gets notifications of bucket rubin-pp-dev by topic prompt-processing-dev-20260114, but ingests embargo@rubin-summit only: " +
      "they are dead-lettered. Feed it by a topic of its own bucket.",
  });
});
