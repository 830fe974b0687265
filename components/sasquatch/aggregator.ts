import * as pulumi from "@pulumi/pulumi";
import { aggregatorContract } from "../../workloads/src/aggregator/contract";
import { program, usdfImage, Workload } from "../platform";
import { type Environment, identity, kafkaAccess, reachesRegistry, registryUrl } from "./environment";
import type { LongTermPlan } from "./plan";
import { recordConnection } from "./recordConnection";

/**
 * Makes statistics of windows of a client's telemetry, in topics `<topic>-aggregated` of this cluster: those of mirrored
 * topics lose the prefix, and their schemas are in this cluster's own registry, since ids of two registries would clash.
 */
export class Aggregator extends pulumi.ComponentResource {
  constructor(
    environment: Environment,
    plan: Extract<LongTermPlan, { kind: "aggregate" }>,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const component = `aggregator-${plan.client.replaceAll(".", "-")}`;
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:Aggregator", name, {}, opts);
    const kafka = kafkaAccess(environment, plan.kafkaUser);
    const { windowSeconds } = plan.settings;
    new Workload(
      name,
      {
        ...identity(environment, component),
        run: { kind: "Deployment", replicas: 1 },
        container: program(aggregatorContract, {
          image: usdfImage.workloads,
          env: {
            ...kafka.env,
            ...recordConnection(plan, registryUrl(environment, plan.registry)),
            WINDOW_SECONDS: windowSeconds,
            ...(plan.removePrefix !== "" && {
              REMOVE_PREFIX: plan.removePrefix,
              OUTPUT_REGISTRY_URL: registryUrl(environment, "local"),
            }),
          },
          resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { cpu: "1", memory: "512Mi" } },
          volumeMounts: kafka.volumeMounts,
        }),
        volumes: kafka.volumes,
        reaches: [
          kafka.reaches,
          reachesRegistry(environment, plan.registry),
          ...(plan.registry === "local" ? [] : [reachesRegistry(environment, "local")]),
        ],
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}
