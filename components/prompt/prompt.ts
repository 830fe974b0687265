import * as pulumi from "@pulumi/pulumi";
import { type PlatformConfig, type PromptConfig, servicesOf } from "../config";
import type { Outputs, PromptEnvironmentOutputs } from "../outputs";
import { usdfImage } from "../platform";
import { Alerts } from "./alerts";
import { alertStream } from "./alertStream";
import { OutputsKafka } from "./outputsKafka";
import { PromptDatabases } from "./databases";
import { environmentOf, prefixOf } from "./environment";
import { FileNotifications } from "./fileNotifications";
import { fanOutName, NextVisitFanOut } from "./fanOut";
import { knativeUrl } from "./knative";
import { PromptService } from "./promptService";
import { PromptRedis } from "./redis";
import { NotificationRouters, routedTopics, routerNamespace, routerSecrets } from "./router";

/** Arguments of {@link PromptProcessing}. */
export interface PromptProcessingArgs {
  /** Configuration of the system. */
  readonly prompt: PromptConfig;
  /** Environment in it. */
  readonly environment: string;
  readonly platform: PlatformConfig;
}

/** One environment of Prompt Processing: from next_visit events and raws to the workers of each instrument. */
export class PromptProcessing extends pulumi.ComponentResource {
  /** What the stack tells others of it. */
  readonly outputs: Outputs<PromptEnvironmentOutputs>;
  /** Kafka of the file notifications, which topics of Ceph may push to. Undefined where another one keeps it. */
  readonly fileNotifications: FileNotifications | undefined;

  constructor({ prompt, environment: name, platform }: PromptProcessingArgs, opts?: pulumi.ComponentResourceOptions) {
    super("usdf:prompt:PromptProcessing", prefixOf(name), {}, opts);
    const child = { parent: this };
    const environment = environmentOf(name, prompt, platform);
    const { settings } = environment;
    const services = servicesOf(prompt, name);
    const routed = routedTopics(services);
    const { fileNotifications, outputsKafka, alertStream: alerts, databases } = settings;
    const notifications = fileNotifications && new FileNotifications(environment, fileNotifications, routerSecrets(routed), child); // prettier-ignore
    this.fileNotifications = notifications;
    if (outputsKafka) new OutputsKafka(environment, outputsKafka, child);
    if (alerts) alertStream(environment, alerts, child);
    if (databases) new PromptDatabases(environment, databases, child);
    const clients = [
      fanOutName,
      ...services.map(({ fullName }) => fullName),
      ...(routed.length > 0 ? [fileNotifications?.namespace ?? routerNamespace] : []),
    ];
    const redis = new PromptRedis(environment, clients, child);
    new NextVisitFanOut(environment, services, child);
    if (routed.length > 0) new NotificationRouters(environment, routed, notifications, child);
    for (const service of services) new PromptService(environment, service, child);
    if (platform.monitoring.enabled) new Alerts(environment, services, redis.namespace, child);
    this.outputs = {
      kubeContext: settings.kubeContext,
      host: settings.host,
      redisEndpoint: redis.endpoint,
      nextVisitTopic: settings.fanOut.topic,
      services: Object.fromEntries(
        services.map((service) => [
          service.instrument,
          {
            namespace: service.fullName,
            driver: service.driver,
            platform: service.platform,
            stream: service.stream.name,
            consumerGroup: service.stream.consumerGroup,
            url: service.platform === "knative" ? knativeUrl(service) : undefined,
            rawTopic: service.raws.topic,
            imageBucket: service.s3.imageBucket,
            s3EndpointUrl: service.s3.endpointUrl,
            centralRepo: service.centralRepo,
            image: service.standIn ? usdfImage.workloads : `${service.image.repository}:${service.image.tag}`,
          },
        ]),
      ),
      image: usdfImage.workloads,
    };
    this.registerOutputs(this.outputs);
  }
}
