import type { z } from "zod";
import { promptKey, slugOf } from "../../../workloads/src/lib/visits/keys";
import { knownInstruments } from "./instruments";
import { merged } from "./partial";
import { type PromptService, publishedTypes, serviceSchema } from "./service";

/** What a service is told, and where. The last one wins. */
interface Layers {
  readonly instruments: Readonly<Record<string, unknown>>;
  readonly environments: Readonly<Record<string, { readonly service?: unknown; readonly services: Readonly<Record<string, unknown>> }>>; // prettier-ignore
}

function layered(prompt: Layers, environment: string, instrument: string): unknown {
  const { service, services } = prompt.environments[environment]!;
  return merged({}, knownInstruments[instrument], prompt.instruments[instrument], service, services[instrument]);
}

/** Faults of a service that only show once its layers are together. */
export function serviceFaults(prompt: Layers, environment: string, instrument: string): z.core.$ZodIssue[] {
  return serviceSchema.safeParse(layered(prompt, environment, instrument), { reportInput: true }).error?.issues ?? [];
}

/** A service of an environment with every default filled in. */
export interface ResolvedService extends Omit<PromptService, "exportTypes" | "stream" | "readRepo"> {
  readonly instrument: string;
  /** Kubernetes name of it and of its namespace, and the end of its secret's path: `prompt-keda-lsstcam`. */
  readonly fullName: string;
  readonly exportTypes: readonly string[];
  readonly stream: PromptService["stream"] & { readonly name: string; readonly consumerGroup: string };
  readonly readRepo: string;
  /** Ids of the detectors that are processed. */
  readonly activeDetectors: readonly number[];
}

/** A service that the configuration has; the schema has looked at it already. */
export function serviceOf(prompt: Layers, environment: string, instrument: string): ResolvedService {
  const service = serviceSchema.parse(layered(prompt, environment, instrument));
  const { count, off } = service.detectors;
  return {
    ...service,
    instrument,
    fullName: `prompt-${service.platform === "keda" ? "keda" : "proto-service"}-${slugOf(instrument).replaceAll("_", "-")}`,
    exportTypes: service.exportTypes === "published" ? publishedTypes : service.exportTypes,
    stream: {
      ...service.stream,
      name: service.stream.name ?? promptKey.stream(instrument),
      consumerGroup: service.stream.consumerGroup ?? promptKey.consumerGroup(instrument),
    },
    readRepo: service.readRepo ?? service.centralRepo,
    activeDetectors: Array.from({ length: count }, (_, id) => id).filter((id) => !off.includes(id)),
  };
}

/** All services of an environment. */
export const servicesOf = (prompt: Layers, environment: string): ResolvedService[] =>
  Object.keys(prompt.environments[environment]!.services).map((one) => serviceOf(prompt, environment, one));
