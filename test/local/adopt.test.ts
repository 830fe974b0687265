import { planAdoption } from "../../local/adopt";
import { differencesOf } from "../../local/adopt/differences";
import { type Adoption, adoptionOf, importFile, targets } from "../../local/adopt/importList";
import { sharedWith } from "../../local/adopt/owners";
import { readStackYaml, recordStack } from "../../local/record";
import { without } from "../support/without";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds, changed field by field */

let adoption: Adoption;
beforeAll(async () => {
  // What is left out takes longest, and is not adopted here.
  const yaml = { config: without(readStackYaml("prod").config as any, "efd", "sasquatch", "prompt") };
  const { environments } = yaml.config["usdf:embargo"];
  environments.summit = { ...environments.summit, image: "upstream", adopting: true };
  adoption = adoptionOf(await recordStack("prod", { config: yaml }), "summit")!;
});
const find = (kind: string, name: string) =>
  structuredClone(adoption.objects.find((one) => one.kind === kind && one.name === name)!) as any;

it("lists parents before children, and every name that is referred to", () => {
  const chosen = adoption.objects.filter(({ kind }) => ["Namespace", "Deployment", "StatefulSet"].includes(kind));
  const { resources } = importFile(adoption, chosen);
  const known = new Set<string>();
  for (const { name, parent, provider } of resources) {
    for (const needed of [parent, provider]) if (needed !== undefined) expect([...known]).toContain(needed);
    expect([...known]).not.toContain(name);
    known.add(name);
  }
  expect(resources.flatMap(({ id }) => id ?? []).sort()).toEqual([
    "summit",
    "summit/embargo-butler-enqueue",
    "summit/embargo-butler-idle",
    "summit/embargo-butler-ingest",
    "summit/embargo-butler-presence",
    "summit/redis",
  ]);
});

it("targets this environment under the engine's URNs, and no other", () => {
  const urns = targets(adoption);
  expect(urns).toContain(
    "urn:pulumi:prod::usdf::usdf:embargo:EmbargoIngest$usdf:embargo:Redis$usdf:platform:Workload$" +
      "kubernetes:apps/v1:StatefulSet::summit-redis",
  );
  expect(urns).toContain("urn:pulumi:prod::usdf::pulumi:providers:kubernetes::usdf-embargo-dmz");
  expect(urns.filter((urn) => /::(summit-new|tts)/.test(urn))).toEqual([]);
});

it("holds back the network policies of pods that stay", () => {
  const { objects } = adoption;
  expect(objects.filter(({ kind }) => kind === "NetworkPolicy")).toEqual([]);
});

it("marks workloads whose pods stay, for policies, and admits today's pods to the namespace", () => {
  const pods = adoption.objects.filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet");
  expect(pods.map(({ content }: any) => content.metadata.annotations)).toEqual(
    Array(5).fill({ "usdf/adopting": "true" }),
  );
  const { content } = find("Namespace", "summit");
  expect(content.metadata.labels["pod-security.kubernetes.io/enforce"]).toBe("baseline");
});

describe("what a take-over would break", () => {
  const cases: [string, string, string, (live: any) => void, string][] = [
    [
      "another name of the Service of a StatefulSet",
      "StatefulSet",
      "summit/redis",
      ({ spec }) => (spec.serviceName = "cache"),
      "error StatefulSet summit/redis spec.serviceName is cache, declared redis: cannot be changed in place: the object would be made anew.",
    ],
    [
      "another name of the volumes",
      "StatefulSet",
      "summit/redis",
      ({ spec }) => (spec.volumeClaimTemplates[0].metadata.name = "store"),
      'error StatefulSet summit/redis spec.volumeClaimTemplates is ["store"], declared ["data"]: names the volumes: pods with other names of them would start empty.',
    ],
    [
      "another size of the volumes",
      "StatefulSet",
      "summit/redis",
      ({ spec }) => (spec.volumeClaimTemplates[0].spec.resources.requests.storage = "20Gi"),
      "warning StatefulSet summit/redis spec.volumeClaimTemplates is ",
    ],
    [
      "a headless Service",
      "Service",
      "summit/redis",
      ({ spec }) => (spec.clusterIP = "None"),
      "error Service summit/redis spec.clusterIP is None, declared an address: cannot be changed in place: the object would be made anew.",
    ],
    [
      "a fixed address that is not declared",
      "Service",
      "summit/embargo-butler-enqueue",
      ({ metadata }) => (metadata.annotations["metallb.io/loadBalancerIPs"] = "172.24.5.174"),
      "warning Service summit/embargo-butler-enqueue metadata.annotations of MetalLB is ",
    ],
    [
      "more pods than are declared",
      "Deployment",
      "summit/embargo-butler-ingest",
      ({ spec }) => (spec.replicas = 4),
      "error Deployment summit/embargo-butler-ingest spec.replicas is 4, declared 1: pods would stop. Set replicas to what is there.",
    ],
  ];
  it.each(cases)("%s", (_about, kind, name, change, says) => {
    const { content } = find(kind, name);
    expect(differencesOf(content, structuredClone(content))).toEqual([]);
    const live = structuredClone(content);
    change(live);
    const found = differencesOf(content, live).map(({ level, object, message }) => `${level} ${object} ${message}`);
    expect(found.some((line) => line.startsWith(says))).toBe(true);
  });
});

