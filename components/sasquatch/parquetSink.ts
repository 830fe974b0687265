import * as pulumi from "@pulumi/pulumi";
import { parquetSinkContract } from "../../workloads/src/parquet-sink/contract";
import { portOf, program, usdfImage, Workload } from "../platform";
import { s3Fields } from "./connectors";
import { type Environment, identity, kafkaAccess, reachesRegistry, registryUrl, secretKey } from "./environment";
import type { LongTermPlan } from "./plan";
import { recordConnection } from "./recordConnection";

/** Writes a client's topics to hourly Parquet files in S3, as its Kafka user. */
export class ParquetSink extends pulumi.ComponentResource {
  constructor(
    environment: Environment,
    plan: Extract<LongTermPlan, { kind: "parquet" }>,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const component = `parquet-sink-${plan.client.replaceAll(".", "-")}`;
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:ParquetSink", name, {}, opts);
    const kafka = kafkaAccess(environment, plan.kafkaUser);
    const { bucket, endpointUrl, prefix } = plan.settings;
    new Workload(
      name,
      {
        ...identity(environment, component),
        run: { kind: "Deployment", replicas: 1 },
        container: program(parquetSinkContract, {
          image: usdfImage.workloads,
          env: {
            ...kafka.env,
            ...recordConnection(plan, registryUrl(environment, plan.registry)),
            BUCKET: bucket,
            TOPICS_DIR: prefix,
            S3_ENDPOINT_URL: endpointUrl,
            AWS_ACCESS_KEY_ID: secretKey(s3Fields.accessKeyId),
            AWS_SECRET_ACCESS_KEY: secretKey(s3Fields.secretAccessKey),
          },
          // 128 MiB of records that wait, and one row group of each of four files as it is encoded
          resources: { requests: { cpu: "100m", memory: "512Mi" }, limits: { cpu: "1", memory: "1Gi" } },
          volumeMounts: kafka.volumeMounts,
        }),
        volumes: kafka.volumes,
        reaches: [
          kafka.reaches,
          reachesRegistry(environment, plan.registry),
          { peers: "anyone", ports: [portOf(endpointUrl)] },
        ],
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}
