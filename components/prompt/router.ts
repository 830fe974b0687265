import * as pulumi from "@pulumi/pulumi";
import { notificationRouterContract } from "../../workloads/src/notification-router/contract";
import type { ResolvedService } from "../config";
import type { KafkaAccess } from "../kafka";
import { program, usdfImage, Workload } from "../platform";
import {
  declarePlace,
  type Environment,
  identity,
  type Place,
  type PlaceSecret,
  redisConnection,
  redisSecret,
  toRedis,
} from "./environment";
import { portsOf } from "./fanOut";

/** How routers reach the Kafka of the file notifications. */
export interface RouterKafka {
  /** Namespace of the cluster, where the Secret of its user is; it holds the routers' own Secrets too. */
  readonly place: Place;
  readonly access: KafkaAccess;
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

/** Secrets of routers, by name. */
export function routerSecrets(topics: readonly RoutedTopic[]): Readonly<Record<string, PlaceSecret>> {
  if (topics.length === 0) return {};
  const fields = topics.flatMap(({ s3 }) => secretFields(s3)).map((field): [string, string] => [field, field]);
  return { ...redisSecret, [secretName]: { path: "notification-router", fields: Object.fromEntries(fields) } };
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
    const place = kafka?.place ?? declarePlace(environment, routerNamespace, routerSecrets(topics), this);
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
          ...(kafka?.access.env ?? { KAFKA_BROKERS: router.kafka! }),
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
        volumeMounts: kafka?.access.volumeMounts,
      }),
      volumes: kafka?.access.volumes,
      reaches: [
        toRedis,
        kafka?.access.reaches ?? { peers: "anyone", ports: portsOf([], router.kafka) },
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
