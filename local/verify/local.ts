import { localStack } from "../runner";
import type { Place } from "./place";

/** The environment of the local stack that `usdf up` started. @throws CommandError (exit code 3) when it does not run. */
export async function localPlace(): Promise<Place> {
  const { environment, s3, bucket, redis, enqueueUrl, presenceUrl } = await localStack();
  return {
    ...{ environment, redis, enqueueUrl, presenceUrl },
    bucket: { ...s3, name: bucket.name },
    path: bucket.path,
    logCommand: (component) => `usdf logs ${component}`,
    close: async () => {},
  };
}
