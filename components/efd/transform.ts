import type * as pulumi from "@pulumi/pulumi";
import { transformEfdContract } from "../../workloads/src/transform-efd/contract";
import { type ContainerEnv, portOf, program, type Resources, type Run, usdfImage, Workload } from "../platform";
import { butlerConnection, databaseConnection, type Environment, labelsOf } from "./environment";

/** A program that is started by a schedule or a person, for one environment. */
export interface TransformArgs {
  /** Name of its CronJob. */
  readonly metadataName: string;
  /** `app.kubernetes.io/name`: what it is. */
  readonly component: string;
  readonly run: Omit<Extract<Run, { kind: "CronJob" }>, "kind">;
  /** What this one does, and over what time. */
  readonly env: Pick<
    ContainerEnv<typeof transformEfdContract>,
    "MODE" | "DATETIME_START" | "DATETIME_END" | "RESUME" | "FAILURE_MONITOR" | "MONITOR_WINDOW_DAYS"
  >;
  readonly chunks: { readonly chunkMinutes: number; readonly windowMinutes: number };
  /** One of `butlers`. */
  readonly butler: string;
  readonly resources: Resources;
}

/** The pods that all three modes run: they differ in what they are told to do, and when. */
export function transformWorkload(
  name: string,
  environment: Environment,
  { metadataName, component, run, env, chunks, butler, resources }: TransformArgs,
  parent: pulumi.Resource,
): Workload {
  const { settings, efd, namespace, platform } = environment;
  const { instrument, columnsFile, legacy } = settings;
  const { env: butlerEnv, families } = butlerConnection(environment, butler);
  const labels = labelsOf(environment);
  const claims = Object.entries(efd.volumes);
  return new Workload(
    name,
    {
      namespace,
      metadataName,
      system: "efd",
      environment: environment.name,
      component,
      labels,
      selector: { app: labels.app, "app.kubernetes.io/name": component },
      run: { kind: "CronJob", ...run },
      container: program(transformEfdContract, {
        image: usdfImage.workloads,
        resources,
        env: {
          CONFIG_FILE: columnsFile,
          INSTRUMENT: instrument,
          ...env,
          TIMEDELTA: chunks.chunkMinutes,
          TIMEWINDOW: chunks.windowMinutes,
          LEGACY_RMS: legacy.rms || undefined,
          LEGACY_START_OFFSET: legacy.startOffset || undefined,
          LEGACY_ZERO_VISITS: legacy.zeroVisits || undefined,
          LEGACY_BUCKETS: legacy.buckets || undefined,
          ...databaseConnection(environment),
          ...butlerEnv,
        },
        families,
        volumeMounts: claims.map(([claim, { mountPath }]) => ({ name: claim, mountPath, readOnly: true })),
      }),
      volumes: claims.map(([claim]) => ({ name: claim, persistentVolumeClaim: { claimName: claim } })),
      reaches: [{ peers: "anyone", ports: portsOf(environment, butler) }],
      monitoring: platform.monitoring,
    },
    { parent },
  );
}

/** Ports that are known, and those of what is in secrets. */
function portsOf({ efd }: Environment, butler: string): number[] {
  return [...new Set([...efd.egressPorts, portOf(efd.influxdb.url), efd.butlers[butler]!.port])].sort((a, b) => a - b);
}
