import type { Opening, SecretKeyReference, Volume, VolumeMount } from "../platform";
import { bootstrapIn, clusterCaSecretOf, type KafkaHome, opensTo } from "./home";
import type { KafkaUserSpec } from "./users";

/** What a pod of ours needs to speak to Kafka as one of its users. */
export interface KafkaAccess {
  readonly env: {
    readonly KAFKA_BROKERS: string;
    readonly KAFKA_TLS?: boolean;
    readonly KAFKA_CA_FILE?: string;
    readonly KAFKA_CERT_FILE?: string;
    readonly KAFKA_KEY_FILE?: string;
    readonly KAFKA_USERNAME?: string;
    readonly KAFKA_PASSWORD?: SecretKeyReference;
  };
  readonly volumes: readonly Volume[];
  readonly volumeMounts: readonly VolumeMount[];
  readonly reaches: Opening;
}

const caPath = "/run/kafka/ca";
const userPath = "/run/kafka/user";

/**
 * Access to Kafka for a pod of the cluster's namespace, with the Secret that Strimzi makes for its user: a certificate, or
 * a password over TLS.
 */
export function accessOf(home: KafkaHome, user: Pick<KafkaUserSpec, "name" | "authentication">): KafkaAccess {
  const { clusterName, settings } = home;
  if (settings.kind === "external") {
    const env = { KAFKA_BROKERS: settings.brokerList!.join(",") };
    return { env, volumes: [], volumeMounts: [], reaches: opensTo(home, "plain") };
  }
  const ca = { name: "kafka-ca", secret: { secretName: clusterCaSecretOf(clusterName) } };
  const caMount = { name: ca.name, mountPath: caPath, readOnly: true };
  const withCa = { KAFKA_TLS: true, KAFKA_CA_FILE: `${caPath}/ca.crt` };
  if (user.authentication === "scram-sha-512") {
    return {
      env: {
        KAFKA_BROKERS: bootstrapIn(clusterName, "password"),
        ...withCa,
        KAFKA_USERNAME: user.name,
        KAFKA_PASSWORD: { secretName: user.name, key: "password" },
      },
      volumes: [ca],
      volumeMounts: [caMount],
      reaches: opensTo(home, "password"),
    };
  }
  return {
    env: {
      KAFKA_BROKERS: bootstrapIn(clusterName, "tls"),
      ...withCa,
      KAFKA_CERT_FILE: `${userPath}/user.crt`,
      KAFKA_KEY_FILE: `${userPath}/user.key`,
    },
    volumes: [ca, { name: "kafka-user", secret: { secretName: user.name } }],
    volumeMounts: [caMount, { name: "kafka-user", mountPath: userPath, readOnly: true }],
    reaches: opensTo(home, "tls"),
  };
}
