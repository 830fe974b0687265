import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { FanOutDocument } from "../../workloads/src/fan-out/contract";
import { CommandError } from "../exit";
import type { LocalConnector, LocalEfd, LocalInstrument, LocalPrompt, LocalStack } from "./api";
import type { Backing } from "./backing";
import type { Controller, Desired, Service } from "./manifest";
import type { SecretStore } from "./secrets";

const componentLabel = "app.kubernetes.io/name";
const environmentLabel = "app.kubernetes.io/instance";

/** What is known of a stack that runs. */
export interface RunningStack {
  readonly stack: string;
  readonly desired: Desired;
  readonly backing: Backing;
  readonly secrets: SecretStore;
  /** User of the gateway who owns the buckets. */
  readonly owner: string;
  /** Variables of a controller's first container. */
  readonly variablesOf: (controller: Controller) => Promise<NodeJS.ProcessEnv>;
  readonly addressOf: (service: Service) => string;
  /** Text with addresses for names. */
  readonly resolved: (text: string) => string;
}

/** Where things are, for commands. @throws CommandError before a stack with an ingester was applied. */
export async function describeStack(running: RunningStack): Promise<LocalStack> {
  const { stack, desired, backing, secrets, owner, variablesOf, addressOf } = running;
  const ingest = controllerOf(desired, stack, "ingest");
  const env = await variablesOf(ingest);
  const { BUCKET: path = "", BUTLER_REPO: butlerRepo = "", REDIS_HOST: host = "", REDIS_PASSWORD: password = "" } = env;
  const url = (component: string, page: string) => {
    const service = desired.services.find(({ metadata }) => metadata.labels[componentLabel] === component);
    return service && `http://${addressOf(service)}:${service.ports[0]!.port}${page}`;
  };
  return {
    environment: ingest.metadata.labels[environmentLabel] ?? stack,
    s3: { endpoint: backing.httpUrl("rgw"), ...secrets.s3(owner) },
    bucket: { name: path.slice(path.indexOf("@") + 1), path },
    redis: { host, port: Number(env.REDIS_PORT ?? 6379), password },
    enqueueUrl: url("enqueue", "/notify"),
    presenceUrl: url("presence", "/presence"),
    butlerRepo,
    efd: await describeEfd(running),
    prompt: await describePrompt(running),
  };
}

/** The controller of a component. @throws CommandError when there is none. */
export function controllerOf(desired: Desired, stack: string, component: string, environment?: string): Controller {
  const found = desired.controllers.find(
    ({ metadata: { labels } }) =>
      labels[componentLabel] === component && (environment ?? labels[environmentLabel]) === labels[environmentLabel],
  );
  if (!found) throw new CommandError(`stack ${stack} has no ${component} here; run usdf up first`);
  return found;
}

async function describePrompt({
  stack,
  desired,
  backing,
  variablesOf,
}: RunningStack): Promise<LocalPrompt | undefined> {
  const fanOut = desired.controllers.find(({ metadata }) => metadata.labels[componentLabel] === "next-visit-fan-out");
  if (!fanOut || !backing.has("kafka")) return undefined;
  const { NEXT_VISIT_TOPIC, KAFKA_BROKERS, REGISTRY_URL, INSTRUMENT_CONFIG_FILE, ...redis } = await variablesOf(fanOut);
  const { instruments } = parse(readFileSync(INSTRUMENT_CONFIG_FILE!, "utf8")) as FanOutDocument;
  const jobs = desired.controllers.filter((controller) => controller.kind === "ScaledJob");
  const services = jobs.map(async (job) => {
    const instrument = (await variablesOf(job)).RUBIN_INSTRUMENT!;
    const { stream, consumerGroup } = job.trigger;
    const { namespace, name } = job.metadata;
    const detectors = instruments[instrument]?.detectors ?? [];
    return [instrument, { namespace, name, stream, consumerGroup, detectors }] as const;
  });
  return {
    environment: fanOut.metadata.labels[environmentLabel] ?? stack,
    nextVisitTopic: NEXT_VISIT_TOPIC!,
    brokers: KAFKA_BROKERS!.split(","),
    registryUrl: REGISTRY_URL!,
    redis: { host: redis.REDIS_HOST!, port: Number(redis.REDIS_PORT ?? 6379), password: redis.REDIS_PASSWORD },
    services: Object.fromEntries(await Promise.all(services)),
  };
}

async function describeEfd({
  desired,
  backing,
  secrets,
  variablesOf,
  resolved,
}: RunningStack): Promise<LocalEfd | undefined> {
  if (!backing.has("influxdb") || !backing.has("kafka")) return undefined;
  const of = (component: string | RegExp) =>
    desired.controllers.filter(({ metadata: { labels } }) => {
      const name = labels[componentLabel] ?? "";
      return typeof component === "string" ? name === component : component.test(name);
    });
  const monitors = new Map(of("failure-monitor").map(({ metadata: { namespace, name } }) => [namespace, name]));
  const instruments = of("transform").map(async (controller) => {
    const env = await variablesOf(controller);
    const { namespace, name } = controller.metadata;
    const instrument: LocalInstrument = {
      namespace,
      cronJob: name,
      failureMonitor: monitors.get(namespace)!,
      chunkMinutes: Number(env.TIMEDELTA),
    };
    return [env.INSTRUMENT!, instrument] as const;
  });
  const connectors = of(/^connector-/).map(async (controller): Promise<LocalConnector> => {
    const env = await variablesOf(controller);
    return {
      namespace: controller.metadata.namespace,
      name: controller.metadata.name,
      topicPattern: env.TOPIC_PATTERN!,
      consumerGroup: env.CONSUMER_GROUP!,
      deadLetterTopic: env.DEAD_LETTER_TOPIC!,
      database: env.INFLUXDB_DATABASE!,
    };
  });
  return {
    sal: { brokers: [backing.place("kafka")], registryUrl: backing.registryUrl() },
    connectors: await Promise.all(connectors),
    influxdb: { url: backing.httpUrl("influxdb"), database: "efd", ...secrets.efdReader() },
    consdbUrl: resolved(secrets.consdbUrl()),
    instruments: Object.fromEntries(await Promise.all(instruments)),
  };
}
