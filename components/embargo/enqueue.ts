import * as pulumi from "@pulumi/pulumi";
import { enqueueContract } from "../../workloads/src/enqueue/contract";
import { foreignProgram, type Opening, program, usdfImage, Workload } from "../platform";
import { type Environment, identity, redisConnection, secretKey, toRedis, upstreamImage } from "./environment";
import { fromBalancer, loadBalancer } from "./service";

/** Receives bucket notifications, as a webhook behind a load balancer or from Kafka, and queues object paths. */
export class Enqueue extends pulumi.ComponentResource {
  /** What a topic pushes to: URL of the webhook, or `kafka://` and the brokers. */
  readonly pushEndpoint: pulumi.Output<string>;
  /** What its pods run. */
  readonly image: string;

  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.name}-enqueue`;
    super("usdf:embargo:Enqueue", name, {}, opts);
    const { settings, namespace, bucket } = environment;
    const { enqueue } = settings;
    const { kafka } = enqueue;
    const isWebhook = kafka === undefined;
    const upstream = environment.runs("enqueue") === "upstream";
    const args = {
      image: upstream ? upstreamImage("enqueue", enqueue.upstreamTag) : usdfImage.workloads,
      imagePullPolicy: upstream ? enqueue.imagePullPolicy : undefined,
      resources: enqueue,
      env: {
        ...redisConnection,
        ENQUEUE_MODE: isWebhook ? ("webhook" as const) : ("kafka" as const),
        BUCKETS: bucket,
        PROFILE: settings.profile,
        DATASET_REGEXP: enqueue.datasetRegexp,
        ...(isWebhook && enqueue.allowEmptySecret ? { ALLOW_EMPTY_SECRET: true } : {}),
        ...(isWebhook && !enqueue.allowEmptySecret ? { NOTIFICATION_SECRET: secretKey("notification", "secret") } : {}),
        ...(kafka && {
          KAFKA_CLUSTER: kafka.cluster,
          KAFKA_TOPIC: kafka.topic,
          KAFKA_GROUP_ID: kafka.group,
          KAFKA_OFFSET_RESET: kafka.offsetReset,
        }),
      },
    };
    this.image = args.image;
    const toKafka: Opening[] = kafka ? [{ peers: "anyone", ports: kafkaPorts(kafka.cluster) }] : [];
    const workload = new Workload(
      name,
      {
        ...identity(environment, "enqueue"),
        run: { kind: "Deployment", replicas: enqueue.replicas },
        container: upstream
          ? foreignProgram(enqueueContract, {
              ...args,
              serves: isWebhook,
              // Upstream wants the variable even where the secret is empty.
              more: enqueue.allowEmptySecret ? { NOTIFICATION_SECRET: "" } : {},
            })
          : program(enqueueContract, { ...args, behindService: isWebhook }),
        accepts: isWebhook ? [fromBalancer(enqueue.service, enqueueContract.httpPort)] : [],
        reaches: [toRedis(environment), ...toKafka],
      },
      { parent: this },
    );
    if (kafka) {
      this.pushEndpoint = pulumi.output(`kafka://${kafka.cluster}`);
    } else {
      const { metadataName } = identity(environment, "enqueue");
      const { labels, selector } = workload;
      const port = { name: "enqueue-webhook", port: 8080, targetPort: enqueueContract.httpPort };
      const { address } = loadBalancer(
        name,
        { namespace, name: metadataName, labels, selector, port, balancer: enqueue.service },
        { parent: this },
      );
      this.pushEndpoint = pulumi.interpolate`http://${address}:8080/notify`;
    }
    this.registerOutputs({ pushEndpoint: this.pushEndpoint });
  }
}

function kafkaPorts(cluster: string): number[] {
  return [...new Set(cluster.split(",").map((broker) => Number(broker.split(":")[1])))];
}
