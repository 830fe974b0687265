import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { Environment } from "./environment";
import { labelsOf } from "./environment";

/** Arguments of {@link ingress}. */
export interface IngressArgs {
  readonly environment: Environment;
  /** Name of the object. */
  readonly name: string;
  /** Where users find it, e.g. `/influxdb`; the service sees what follows. */
  readonly path: string;
  readonly service: string;
  readonly port: number;
  /** Scope of Gafaelfawr that a caller must have; undefined where the service asks for a password itself, or it is public to the allow list. */
  readonly scope: string | undefined;
  /** Whether only reading requests pass. @defaultValue false */
  readonly readOnly?: boolean;
  /** Further annotations of ingress-nginx, without their prefix. */
  readonly more?: Readonly<Record<string, string>>;
}

const prefix = "nginx.ingress.kubernetes.io/";
const gafaelfawr = "http://gafaelfawr.gafaelfawr.svc.cluster.local:8080/ingress/auth";

/**
 * Shows a service to users on the allow list, at the host of the environment. Without allow list nothing is shown.
 * @returns URL for users; undefined where nothing is shown.
 */
export function ingress(logicalName: string, args: IngressArgs, parent: pulumi.Resource): string | undefined {
  const { environment, name, path, service, port, scope, readOnly } = args;
  const { host, allow } = environment.settings;
  if (allow.length === 0) return undefined;
  const nginx: Record<string, string> = {
    "ssl-redirect": "true",
    "use-regex": "true",
    "rewrite-target": "/$2",
    "whitelist-source-range": allow.join(","),
    "proxy-body-size": "0",
    ...(scope === undefined
      ? {}
      : { "auth-method": "GET", "auth-url": `${gafaelfawr}?scope=${encodeURIComponent(scope)}` }),
    ...(readOnly ? { "configuration-snippet": "limit_except GET {\n  deny all;\n}\n" } : {}),
    ...args.more,
  };
  new k8s.networking.v1.Ingress(
    logicalName,
    {
      metadata: {
        name,
        namespace: environment.namespace,
        labels: labelsOf(environment),
        annotations: {
          "pulumi.com/skipAwait": "true", // it has an address once its controller looks at it, which may be elsewhere
          ...Object.fromEntries(Object.entries(nginx).map(([key, value]) => [`${prefix}${key}`, value])),
        },
      },
      spec: {
        ingressClassName: "nginx",
        rules: [
          {
            host,
            http: {
              paths: [
                {
                  path: `${path}(/|$)(.*)`,
                  pathType: "ImplementationSpecific",
                  backend: { service: { name: service, port: { number: port } } },
                },
              ],
            },
          },
        ],
        tls: [{ hosts: [host] }],
      },
    },
    { parent },
  );
  return `https://${host}${path}`;
}

/** Namespace of the ingress controller, whose pods reach what is shown. */
export const ingressNamespace = "ingress-nginx";
