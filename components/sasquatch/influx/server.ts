import * as pulumi from "@pulumi/pulumi";
import { type Container, envVars, Workload } from "../../platform";
import { type Environment, identity } from "../environment";
import { ingress } from "../ingress";
import { claimOf, clients, httpProbes, influxUser, type Instance, ports, service } from "./instance";
import { backupPods } from "./names";
import { dataFolder, imageOf, serverEnv } from "./settings";

/** A server of InfluxDB 1.x or 2: one pod, one volume. */
export class InfluxdbServer extends pulumi.ComponentResource {
  /** URL for users on the allow list. Undefined where it is not shown. */
  readonly externalUrl: string | undefined;

  constructor(environment: Environment, instance: Instance, opts?: pulumi.ComponentResourceOptions) {
    const { component, settings } = instance;
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:InfluxdbServer", name, {}, opts);
    const { influxdb } = environment.settings;
    const isTwo = influxdb.edition === "2";
    const container: Container = {
      name: "influxdb",
      image: imageOf(influxdb),
      // The image's own start makes users of passwords that it puts into arguments; the set-up does that here.
      command: ["influxd"],
      env: envVars(serverEnv(influxdb)),
      port: { name: "http", number: ports.http },
      morePorts: isTwo ? undefined : { rpc: ports.rpc },
      probes: httpProbes(isTwo ? "/health" : "/ping", influxdb.startupMinutes),
      resources: settings,
      volumeMounts: [{ name: "data", mountPath: dataFolder }],
      metrics: true,
      restricted: true,
      longestStepSeconds: 120,
      behindService: true,
    };
    const own = identity(environment, component);
    new Workload(
      name,
      {
        ...own,
        run: {
          kind: "StatefulSet",
          replicas: 1,
          serviceName: own.metadataName,
          claims: [claimOf(settings)],
          protect: environment.platform.protectData,
        },
        container,
        user: influxUser(influxdb.edition),
        nodes: settings.hosts,
        accepts: [clients, ...(isTwo ? [] : [{ peers: backupPods(environment), ports: [ports.rpc] }])],
      },
      { parent: this },
    );
    service(
      environment,
      { component, ports: isTwo ? { http: ports.http } : { http: ports.http, rpc: ports.rpc } },
      this,
    );
    this.externalUrl = showInfluxdb(environment, instance, this);
    this.registerOutputs({ externalUrl: this.externalUrl });
  }
}

/** Users of InfluxDB come with its own user and password; long queries take their time. */
export function showInfluxdb(
  environment: Environment,
  instance: Instance,
  parent: pulumi.Resource,
): string | undefined {
  const { component, settings } = instance;
  return ingress(
    `${environment.prefix}-${component}`,
    {
      environment,
      name: identity(environment, component).metadataName,
      path: settings.path,
      service: identity(environment, component).metadataName,
      port: ports.http,
      scope: undefined,
      more: { "proxy-read-timeout": "300", "proxy-send-timeout": "300" },
    },
    parent,
  );
}
