import * as pulumi from "@pulumi/pulumi";
import type { ResolvedService } from "../config";
import { customResource, type Trigger, volumeClaim, Workload } from "../platform";
import { declarePlace, type Environment, identity, type Place, redisConnection, redisSecret } from "./environment";
import { InitOutput } from "./initOutput";
import { declareKnativeService } from "./knative";
import { secretFieldsOf, secretNameOf } from "./variables";
import { dataClaim, workerPod, workerReaches } from "./worker";

/** The workers of one instrument, in a namespace of their own: started by KEDA as visits come, or served by Knative. */
export class PromptService extends pulumi.ComponentResource {
  constructor(environment: Environment, service: ResolvedService, opts?: pulumi.ComponentResourceOptions) {
    const { prefix, platform } = environment;
    const name = `${prefix}-${service.fullName}`;
    super("usdf:prompt:PromptService", name, {}, opts);
    const fields = Object.fromEntries(secretFieldsOf(service).map((field) => [field, field]));
    const place = declarePlace(
      environment,
      service.fullName,
      {
        // The image's own program knows no password.
        ...(service.driver === "gateway" || environment.settings.redis.password === "required" ? redisSecret : {}),
        [secretNameOf(service)]: { path: service.fullName, fields },
      },
      this,
    );
    if (service.sdfData) {
      const volume = { storageClass: dataClaim.name, size: "1Gi", accessMode: "ReadOnlyMany" };
      const claim = { namespace: place.namespace, name: dataClaim.name, volume, protect: platform.protectData };
      volumeClaim(`${prefix}-${service.fullName}-${dataClaim.name}`, claim, this);
    }
    // A program that stands for the pipelines has no repository.
    const init = service.standIn ? undefined : new InitOutput(environment, service, place, { parent: this });
    const opts2 = { parent: this, dependsOn: init };
    if (service.platform === "knative") declareKnativeService(environment, service, place, opts2);
    else this.workers(environment, service, place, opts2);
    this.registerOutputs();
  }

  private workers(
    environment: Environment,
    service: ResolvedService,
    place: Place,
    opts: pulumi.ComponentResourceOptions,
  ): void {
    const { scaling } = service;
    const names = identity(environment, place, service.fullName);
    const labels = { ...names.labels, instrument: service.instrument.toLowerCase() };
    const name = `${environment.prefix}-${service.fullName}-workers`;
    new Workload(
      name,
      {
        ...names,
        labels,
        ...workerPod(service, environment.settings),
        run: {
          kind: "ScaledJob",
          ...scaling,
          triggers: [this.trigger(environment, service, place)],
        },
        podAnnotations: { "prometheus.io/port": "8000", "prometheus.io/scrape": "true", ...service.podAnnotations },
        prefers: service.preferredNodes,
        reaches: workerReaches(service),
      },
      opts,
    );
  }

  /** KEDA goes by the lag of the group: entries that no worker has read. */
  private trigger(environment: Environment, service: ResolvedService, { namespace }: Place): Trigger {
    const { scaling, stream, fullName } = service;
    const metadata = {
      host: redisConnection.REDIS_HOST,
      port: "6379",
      stream: stream.name,
      consumerGroup: stream.consumerGroup,
      activationLagCount: String(scaling.activationLag),
      lagCount: String(scaling.lagPerWorker),
      pendingEntriesCount: String(scaling.pendingPerWorker),
    };
    if (environment.settings.redis.password === "optional") return { type: "redis-streams", metadata };
    customResource(
      `${environment.prefix}-${fullName}-redis`,
      {
        apiVersion: "keda.sh/v1alpha1",
        kind: "TriggerAuthentication",
        metadata: { name: "redis", namespace },
        spec: { secretTargetRef: [{ parameter: "password", name: "redis", key: "redis-password" }] },
      },
      { parent: this },
    );
    return { type: "redis-streams", metadata, authentication: "redis" };
  }
}
