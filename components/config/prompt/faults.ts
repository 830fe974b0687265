import type { z } from "zod";
import type { PromptEnvironment } from "./environment";
import { servicesOf, type ResolvedService, serviceFaults } from "./resolve";

type Fault = [(string | number)[], string];

interface Prompt {
  readonly instruments: Readonly<Record<string, unknown>>;
  readonly environments: Readonly<Record<string, PromptEnvironment>>;
}

/** What no single field shows: what is missing once layers are together, and combinations that cannot work. */
export function promptFaults(prompt: Prompt): Fault[] {
  return Object.entries(prompt.environments).flatMap(([name, environment]): Fault[] => {
    const path = ["environments", name];
    const same = Object.entries(prompt.environments).find(([other, { kubeContext }]) => other < name && kubeContext === environment.kubeContext); // prettier-ignore
    const faults: Fault[] = same === undefined ? [] : [[[...path, "kubeContext"], `is also that of ${same[0]}: namespaces of both would be the same`]]; // prettier-ignore
    const instruments = Object.keys(environment.services);
    const ofLayers = instruments.flatMap((instrument) =>
      serviceFaults(prompt, name, instrument).map((issue): Fault => [
        [...path, "services", instrument, ...(issue.path as (string | number)[])],
        said(issue),
      ]),
    );
    if (ofLayers.length > 0) return [...faults, ...ofLayers];
    const services = servicesOf(prompt, name);
    return [
      ...faults,
      ...services.flatMap(
        (service) =>
        faultsOf(service, environment).map(([where, message]): Fault => [[...path, "services", service.instrument, ...where], message]), // prettier-ignore
      ),
      ...clashes(services).map(([where, message]): Fault => [[...path, "services", ...where], message]),
    ];
  });
}

function said(issue: z.core.$ZodIssue): string {
  if (issue.input !== undefined || issue.code === "custom") return issue.message;
  const wanted = issue.code === "invalid_type" ? issue.expected : issue.code === "invalid_value" ? issue.values.join(" or ") : "a value"; // prettier-ignore
  return `is missing (${wanted}): no layer gives it; put it here, or into service for all of the environment`;
}

function faultsOf(service: ResolvedService, { redis, router, fileNotifications }: PromptEnvironment): Fault[] {
  const { detectors, image, standIn, driver, platform, worker, scaling, s3, limits, requests, cacheSize } = service;
  const faults: Fault[] = [];
  const unknown = (ids: readonly number[]) => ids.filter((id) => id >= detectors.count);
  const outside = `of which there are ${detectors.count}, from 0`;
  if (unknown(detectors.off).length > 0)
    faults.push([["detectors", "off"], `has ${unknown(detectors.off).join(", ")}, no detectors, ${outside}`]);
  for (const [visit, ids] of Object.entries(detectors.test)) {
    if (unknown(ids).length > 0)
      faults.push([["detectors", "test", visit], `has ${unknown(ids).join(", ")}, no detectors, ${outside}`]);
  }
  if (service.activeDetectors.length === 0)
    faults.push([["detectors", "off"], "leaves no detector. Take the service away instead"]);
  if (image.tag === undefined && !standIn) faults.push([["image", "tag"], "is missing: no release of the pipelines is named"]); // prettier-ignore
  if (standIn && driver === "upstream") faults.push([["standIn"], "needs driver gateway: it is started by that"]);
  if (driver === "upstream" && platform === "keda" && redis.password === "required")
    faults.push([
      ["driver"],
      "is upstream, whose workers know no password of Redis. Set redis.password to optional until all services are gateway",
    ]);
  if (driver === "gateway" && fileNotifications === undefined && router.kafka === undefined)
    faults.push([["driver"], "is gateway, whose workers are told of raws by a router: it needs fileNotifications, or router.kafka"]); // prettier-ignore
  if (platform === "knative" && driver === "gateway")
    faults.push([["platform"], "is knative, which needs driver upstream: the gateway reads a stream"]);
  if (platform === "keda" && scaling.min === 0 && scaling.activationLag > 0)
    faults.push([
      ["scaling", "activationLag"],
      `is ${scaling.activationLag}, with min 0: KEDA begins above it, so the last visits would wait for ever. Set it to 0`,
    ]);
  if (scaling.min > scaling.max) faults.push([["scaling", "min"], `is ${scaling.min}, more than max (${scaling.max})`]);
  if (s3.profile !== undefined && s3.credentials !== "file")
    faults.push([["s3", "profile"], "needs credentials file: variables know no profiles"]);
  if (driver === "gateway" && worker.leaseSeconds >= worker.timeoutSeconds)
    faults.push([["worker", "leaseSeconds"], `is ${worker.leaseSeconds}, not below timeoutSeconds (${worker.timeoutSeconds}): a lost visit would be found too late`]); // prettier-ignore
  for (const [name, amount] of [
    ["cpu", "cpu"],
    ["memory", "memory"],
    ["ephemeralStorage", "ephemeralStorage"],
  ] as const)
    // prettier-ignore
    if (bytes(requests[amount]!) > bytes(limits[amount]!))
      faults.push([["requests", name], `is ${requests[amount]}, more than its limit ${limits[amount]}`]);
  if (bytes(cacheSize) > bytes(limits.ephemeralStorage!))
    faults.push([["cacheSize"], `is ${cacheSize}, more than limits.ephemeralStorage (${limits.ephemeralStorage}): the pod would be evicted first`]); // prettier-ignore
  return faults;
}

/** What two services of an environment must not share. */
function clashes(services: readonly ResolvedService[]): Fault[] {
  const faults: Fault[] = [];
  for (const [what, of] of [
    [["stream", "name"], (one: ResolvedService) => one.stream.name],
    [["stream", "consumerGroup"], (one: ResolvedService) => one.stream.consumerGroup],
    [[], (one: ResolvedService) => one.fullName],
  ] as const) {
    const owners = new Map<string, string>();
    for (const service of services) {
      const owner = owners.get(of(service));
      if (owner !== undefined)
        faults.push([
          [service.instrument, ...what],
          `goes by ${of(service)}, as ${owner} does: visits of both would mix`,
        ]);
      owners.set(of(service), service.instrument);
    }
  }
  return faults;
}

/** An amount of Kubernetes as a number. */
function bytes(amount: string): number {
  const [, number = "0", unit = ""] = /^([\d.]+)(m|Ki|Mi|Gi|Ti)?$/.exec(amount) ?? [];
  return Number(number) * { "": 1, m: 1e-3, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 }[unit]!;
}
