import * as pulumi from "@pulumi/pulumi";
import { reconcileContract } from "../../workloads/src/reconcile/contract";
import { program, usdfImage, Workload } from "../platform";
import { type Environment, identity, redisConnection, storeConnection, toRedis } from "./environment";
import { butlerStorage, s3Ports } from "./ingest";

/** Compares the bucket with what was ingested, and queues again what no notification told of. */
export class Reconcile extends pulumi.ComponentResource {
  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.name}-reconcile`;
    super("usdf:embargo:Reconcile", name, {}, opts);
    const { reconcile, enqueue, ingest } = environment.settings;
    const image = usdfImage.ingest;
    const storage = butlerStorage(environment, { image, restricted: true });
    const store = storeConnection(environment);
    new Workload(
      name,
      {
        ...identity(environment, "reconcile"),
        run: {
          kind: "CronJob",
          schedule: reconcile.schedule,
          suspend: reconcile.suspend,
          limitSeconds: 3000, // below an hour, the time to the next run
        },
        container: program(reconcileContract, {
          image,
          resources: reconcile,
          env: {
            ...redisConnection,
            ...store.env,
            DATASET_REGEXP: enqueue.datasetRegexp,
            LOOKBACK_DAYS: reconcile.lookbackDays,
          },
          families: store.families,
          volumeMounts: storage.mounts,
        }),
        initContainers: storage.initContainers,
        volumes: storage.volumes,
        user: { runAsUser: 1000, runAsGroup: ingest.runAsGroup ?? 1000 },
        reaches: [
          toRedis(environment),
          { peers: "anyone", ports: [...new Set([...ingest.egressPorts, ...s3Ports(environment)])] },
        ],
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}
