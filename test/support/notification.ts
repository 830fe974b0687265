/** A notification of one created object, as Ceph writes it to Kafka: names, order and sizes of a real one. */
export function notificationOf(bucket: string, key: string, eTag = "9f8b4bd2a5c4cb33b1d1a2ea8a3a9c2f"): string {
  return JSON.stringify({ Records: [recordOf(bucket, key, eTag)] });
}

/** One record of it. */
export function recordOf(bucket: string, key: string, eTag = "9f8b4bd2a5c4cb33b1d1a2ea8a3a9c2f"): object {
  return {
    eventVersion: "2.2",
    eventSource: "ceph:s3",
    awsRegion: "default",
    eventTime: "2026-06-04T03:12:00.123456Z",
    eventName: "ObjectCreated:Put",
    userIdentity: { principalId: "camera" },
    requestParameters: { sourceIPAddress: "" },
    responseElements: {
      "x-amz-request-id": "5b7f0b8e-8a3c-4a1e-9d2e-6b1d4a.4155.1",
      "x-amz-id-2": "103b-default-default",
    },
    s3: {
      s3SchemaVersion: "1.0",
      configurationId: `${bucket}-raws`,
      bucket: {
        name: bucket,
        ownerIdentity: { principalId: "camera" },
        arn: `arn:aws:s3:default::${bucket}`,
        id: "5b7f0b8e-8a3c-4a1e-9d2e-6b1d4a.4155.1",
      },
      object: { key, size: 21_504_960, eTag, versionId: "", sequencer: "B86A1F6A7B2C0D12", metadata: [], tags: [] },
    },
    eventId: "1780000000.123456.9f8b4bd2a5c4cb33b1d1a2ea8a3a9c2f",
    opaqueData: "",
  };
}
