import * as pulumi from "@pulumi/pulumi";
import type { ResolvedService } from "../config";
import { type Container, envVars, type Run, Workload } from "../platform";
import { type Environment, identity, type Place } from "./environment";
import { pipelineVariables } from "./variables";
import { pipelineFiles, resourcesOf, serviceUser, workerReaches } from "./worker";

/** Names of the Job and the CronJob that prepare the repository for a service. */
export const initJobName = ({ fullName }: Pick<ResolvedService, "fullName">): string => `init-${fullName}`;
export const initCronName = ({ fullName }: Pick<ResolvedService, "fullName">): string => `cron-${fullName}`;

/**
 * Prepares the central repository: init-outputs of the release and the chain of the day, without which no worker can work.
 * A Job for each release, which workers are started after; a CronJob for each day of observation.
 */
export class InitOutput extends pulumi.ComponentResource {
  constructor(
    environment: Environment,
    service: ResolvedService,
    place: Place,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const name = `${environment.prefix}-init-${service.fullName}`;
    super("usdf:prompt:InitOutput", name, {}, opts);
    const { init } = service;
    const common = { limitSeconds: init.timeoutSeconds, backoffLimit: init.retries, keepSeconds: init.keepSeconds, forgivesDisruption: true }; // prettier-ignore
    const declare = (which: "init" | "cron", metadataName: string, run: Run) =>
      new Workload(
        `${environment.prefix}-${metadataName}`,
        { ...this.pod(environment, service, place, which, metadataName), run },
        { parent: this },
      );
    declare("init", initJobName(service), { kind: "Job", ...common });
    declare("cron", initCronName(service), {
      kind: "CronJob",
      ...common,
      schedule: "1 0 * * *",
      timeZone: zoneOf(init.utcOffsetHours),
      startingDeadlineSeconds: 23 * 3600, // late is better than a day without a chain
      replaces: true,
      suspend: init.suspend,
    });
    this.registerOutputs();
  }

  private pod(
    environment: Environment,
    service: ResolvedService,
    place: Place,
    which: "init" | "cron",
    metadataName: string,
  ) {
    const { init, image } = service;
    const initImage = `${init.repository}:${image.tag}`;
    const { mounts, volumes, initContainers } = pipelineFiles(service, initImage, image.pullPolicy);
    const container: Container = {
      name: "init-output",
      image: initImage,
      imagePullPolicy: image.pullPolicy,
      env: envVars(pipelineVariables(service)),
      probes: {},
      resources: resourcesOf(init),
      volumeMounts: mounts,
      metrics: false,
      restricted: true,
      writesRoot: true, // an image of others: it writes beside its code
      longestStepSeconds: 15,
    };
    return {
      ...identity(environment, place, `prompt-${which}`, metadataName),
      container,
      initContainers,
      volumes,
      user: serviceUser,
      podAnnotations: init.podAnnotations,
      reaches: workerReaches(service),
    };
  }
}

/** Zone with an offset from UTC: its sign is turned round in `Etc`. */
function zoneOf(utcOffsetHours: number): string {
  if (utcOffsetHours === 0) return "Etc/UTC";
  return `Etc/GMT${utcOffsetHours < 0 ? "+" : "-"}${Math.abs(utcOffsetHours)}`;
}
