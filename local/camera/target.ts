import { CommandError, exitCodes } from "../exit";
import { type LocalStack, localStack } from "../runner";
import type { Bucket } from "./send";

/** Where the camera writes to. */
export interface Target {
  readonly bucket: Bucket;
  /** The local stack, where its bucket is written to. */
  readonly stack?: LocalStack;
}

/**
 * Bucket to write to: a named endpoint with the keys of the environment, a profile of the environment, or the local stack.
 * @throws CommandError that says what is missing.
 */
export async function resolveTarget(options: {
  bucket?: string;
  endpoint?: string;
  profile?: string;
}): Promise<Target> {
  const { bucket, endpoint, profile } = options;
  if (profile !== undefined) return { bucket: { ...fromProfile(profile, endpoint), name: named(bucket) } };
  if (endpoint !== undefined) {
    const { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey } = process.env;
    if (!accessKey || !secretKey) {
      throw new CommandError(
        `--endpoint ${endpoint} needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or --profile.`,
        exitCodes.usage,
      );
    }
    return { bucket: { endpoint, accessKey, secretKey, name: named(bucket) } };
  }
  const stack = await localStack();
  return { bucket: { ...stack.s3, name: bucket ?? stack.bucket.name }, stack };
}

/** Profiles as lsst.resources reads them: `LSST_RESOURCES_S3_PROFILE_<name>=https://ACCESS:SECRET@host`. */
function fromProfile(profile: string, endpoint: string | undefined): Omit<Bucket, "name"> {
  const variable = `LSST_RESOURCES_S3_PROFILE_${profile}`;
  const value = process.env[variable];
  const url = value !== undefined && URL.canParse(value) ? new URL(value) : undefined;
  if (!url?.username || !url.password) {
    throw new CommandError(
      `--profile ${profile} needs ${variable}=https://ACCESS:SECRET@host in the environment; ` +
        `${value === undefined ? "it is not set" : "its value is not of that form"}.`,
      exitCodes.usage,
    );
  }
  return {
    endpoint: endpoint ?? `${url.protocol}//${url.host}`,
    accessKey: decodeURIComponent(url.username),
    secretKey: decodeURIComponent(url.password),
  };
}

function named(bucket: string | undefined): string {
  if (bucket === undefined) throw new CommandError("Name the --bucket to write to.", exitCodes.usage);
  return bucket;
}
