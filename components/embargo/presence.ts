import * as pulumi from "@pulumi/pulumi";
import { presenceContract } from "../../workloads/src/presence/contract";
import type { EmbargoEnvironment } from "../config";
import { foreignProgram, program, usdfImage, Workload } from "../platform";
import { type Environment, identity, redisConnection, toRedis, upstreamImage } from "./environment";
import { fromBalancer, loadBalancer } from "./service";

/** Tells clients which images have arrived. */
export class Presence extends pulumi.ComponentResource {
  /** What clients put before `/<instrument>/<group>/<snap>/<detector>`. */
  readonly url: pulumi.Output<string>;
  /** What its pods run. */
  readonly image: string;

  constructor(
    environment: Environment,
    presence: NonNullable<EmbargoEnvironment["presence"]>,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const name = `${environment.name}-presence`;
    super("usdf:embargo:Presence", name, {}, opts);
    const upstream = environment.runs("presence") === "upstream";
    const args = {
      image: upstream ? upstreamImage("presence", presence.upstreamTag) : usdfImage.workloads,
      imagePullPolicy: upstream ? presence.imagePullPolicy : undefined,
      resources: presence,
      env: redisConnection,
    };
    this.image = args.image;
    const names = identity(environment, "presence");
    const workload = new Workload(
      name,
      {
        ...names,
        run: { kind: "Deployment", replicas: presence.replicas },
        container: upstream
          ? foreignProgram(presenceContract, { ...args, serves: true })
          : program(presenceContract, { ...args, behindService: true }),
        accepts: [fromBalancer(presence.service, presenceContract.httpPort)],
        reaches: [toRedis(environment)],
      },
      { parent: this },
    );
    const { address } = loadBalancer(
      name,
      {
        namespace: environment.namespace,
        name: names.metadataName,
        labels: workload.labels,
        selector: workload.selector,
        port: { name: "presence-http", port: 8080, targetPort: presenceContract.httpPort },
        balancer: presence.service,
      },
      { parent: this },
    );
    this.url = pulumi.interpolate`http://${address}:8080/presence`;
    this.registerOutputs({ url: this.url });
  }
}
