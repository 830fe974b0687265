import * as pulumi from "@pulumi/pulumi";
import { confluentService } from "./confluent";
import { clusterName, type Environment, reachesRegistry, registryUrl } from "./environment";
import { ingress } from "./ingress";

const component = "rest-proxy";
const port = 8082;

/** Confluent's REST proxy: producers and consumers over HTTP, who log in. It may do what its user's clients need. */
export class RestProxy extends pulumi.ComponentResource {
  /** URL for users on the allow list. Undefined where it is not shown. */
  readonly externalUrl: string | undefined;

  constructor(environment: Environment, opts?: pulumi.ComponentResourceOptions) {
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:RestProxy", name, {}, opts);
    const rest = environment.settings.rest!;
    confluentService(
      environment,
      {
        component,
        image: `confluentinc/cp-kafka-rest:${rest.tag}`,
        replicas: rest.replicas,
        resources: rest,
        heapMi: rest.heapMi,
        prefix: "KAFKA_REST_",
        kafkaPrefix: "CLIENT_",
        env: {
          BOOTSTRAP_SERVERS: `SASL_SSL://${clusterName}-kafka-bootstrap:9095`,
          SCHEMA_REGISTRY_URL: registryUrl(environment, "local"),
          ACCESS_CONTROL_ALLOW_METHODS: "GET,POST,PUT,DELETE",
        },
        user: component,
        port,
        settingsFolder: "/etc/kafka-rest",
        healthPath: "/v3/clusters",
        accepts: [],
        reaches: [reachesRegistry(environment, "local")],
      },
      this,
    );
    this.externalUrl = ingress(
      name,
      {
        environment,
        name: `${clusterName}-${component}`,
        path: `/${clusterName}-${component}`,
        service: `${clusterName}-${component}`,
        port,
        scope: "write:sasquatch",
      },
      this,
    );
    this.registerOutputs({ externalUrl: this.externalUrl });
  }
}
