import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

/** Arguments of {@link volumeClaim}. */
export interface VolumeClaimArgs {
  readonly namespace: pulumi.Input<string>;
  /** Name of the claim; pods refer to it. */
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly volume: { readonly storageClass: string; readonly size: string; readonly accessMode: string };
  /** Whether the engine refuses to delete or replace it. */
  readonly protect: boolean;
}

/** A claim of a volume that is mounted, and that outlives its declaration. */
export function volumeClaim(name: string, args: VolumeClaimArgs, parent: pulumi.Resource): void {
  const { namespace, labels, volume, protect } = args;
  new k8s.core.v1.PersistentVolumeClaim(
    name,
    {
      metadata: {
        name: args.name,
        namespace,
        labels: labels && { ...labels },
        // The pods that mount it wait for its volume; the engine, which takes few steps at a time, would hold up all else.
        annotations: { "pulumi.com/skipAwait": "true" },
      },
      spec: {
        accessModes: [volume.accessMode],
        storageClassName: volume.storageClass,
        resources: { requests: { storage: volume.size } },
      },
    },
    {
      parent,
      protect,
      retainOnDelete: true, // data outlives the declaration
      ignoreChanges: ["spec.volumeName", "spec.volumeMode"], // given by the cluster; without them it would be made anew
    },
  );
}
