import type * as pulumi from "@pulumi/pulumi";
import type { PlatformConfig } from "../config";
import type { Container } from "./container";
import { type CustomObject, customResource } from "./custom";
import type { Opening, PodSelector } from "./network";

type Port = NonNullable<Container["port"]>;

/** Opening of pods that Prometheus scrapes; none where nothing is scraped. */
export function scrapes(port: Port | undefined, monitoring: PlatformConfig["monitoring"]): Opening[] {
  return port === undefined ? [] : [{ peers: [{ namespace: monitoring.namespace }], ports: [port.number] }];
}

/**
 * Has Prometheus scrape pods.
 * @param podLabels - Labels of the pods that their series get too.
 */
export function podMonitor(
  name: string,
  metadata: CustomObject<object>["metadata"],
  selector: PodSelector,
  port: Port,
  opts: pulumi.CustomResourceOptions,
  podLabels?: readonly string[],
): void {
  customResource(
    name,
    {
      apiVersion: "monitoring.coreos.com/v1",
      kind: "PodMonitor",
      metadata,
      spec: {
        selector: { matchLabels: { ...selector } },
        ...(podLabels && { podTargetLabels: podLabels }),
        podMetricsEndpoints: [{ port: port.name, path: "/metrics", interval: "30s" }],
      },
    },
    opts,
  );
}
