import type { Opening, SecretKeyReference, Volume, VolumeMount } from "../platform";
import { bootstrapOf, clusterCaSecret, type Environment, reachesKafka } from "./environment";

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
 * Access to Kafka for a pod, with the Secret that Strimzi makes for its user: a certificate, or a password over TLS.
 * @param user - Name of the Kafka user, one of the plan.
 */
export function kafkaAccess(environment: Environment, user: string): KafkaAccess {
  const { kafka } = environment.settings;
  if (kafka.kind === "external") {
    const env = { KAFKA_BROKERS: kafka.brokerList!.join(",") };
    return { env, volumes: [], volumeMounts: [], reaches: reachesKafka(environment, "plain") };
  }
  const ca = { name: "kafka-ca", secret: { secretName: clusterCaSecret } };
  const caMount = { name: ca.name, mountPath: caPath, readOnly: true };
  const withCa = { KAFKA_TLS: true, KAFKA_CA_FILE: `${caPath}/ca.crt` };
  const authentication = environment.plan.users.find(({ name }) => name === user)?.authentication ?? "tls";
  if (authentication === "scram-sha-512") {
    return {
      env: {
        KAFKA_BROKERS: bootstrapOf("password"),
        ...withCa,
        KAFKA_USERNAME: user,
        KAFKA_PASSWORD: { secretName: user, key: "password" },
      },
      volumes: [ca],
      volumeMounts: [caMount],
      reaches: reachesKafka(environment, "password"),
    };
  }
  return {
    env: {
      KAFKA_BROKERS: bootstrapOf("tls"),
      ...withCa,
      KAFKA_CERT_FILE: `${userPath}/user.crt`,
      KAFKA_KEY_FILE: `${userPath}/user.key`,
    },
    volumes: [ca, { name: "kafka-user", secret: { secretName: user } }],
    volumeMounts: [caMount, { name: "kafka-user", mountPath: userPath, readOnly: true }],
    reaches: reachesKafka(environment, "tls"),
  };
}
