import type * as pulumi from "@pulumi/pulumi";
import { customResource, type SecretKeyReference } from "../platform";
import type { Acl } from "./acls";
import { clusterLabelOf, type KafkaHome } from "./home";

/** A Kafka user. */
export interface KafkaUserSpec {
  readonly name: string;
  readonly authentication: "tls" | "scram-sha-512";
  /** None: the administrator, who is a super user of the cluster, or a cluster that knows no rights. */
  readonly acls: readonly Acl[];
}

/**
 * Declares a Kafka user.
 * @param password - Where its password is. Default: Strimzi makes one, in the Secret with the user's name.
 */
export function kafkaUser(
  home: KafkaHome,
  user: KafkaUserSpec,
  password: SecretKeyReference | undefined,
  parent: pulumi.Resource,
): void {
  const { name, authentication, acls } = user;
  customResource(
    `${home.prefix}-user-${name}`,
    {
      apiVersion: "kafka.strimzi.io/v1",
      kind: "KafkaUser",
      metadata: { name, namespace: home.namespace, labels: { ...home.labels, ...clusterLabelOf(home.clusterName) } },
      spec: {
        authentication: {
          type: authentication,
          password: password && { valueFrom: { secretKeyRef: { name: password.secretName, key: password.key } } },
        },
        authorization:
          acls.length === 0
            ? undefined
            : { type: "simple", acls: acls.map(({ resource, operations }) => ({ resource, operations })) },
      },
    },
    { parent },
  );
}