describe("who else deploys an object", () => {
  const entry = (manager: string, more: object = {}) => ({ manager, operation: "Update", ...more });
  const ask = (managedFields: object[], annotations?: object) => {
    const object = find("Deployment", "summit/embargo-butler-idle");
    const live = { ...object.content, metadata: { ...object.content.metadata, managedFields, annotations } };
    return sharedWith(object, live, "usdf-embargo-dmz");
  };
  const ours = entry("pulumi-kubernetes-0a1b2c3d", { operation: "Apply" });

  it("is nobody where only ours and controllers set fields", () => {
    expect(ask([ours, entry("kube-controller-manager", { subresource: "status" })])).toBeUndefined();
    expect(ask([ours, entry("kubectl", { subresource: "status" })])).toBeUndefined();
  });
  it("is taken out from the end of the list, so that places stay true", () => {
    const shared = ask([entry("kubectl-client-side-apply"), ours, entry("argocd-controller")], {
      "kubectl.kubernetes.io/last-applied-configuration": "{}",
    });
    expect(shared).toMatchObject({ ours: true, managers: ["kubectl-client-side-apply", "argocd-controller"] });
    const [, patch] = /--patch=(\[.*\])'$/.exec(shared!.release)!;
    expect(JSON.parse(patch!)).toEqual([
      { op: "test", path: "/metadata/managedFields/0/manager", value: "kubectl-client-side-apply" },
      { op: "test", path: "/metadata/managedFields/2/manager", value: "argocd-controller" },
      { op: "remove", path: "/metadata/managedFields/2" },
      { op: "remove", path: "/metadata/managedFields/0" },
      { op: "remove", path: "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration" },
    ]);
    expect(shared!.release).toMatch(
      /^kubectl --context usdf-embargo-dmz --namespace summit patch Deployment\.v1\.apps embargo-butler-idle --type=json /,
    );
  });
  it("has no command before ours has the object: nobody would own its fields", () => {
    expect(ask([entry("kubectl-client-side-apply")])).toMatchObject({ ours: false, release: "" });
  });
});

it("takes over both CronJobs of an instrument as they are; its back-fills, which are Jobs today, are made new", async () => {
  const { adoption, imported, created, differences, steps } = await planAdoption("prod-lsstcam", {
    live: false,
    out: "o.json",
  });
  expect([adoption.system, adoption.stack, adoption.kubeContext]).toEqual(["efd", "prod", "usdf-consdb"]);
  expect(imported.map(({ kind, name }) => `${kind} ${name}`).sort()).toEqual([
    "CronJob prod-lsstcam/transformed-efd-prod",
    "CronJob prod-lsstcam/transformed-efd-prod-failure-monitor",
    "Namespace prod-lsstcam",
    "PersistentVolumeClaim prod-lsstcam/sdf-data-rubin",
    "PersistentVolumeClaim prod-lsstcam/sdf-group-rubin",
  ]);
  expect(created.map(({ kind, name }) => `${kind} ${name}`)).toEqual(
    expect.arrayContaining([
      "CronJob prod-lsstcam/transformed-efd-prod-lsstcam-2025-10",
      "ExternalSecret prod-lsstcam/efd-transform-secrets",
    ]),
  );
  expect(differences).toEqual([]);
  expect(JSON.stringify(steps)).not.toContain("adopting");
  const { resources } = importFile(adoption, imported);
  expect(resources.filter(({ id }) => id !== undefined)).toHaveLength(5);
  expect(targets(adoption)).toContain(
    "urn:pulumi:prod::usdf::usdf:efd:TransformedEfd$usdf:efd:TransformCronJob$usdf:platform:Workload$" +
      "kubernetes:batch/v1:CronJob::prod-lsstcam-transform",
  );
});
