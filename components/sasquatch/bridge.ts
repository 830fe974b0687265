import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { containerSecurity, jvmOptions, listeners, podSecurity } from "../kafka";
import { customResource, networkPolicySpec } from "../platform";
import {
  bootstrapOf,
  clusterCaSecret,
  clusterLabel,
  clusterName,
  type Environment,
  kafkaPods,
  labelsOf,
} from "./environment";
import { ingress, ingressNamespace } from "./ingress";
import { userCertificate } from "./mirrors";

const port = 8080;

/** Strimzi's bridge: producers over HTTP, who log in. It may do what its user's clients need. */
export class KafkaBridge extends pulumi.ComponentResource {
  /** URL for users on the allow list. Undefined where it is not shown. */
  readonly externalUrl: string | undefined;

  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-bridge`;
    super("usdf:sasquatch:KafkaBridge", name, {}, opts);
    const { namespace, settings } = environment;
    const bridge = settings.bridge!;
    const labels = labelsOf(environment, "bridge");
    const child = { parent: this };
    customResource(
      name,
      {
        apiVersion: "kafka.strimzi.io/v1",
        kind: "KafkaBridge",
        metadata: { name: clusterName, namespace, labels },
        spec: {
          replicas: bridge.replicas,
          bootstrapServers: bootstrapOf("tls"),
          tls: { trustedCertificates: [{ secretName: clusterCaSecret, pattern: "*.crt" }] },
          authentication: userCertificate("bridge"),
          http: { port },
          producer: { config: { acks: "all", "max.request.size": settings.kafka.maxMessageBytes } },
          resources: { requests: bridge.requests, limits: bridge.limits },
          jvmOptions: jvmOptions(bridge.heapMi),
          template: { pod: podSecurity, bridgeContainer: containerSecurity },
        },
      },
      child,
    );
    // Strimzi makes no policy for a bridge.
    new k8s.networking.v1.NetworkPolicy(
      name,
      {
        metadata: { name: `${clusterName}-bridge`, namespace, labels },
        spec: networkPolicySpec(
          { ...clusterLabel, "strimzi.io/kind": "KafkaBridge" },
          [{ peers: [{ namespace: ingressNamespace }], ports: [port] }],
          [{ peers: [{ pods: kafkaPods }], ports: [listeners.tls] }],
        ),
      },
      child,
    );
    this.externalUrl = ingress(
      name,
      {
        environment,
        name: `${clusterName}-bridge`,
        path: "/sasquatch-bridge",
        service: `${clusterName}-bridge-service`,
        port,
        scope: "write:sasquatch",
      },
      this,
    );
    this.registerOutputs({ externalUrl: this.externalUrl });
  }
}
