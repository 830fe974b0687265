import * as pulumi from "@pulumi/pulumi";
import type { ChronografConfig } from "../../config";
import { type EnvValue, envVars, portOf, Workload } from "../../platform";
import { clusterName, type Environment, identity, secretKey } from "../environment";
import { ingress, ingressNamespace } from "../ingress";
import { httpProbes, service } from "./instance";
import { influxFields, personalUser } from "./names";

const port = 8888;

/** Chronograf: dashboards for people, who log in at the host's Gafaelfawr or at GitHub. */
export class Chronograf extends pulumi.ComponentResource {
  /** URL for users on the allow list. */
  readonly externalUrl: string | undefined;

  constructor(environment: Environment, settings: ChronografConfig, opts?: pulumi.ComponentResourceOptions) {
    const component = "chronograf";
    const name = `${environment.prefix}-${component}`;
    super("usdf:sasquatch:Chronograf", name, {}, opts);
    const own = identity(environment, component);
    const { influxdb } = environment.settings;
    new Workload(
      name,
      {
        ...own,
        run: {
          kind: "StatefulSet",
          replicas: 1,
          serviceName: own.metadataName,
          claims: [{ name: "data", storageClass: settings.storageClass as string, size: settings.size }],
          protect: environment.platform.protectData,
        },
        container: {
          name: component,
          image: `chronograf:${settings.tag}`,
          // Which field of a user's record is the name: no secret, though the variable's name looks like one.
          command: settings.login === "oidc" ? ["chronograf", "--generic-api-key=sub"] : ["chronograf"],
          env: envVars(chronografEnv(environment, settings)),
          port: { name: "http", number: port },
          probes: httpProbes(`${settings.path}/ping`, 5),
          resources: settings,
          volumeMounts: [{ name: "data", mountPath: "/var/lib/chronograf" }],
          metrics: false,
          restricted: true,
          longestStepSeconds: 30,
          behindService: true,
        },
        user: personalUser,
        accepts: [{ peers: [{ namespace: ingressNamespace }], ports: [port] }],
        // InfluxDB; the host itself, for logins; GitHub and the news.
        reaches: [{ peers: "anyone", ports: [...new Set([443, 8086, portOf(influxdb.url ?? "http://h:8086")])] }],
      },
      { parent: this },
    );
    service(environment, { component, ports: { http: port } }, this);
    this.externalUrl = ingress(
      name,
      {
        environment,
        name: own.metadataName,
        path: settings.path,
        service: own.metadataName,
        port,
        scope: undefined, // it has a login of its own
        // It knows its path by BASE_PATH, and wants it in the request.
        more: { "rewrite-target": `${settings.path}/$2` },
      },
      this,
    );
    this.registerOutputs({ externalUrl: this.externalUrl });
  }
}

const feeds = "https://raw.githubusercontent.com/lsst-sqre/rsp_broadcast/main/jsonfeeds";

/** Variables of Chronograf. Hosts of the USDF differ from the others in two ways that are said here alone. */
export function chronografEnv(
  { name, settings: { host } }: Pick<Environment, "name" | "settings">,
  { path, login, githubOrganizations }: ChronografConfig,
): Record<string, EnvValue> {
  const url = `https://${host}`;
  const isUsdf = name.startsWith("usdf");
  const common = {
    BASE_PATH: path,
    BOLT_PATH: "/var/lib/chronograf/chronograf-v1.db",
    HOST_PAGE_DISABLED: true,
    INACTIVITY_DURATION: "1h",
    REPORTING_DISABLED: true,
    // Google's cloud and the USDF have the slash.
    PUBLIC_URL: /^(usdf|idf|roundtable)/.test(name) ? `${url}/` : url,
    STATUS_FEED_URL: `${feeds}/${name === "roundtable-prod" ? "roundtable" : name}.json`,
    TOKEN_SECRET: secretKey(influxFields.tokenSecret),
  };
  if (login === "github")
    return {
      ...common,
      GH_CLIENT_ID: secretKey(influxFields.githubClientId),
      GH_CLIENT_SECRET: secretKey(influxFields.githubClientSecret),
      GH_ORGS: githubOrganizations!.join(","),
    };
  return {
    ...common,
    GENERIC_NAME: "OIDC",
    GENERIC_AUTH_URL: `${url}/auth/openid/login`,
    GENERIC_TOKEN_URL: `${url}/auth/openid/token`,
    GENERIC_API_URL: `${url}${isUsdf ? "/auth/userinfo" : "/auth/openid/userinfo"}`,
    GENERIC_SCOPES: "openid",
    USE_ID_TOKEN: true,
    JWKS_URL: `${url}/.well-known/jwks.json`,
    GENERIC_CLIENT_ID: secretKey(influxFields.oidcClientId),
    GENERIC_CLIENT_SECRET: secretKey(influxFields.oidcClientSecret),
  };
}

/** URL inside the cluster. */
export const chronografUrl = `http://${clusterName}-chronograf:${port}`;
