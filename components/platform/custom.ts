import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

/** A custom resource as its operator reads it. */
export interface CustomObject<Spec extends object> {
  readonly apiVersion: `${string}/${string}`;
  readonly kind: string;
  /** A custom resource is always named: operators, Secrets and people refer to it. */
  readonly metadata: {
    readonly name: string;
    readonly namespace: pulumi.Input<string>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: Spec;
}

/** Declares a custom resource. Its fields are checked against the schema of its kind by `usdf preview` and the tests. */
export function customResource<Spec extends object>(
  name: string,
  object: CustomObject<Spec>,
  opts: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
  return new k8s.apiextensions.CustomResource(name, object as unknown as k8s.apiextensions.CustomResourceArgs, opts);
}
