import type * as pulumi from "@pulumi/pulumi";
import type { DatabasesConfig } from "../config";
import { customResource } from "../platform";

/** Secret with the keys of the bucket of backups. */
export const objectStoreSecret = "prompt-processing-s3-creds";

const objectStore = "prompt-processing-s3-store";
const plugin = "barman-cloud.cloudnative-pg.io";

/** The servers' part: they send their write-ahead logs through the plugin. */
export const backupPlugin = { name: plugin, isWALArchiver: true, parameters: { barmanObjectName: objectStore } };

/** Where backups go, and when they are made. @returns What must be there before the servers are. */
export function databaseBackup(
  prefix: string,
  { name, backup }: DatabasesConfig,
  metadata: (name: string) => { name: string; namespace: pulumi.Output<string>; labels: Record<string, string> },
  parent: pulumi.Resource,
): pulumi.Resource {
  const { destination, endpointUrl, retentionDays, walParallel, dataJobs, schedule } = backup!;
  const store = customResource(
    `${prefix}-store`,
    {
      apiVersion: "barmancloud.cnpg.io/v1",
      kind: "ObjectStore",
      metadata: metadata(objectStore),
      spec: {
        retentionPolicy: `${retentionDays}d`,
        configuration: {
          destinationPath: destination,
          endpointURL: endpointUrl,
          s3Credentials: {
            accessKeyId: { name: objectStoreSecret, key: "ACCESS_KEY_ID" },
            secretAccessKey: { name: objectStoreSecret, key: "ACCESS_SECRET_KEY" },
          },
          wal: { compression: "gzip", maxParallel: walParallel },
          data: { compression: "gzip", jobs: dataJobs },
        },
      },
    },
    { parent },
  );
  customResource(
    `${prefix}-backup`,
    {
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "ScheduledBackup",
      metadata: metadata(`${name}-backup`),
      spec: {
        schedule,
        immediate: true, // there is one before the first night
        backupOwnerReference: "self",
        cluster: { name },
        method: "plugin",
        pluginConfiguration: { name: plugin },
      },
    },
    { parent },
  );
  return store;
}
