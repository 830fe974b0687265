import type * as pulumi from "@pulumi/pulumi";
import type { DatabasesConfig, PoolerConfig } from "../config";
import { customResource } from "../platform";
import { balancerAnnotations, balancerSpec } from "./databases";
import { type Environment, labelsOf, type Place } from "./environment";

/** Arguments of {@link databasePooler}. */
export interface DatabasePoolerArgs {
  readonly environment: Environment;
  readonly config: DatabasesConfig;
  readonly place: Place;
  /** Name of the Pooler, of its Service, and label of its pods. */
  readonly name: string;
  readonly pooler: PoolerConfig;
}

/** PgBouncer in front of the server that writes. */
export function databasePooler(
  logicalName: string,
  { environment, config, place, name, pooler }: DatabasePoolerArgs,
  opts: pulumi.CustomResourceOptions,
): void {
  const { mode, instances, poolSize, maxClients, serverIdleSeconds, address, requests, limits } = pooler;
  customResource(
    logicalName,
    {
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "Pooler",
      metadata: { name, namespace: place.namespace, labels: labelsOf(environment) },
      spec: {
        cluster: { name: config.name },
        instances,
        type: "rw",
        pgbouncer: {
          poolMode: mode,
          parameters: {
            default_pool_size: String(poolSize),
            // The pool is of a user and a database; this is the bound of them all.
            max_db_connections: String(poolSize),
            max_client_conn: String(maxClients),
            server_idle_timeout: String(serverIdleSeconds),
            log_connections: "1",
            log_disconnections: "1",
            idle_transaction_timeout: "0",
            tcp_keepalive: "1",
            tcp_keepcnt: "1",
            tcp_keepidle: "1",
            tcp_keepintvl: "1",
            tcp_user_timeout: "21600",
            ...pooler.parameters,
          },
        },
        monitoring: environment.platform.monitoring.enabled ? { enablePodMonitor: true } : undefined,
        serviceTemplate:
          config.allow.length === 0
            ? undefined
            : { metadata: { annotations: balancerAnnotations(config, address) }, spec: balancerSpec(config) },
        template: {
          metadata: { labels: labelsOf(environment, name) },
          spec: {
            affinity: {
              podAntiAffinity: {
                // By the label that the operator gives the pods of this pooler, which no other pods have.
                requiredDuringSchedulingIgnoredDuringExecution: [
                  {
                    labelSelector: { matchLabels: { "cnpg.io/poolerName": name } },
                    topologyKey: "kubernetes.io/hostname",
                  },
                ],
              },
            },
            // The operator fills in the rest of the container.
            containers: [{ name: "pgbouncer", resources: { requests, limits } }],
          },
        },
      },
    },
    opts,
  );
}
