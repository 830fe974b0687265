import { Provider } from "@pulumi/aws/provider";
import type * as pulumi from "@pulumi/pulumi";
import type { RgwConnection } from "./types";

/**
 * The AWS provider pointed at a gateway: path style, one endpoint for all, and none of the questions that only Amazon
 * answers (account, metadata service, region list). No default tags: RGW refuses tagging calls of this provider.
 */
export function rgwProvider(name: string, rgw: RgwConnection, opts?: pulumi.ResourceOptions): Provider {
  return new Provider(
    name,
    {
      // The provider wants a region that it knows; RGW takes any in a signature.
      region: "us-east-1",
      ...(rgw.profile === undefined ? {} : { profile: rgw.profile }),
      ...(rgw.accessKeyId === undefined ? {} : { accessKey: rgw.accessKeyId }),
      ...(rgw.secretAccessKey === undefined ? {} : { secretKey: rgw.secretAccessKey }),
      endpoints: [{ s3: rgw.url, sns: rgw.url, sts: rgw.url, iam: rgw.url }],
      s3UsePathStyle: true,
      skipCredentialsValidation: true,
      skipMetadataApiCheck: true,
      skipRegionValidation: true,
      skipRequestingAccountId: true,
    },
    opts,
  );
}
