import * as pulumi from "@pulumi/pulumi";
import { idleContract } from "../../workloads/src/idle/contract";
import { foreignProgram, program, usdfImage, Workload } from "../platform";
import { type Environment, identity, redisConnection, toRedis, upstreamImage } from "./environment";

/** Gives back the work of lost pods, and publishes the state of the environment's Redis. */
export class Idle extends pulumi.ComponentResource {
  /** What its pods run. */
  readonly image: string;

  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.name}-idle`;
    super("usdf:embargo:Idle", name, {}, opts);
    const { idle } = environment.settings;
    const upstream = environment.runs("idle") === "upstream";
    const args = {
      image: upstream ? upstreamImage("idle", idle.upstreamTag) : usdfImage.workloads,
      imagePullPolicy: upstream ? idle.imagePullPolicy : undefined,
      resources: idle,
      env: redisConnection,
    };
    this.image = args.image;
    new Workload(
      name,
      {
        ...identity(environment, "idle"),
        run: { kind: "Deployment", replicas: idle.replicas },
        container: upstream ? foreignProgram(idleContract, { ...args, serves: false }) : program(idleContract, args),
        reaches: [toRedis(environment)],
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}
