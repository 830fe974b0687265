import * as pulumi from "@pulumi/pulumi";
import { notificationRouterContract } from "../../workloads/src/notification-router/contract";
import type { ResolvedService } from "../config";
import { type Opening, program, usdfImage, type Volume, type VolumeMount, Workload } from "../platform";
import {
  declarePlace,
  declareSecrets,
  type Environment,
  identity,
  type Place,
  redisConnection,
  redisSecret,
  toRedis,
} from "./environment";
import { portsOf } from "./fanOut";

/** How routers reach the Kafka of the file notifications. */
export interface RouterKafka {
  /** Namespace of the cluster, where the Secret of its user is. */
  readonly place: Place;
  readonly env: {
    readonly KAFKA_BROKERS: string;
    readonly KAFKA_TLS?: boolean;
    readonly KAFKA_CA_FILE?: string;
    readonly KAFKA_CERT_FILE?: string;
    readonly KAFKA_KEY_FILE?: string;
  };
  readonly volumes: readonly Volume[];
  readonly volumeMounts: readonly VolumeMount[];
  readonly reaches: Opening;
}

/** Namespace of routers of a Kafka that another one keeps. */
export const routerNamespace = "notification-router";

const secretName = "notification-router-secret";

/** A topic of file notifications, and the object store that it is about. */
interface RoutedTopic {
  readonly topic: string;
  readonly s3: ResolvedService["s3"];
}

/** Topics that workers of the gateway are told of, each once. */
export function routedTopics(services: readonly ResolvedService[]): RoutedTopic[] {
  const told = services.filter(({ driver }) => driver === "gateway");
  return [...new Map(told.map(({ raws, s3 }) => [raws.topic, { topic: raws.topic, s3 }])).values()];
}

/** Name of a topic's router, and of its consumer group. */
export const routerName = (topic: string): string => `notification-router-${topic.toLowerCase().replace(/[._]/g, "-")}`;

/** Read a bucket's notifications once, one Deployment a topic, and tell workers of the raws of their detector. */
export class NotificationRouters extends pulumi.ComponentResource {
  /** @param kafka - Undefined: brokers in plain text, as `router.kafka` names them. */
  constructor(
    environment: Environment,
    topics: readonly RoutedTopic[],
    kafka: RouterKafka | undefined,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("usdf:prompt:NotificationRouters", `${environment.prefix}-routers`, {}, opts);
    const fields = Object.fromEntries(
      topics.flatMap(({ s3 }) => secretFields(s3)).map((field): [string, string] => [field, field]),
    );
    const secrets = { ...redisSecret, [secretName]: { path: "notification-router", fields } };
    let place: Place;
    if (kafka === undefined) place = declarePlace(environment, routerNamespace, secrets, this);
    else {
      place = kafka.place;
      declareSecrets(environment, place, secrets, this);
    }
    for (const topic of topics) declareRouter(environment, place, topic, kafka, this);
    this.registerOutputs();
  }
}

function declareRouter(
  environment: Environment,
  place: Place,
  { topic, s3 }: RoutedTopic,
  kafka: RouterKafka | undefined,
  parent: pulumi.Resource,
): void {
  const { router } = environment.settings;
  const name = routerName(topic);
  const key = (field: string) => ({ secretName, key: field });
  const { profile } = s3;
  new Workload(
    `${environment.prefix}-${name}`,
    {
      ...identity(environment, place, name),
      run: { kind: "Deployment", replicas: router.replicas },
      container: program(notificationRouterContract, {
        image: usdfImage.workloads,
        env: {
          ...redisConnection,
          ...(kafka?.env ?? { KAFKA_BROKERS: router.kafka! }),
          BUCKET_TOPIC: topic,
          CONSUMER_GROUP: name,
          IMAGE_BUCKET: profile === undefined ? s3.imageBucket : `${profile}@${s3.imageBucket}`,
          SIDECAR_WAIT: router.sidecarWaitSeconds,
          FOREIGN_GROUPS: router.foreignGroups,
          ...(profile === undefined && {
            S3_ENDPOINT_URL: s3.endpointUrl,
            AWS_ACCESS_KEY_ID: key("s3_access_key"),
            AWS_SECRET_ACCESS_KEY: key("s3_secret_key"),
          }),
        },
        families: profile === undefined ? {} : { [`LSST_RESOURCES_S3_PROFILE_${profile}`]: key(profileField(profile)) },
        resources: router,
        volumeMounts: kafka?.volumeMounts,
      }),
      volumes: kafka?.volumes,
      reaches: [
        toRedis,
        kafka?.reaches ?? { peers: "anyone", ports: portsOf([], router.kafka) },
        { peers: "anyone", ports: portsOf([s3.endpointUrl]) },
      ],
    },
    { parent },
  );
}

/** Field of the routers' secret with endpoint and keys of a profile, `https://ACCESS:SECRET@host`. */
const profileField = (profile: string) => `s3-profile-${profile}`;

function secretFields({ profile }: ResolvedService["s3"]): string[] {
  return profile === undefined ? ["s3_access_key", "s3_secret_key"] : [profileField(profile)];
}
