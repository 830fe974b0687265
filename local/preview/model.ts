import type { RecordedResource, RecordedStack } from "../record";

/** One object that a stack declares, in the form that its API takes. */
export interface DeclaredObject {
  /** `kubernetes`, `vault`, or what of Ceph it is. */
  readonly type: "kubernetes" | "vault" | "policy" | "notification" | "topic";
  /** First folder of its file: `embargo`, `ceph`, … */
  readonly system: string;
  /** Environment that it belongs to: name of the topmost component, for Ceph of the environment that it serves. */
  readonly environment: string;
  /** Components between environment and object, e.g. `["redis"]`. */
  readonly component: string;
  readonly kind: string;
  /** `namespace/name`, or name alone. */
  readonly name: string;
  /** Where it is: Kubernetes context or URL of the gateway. */
  readonly place: string;
  /** Path of its file below the render folder. */
  readonly file: string;
  /** The object itself; where a secret value would stand is a mark. */
  readonly content: Record<string, unknown>;
  /** What was registered for it: one resource, but all entries of a bucket's notifications together. */
  readonly resources: readonly RecordedResource[];
}

/** What a stack declares. */
export interface Declaration {
  readonly stack: string;
  readonly objects: readonly DeclaredObject[];
  readonly recorded: RecordedStack;
}

/** A Kubernetes object, as far as this folder looks into it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the schemas hold its form, see components/platform/schemas
  readonly [field: string]: any;
}
