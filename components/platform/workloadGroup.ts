import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { PlatformConfig } from "../config";
import type { Container } from "./container";
import { podMonitor, scrapes } from "./metrics";
import { networkPolicySpec, type Opening, type PodSelector } from "./network";

/** Arguments of {@link WorkloadGroup}. */
export interface WorkloadGroupArgs {
  readonly namespace: pulumi.Input<string>;
  /** `metadata.name` of its objects. */
  readonly metadataName: string;
  /** Labels of its objects. */
  readonly labels: Readonly<Record<string, string>>;
  /** Labels that find the pods of all its workloads, and no others. */
  readonly selector: PodSelector;
  /** Port of the pods with `/metrics`. */
  readonly port: NonNullable<Container["port"]>;
  /** Whom its pods may talk to; DNS they may by themselves. What is the same stands once. */
  readonly reaches: readonly Opening[];
  readonly monitoring: PlatformConfig["monitoring"];
}

/**
 * Network policy and metrics of many workloads that run the same program (each `inGroup`): one object of each, in place of one
 * a workload. It opens what any of them needs, so it is for pods that differ in what they read and not in whom they trust.
 */
export class WorkloadGroup extends pulumi.ComponentResource {
  constructor(name: string, args: WorkloadGroupArgs, opts?: pulumi.ComponentResourceOptions) {
    super("usdf:platform:WorkloadGroup", name, {}, opts);
    const { namespace, metadataName, labels, selector, monitoring } = args;
    const metadata = { name: metadataName, namespace, labels };
    const scraped = monitoring.enabled ? args.port : undefined;
    const reaches = [...new Map(args.reaches.map((opening) => [JSON.stringify(opening), opening])).values()];
    new k8s.networking.v1.NetworkPolicy(
      name,
      { metadata, spec: networkPolicySpec(selector, scrapes(scraped, monitoring), reaches) },
      { parent: this },
    );
    // The series of its pods would otherwise differ by the pods' names alone.
    if (scraped) podMonitor(name, metadata, selector, scraped, { parent: this }, ["app.kubernetes.io/name"]);
    this.registerOutputs();
  }
}
