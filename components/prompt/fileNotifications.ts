import * as pulumi from "@pulumi/pulumi";
import type { Receiver } from "../ceph";
import { type FileNotificationsConfig, isAuthenticated, type PromptKafkaUser } from "../config";
import { accessOf, type KafkaAccess } from "../kafka";
import { secretValue } from "../platform";
import type { Environment, Place, PlaceSecret } from "./environment";
import { passwordField, PromptKafka } from "./kafka";

export type { KafkaAccess } from "../kafka";

/** Name of the Kafka cluster of file notifications. */
export const fileNotificationsName = "s3-file-notifications";

/** Kafka of the buckets' file notifications: object gateways write its topics, one router reads each. */
export class FileNotifications extends pulumi.ComponentResource {
  /** Namespace of the cluster; routers run there, beside the Secret that Strimzi makes for their user. */
  readonly place: Place;
  /** How a router of that namespace reads the topics. */
  readonly access: KafkaAccess;
  /** What the consumer groups of routers begin with; others are refused. */
  readonly groupPrefix: string;
  /** Names of its topics. */
  readonly topics: readonly string[];
  /** What an object gateway pushes to. */
  readonly receiver: () => Receiver;

  /** @param secrets - Secrets of the routers, by name. */
  constructor(
    environment: Environment,
    config: FileNotificationsConfig,
    secrets: Readonly<Record<string, PlaceSecret>> = {},
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("usdf:prompt:FileNotifications", `${environment.prefix}-file-notifications`, {}, opts);
    const { gatewayUser, routerUser, cluster } = config;
    const kafka = new PromptKafka(
      environment,
      { clusterName: fileNotificationsName, config, users: ownUsers(config), secrets },
      { parent: this },
    );
    this.place = kafka.place;
    this.access = accessOf(kafka.home, { name: routerUser, authentication: "tls" });
    this.groupPrefix = routerUser;
    this.topics = Object.keys(config.topics);
    const { externalBootstrap } = kafka;
    this.receiver = () => {
      if (externalBootstrap === undefined)
        throw new pulumi.RunError(
          `No object gateway reaches the fileNotifications of ${environment.name}: they have no external listener with an ` +
            "address or a host. Give usdf:prompt…fileNotifications.cluster.external.bootstrap one.",
        );
      const pushEndpoint = `kafka://${externalBootstrap}`;
      if (!isAuthenticated(cluster)) return { pushEndpoint, waitFor: this };
      const field = passwordField(gatewayUser);
      const from = { path: `${environment.settings.secrets.prefix}/${fileNotificationsName}`, field };
      return {
        pushEndpoint,
        waitFor: this,
        settings: {
          useSsl: cluster.external?.exception === undefined,
          caLocation: config.gatewayCaLocation,
          saslMechanism: "SCRAM-SHA-512",
          kafkaUser: gatewayUser,
          kafkaPassword: secretValue(from, environment.platform.secrets, { parent: this }),
        },
      };
    };
    this.registerOutputs({ topics: this.topics });
  }
}

/** The gateways write every topic and the routers read it; nobody else does by itself. */
export function ownUsers({ gatewayUser, routerUser }: Pick<FileNotificationsConfig, "gatewayUser" | "routerUser">) {
  const nothing = { reads: [], writes: [], groups: [], transactions: [] };
  return {
    [gatewayUser]: { ...nothing, authentication: "scram-sha-512", writes: "all" },
    [routerUser]: { ...nothing, authentication: "tls", reads: "all", groups: [routerUser] },
  } as const satisfies Record<string, PromptKafkaUser>;
}
