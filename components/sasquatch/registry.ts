import * as pulumi from "@pulumi/pulumi";
import type { Opening } from "../platform";
import { confluentService } from "./confluent";
import { clusterName, type Environment, identity, registryName, registryUrl } from "./environment";
import { ingress } from "./ingress";
import { schemasTopic } from "./plan";

const port = 8081;

/**
 * A schema registry. The environment's own takes new schemas and refuses those that break its readers. One of a mirrored
 * environment reads the schemas topic that the mirror keeps, so that the ids in mirrored records mean what they mean at the
 * source; it never leads, so it takes no schema.
 */
export class SchemaRegistry extends pulumi.ComponentResource {
  /** URL inside the cluster. */
  readonly url: string;
  /** URL for users on the allow list. Undefined where it is not shown. */
  readonly externalUrl: string | undefined;

  constructor(
    environment: Environment,
    registry: "local" | { readonly alias: string },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const component = registryName(registry);
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:SchemaRegistry", name, {}, opts);
    const settings = environment.settings.registry;
    const isLocal = registry === "local";
    confluentService(
      environment,
      {
        component,
        image: `confluentinc/cp-schema-registry:${settings.tag}`,
        replicas: settings.replicas,
        resources: settings,
        heapMi: settings.heapMi,
        prefix: "SCHEMA_REGISTRY_",
        kafkaPrefix: "KAFKASTORE_",
        env: {
          KAFKASTORE_TOPIC: isLocal ? schemasTopic : `${registry.alias}.${schemasTopic}`,
          KAFKASTORE_TOPIC_REPLICATION_FACTOR: environment.settings.kafka.replication,
          SCHEMA_REGISTRY_GROUP_ID: component,
          SCHEMA_COMPATIBILITY_LEVEL: settings.compatibility.toLowerCase(),
          LEADER_ELIGIBILITY: isLocal,
        },
        user: component,
        port,
        settingsFolder: "/etc/schema-registry",
        healthPath: "/subjects?subjectPrefix=none",
        accepts: [{ peers: readers(environment), ports: [port] }],
        // The one that leads takes what the others are asked to write.
        reaches: [{ peers: [{ pods: identity(environment, component).selector }], ports: [port] }],
      },
      this,
    );
    this.url = registryUrl(environment, registry);
    const place = { environment, service: `${clusterName}-${component}`, port };
    const readScope = settings.anonymousReads ? undefined : "read:sasquatch";
    const readPath = isLocal ? `/${component}-read` : `/${component}`;
    const readArgs = { ...place, name: `${clusterName}${readPath.replace("/", "-")}`, path: readPath };
    this.externalUrl = ingress(`${name}-read`, { ...readArgs, scope: readScope, readOnly: true }, this);
    if (isLocal) {
      const args = { ...place, name: `${clusterName}-${component}`, path: `/${component}`, scope: "write:sasquatch" };
      ingress(name, args, this);
    }
    this.registerOutputs({ url: this.url, externalUrl: this.externalUrl });
  }
}

/** Every pod of the environment may ask for a schema. */
function readers({ name }: Environment): Opening["peers"] {
  return [{ pods: { "app.kubernetes.io/instance": name, "app.kubernetes.io/part-of": "sasquatch" } }];
}
