import { BucketPolicy as S3BucketPolicy } from "@pulumi/aws/s3/bucketPolicy";
import * as pulumi from "@pulumi/pulumi";
import { policyDocument } from "./grants";
import type { BucketPolicyArgs } from "./types";

/** Who may do what with a bucket, as the bucket's policy in the gateway. Give the gateway's provider ({@link rgwProvider}). */
export class BucketPolicy extends pulumi.ComponentResource {
  /** The policy document, as JSON. */
  readonly policy: pulumi.Output<string>;

  constructor(name: string, args: BucketPolicyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("usdf:ceph:BucketPolicy", name, {}, opts);
    const document = policyDocument(args.bucket, args.grants);
    const policy = new S3BucketPolicy(
      `${name}-policy`,
      { bucket: args.bucket, policy: JSON.stringify(document) },
      { parent: this },
    );
    this.policy = policy.policy;
    this.registerOutputs({ policy: this.policy });
  }
}
