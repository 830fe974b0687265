import * as pulumi from "@pulumi/pulumi";
import { influxdbSetupContract } from "../../../workloads/src/influxdb-setup/contract";
import { portOf, program, usdfImage, Workload } from "../../platform";
import { type Environment, identity, influxPasswordField, secretKey } from "../environment";
import { desiredState } from "./desired";
import { joinContainer } from "./enterprise";
import { type Instance, ports } from "./instance";
import { influxFields } from "./names";

/** Makes buckets, users and tasks of one InfluxDB what is declared, every few minutes. */
export class InfluxdbSetup extends pulumi.ComponentResource {
  /** Name of the CronJob. */
  readonly cronJob: string;

  constructor(
    environment: Environment,
    /** Undefined: something else runs the server. */
    instance: Instance | undefined,
    url: string,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const component = `${instance?.component ?? "influxdb"}-setup`;
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:InfluxdbSetup", name, {}, opts);
    const { influxdb } = environment.settings;
    const { edition, org, adminUser, setUp } = influxdb;
    const state = desiredState(environment);
    const own = identity(environment, component);
    this.cronJob = own.metadataName;
    const isEnterprise = edition === "enterprise" && instance !== undefined;
    new Workload(
      name,
      {
        ...own,
        run: { kind: "CronJob", ...setUp, limitSeconds: 600, keepsSuccessful: 1 },
        initContainers: isEnterprise ? [joinContainer(environment, instance)] : undefined,
        container: program(influxdbSetupContract, {
          image: usdfImage.workloads,
          env: {
            INFLUXDB_URL: url,
            INFLUXDB_EDITION: edition,
            INFLUXDB_ORG: edition === "2" ? org : undefined,
            // Two copies, where there are nodes for them.
            INFLUXDB_REPLICATION: isEnterprise ? Math.min(2, instance.settings.nodes) : undefined,
            INFLUXDB_ADMIN_USERNAME: adminUser,
            DESIRED_STATE: JSON.stringify(state),
            INFLUXDB_ADMIN_PASSWORD: secretKey(influxFields.adminPassword),
            INFLUXDB_ADMIN_TOKEN: edition === "2" ? secretKey(influxFields.adminToken) : undefined,
          },
          families: Object.fromEntries(
            state.users.map((user) => [`INFLUXDB_PASSWORD_${user.name}`, secretKey(influxPasswordField(user.name))]),
          ),
          resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { cpu: "1", memory: "256Mi" } },
        }),
        reaches: [{ peers: "anyone", ports: [portOf(url), ...(isEnterprise ? [ports.meta] : [])] }],
      },
      { parent: this },
    );
    this.registerOutputs({ cronJob: this.cronJob });
  }
}
