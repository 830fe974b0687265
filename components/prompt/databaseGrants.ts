import * as pulumi from "@pulumi/pulumi";
import { databaseGrantsContract, type DesiredGrants } from "../../workloads/src/database-grants/contract";
import type { DatabasesConfig } from "../config";
import { program, usdfImage, Workload } from "../platform";
import { postgresPort, roleSecret } from "./databases";
import { type Environment, identity, type Place } from "./environment";

const name = "database-grants";
const caFolder = "/run/postgres";

/** Makes what roles may do what is declared, as the owner of each database, every few minutes. */
export class DatabaseGrants extends pulumi.ComponentResource {
  constructor(environment: Environment, config: DatabasesConfig, place: Place, opts?: pulumi.ComponentResourceOptions) {
    const logicalName = `${environment.prefix}-${name}`;
    super("usdf:prompt:DatabaseGrants", logicalName, {}, opts);
    const { schedule, suspend, dryRun } = config.grants;
    const desired = desiredGrants(config);
    const owners = [...new Set(desired.databases.map(({ owner }) => owner))];
    new Workload(
      logicalName,
      {
        ...identity(environment, place, name),
        run: { kind: "CronJob", schedule, suspend, limitSeconds: 540 },
        container: program(databaseGrantsContract, {
          image: usdfImage.workloads,
          env: {
            DATABASE_HOST: `${config.name}-rw`,
            DATABASE_PORT: postgresPort,
            DATABASE_CA_FILE: `${caFolder}/ca.crt`,
            DESIRED_GRANTS: JSON.stringify(desired),
            DRY_RUN: dryRun,
          },
          families: Object.fromEntries(
            owners.map((owner) => [`DATABASE_PASSWORD_${owner}`, { secretName: roleSecret(owner), key: "password" }]),
          ),
          resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { cpu: "1", memory: "256Mi" } },
          volumeMounts: [{ name: "postgres-ca", mountPath: caFolder, readOnly: true }],
        }),
        // The operator keeps the authority's key in the same Secret: only its certificate is mounted.
        volumes: [
          {
            name: "postgres-ca",
            secret: { secretName: `${config.name}-ca`, items: [{ key: "ca.crt", path: "ca.crt" }] },
          },
        ],
        reaches: [{ peers: [{ pods: { "cnpg.io/cluster": config.name } }], ports: [postgresPort] }],
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}

/** What the program makes so. */
export function desiredGrants({ roles, databases }: Pick<DatabasesConfig, "roles" | "databases">): DesiredGrants {
  return {
    roles: Object.keys(roles),
    databases: Object.entries(databases).map(([database, { owner, grants, schemas }]) => {
      return { name: database, owner, grants, schemas };
    }),
  };
}
