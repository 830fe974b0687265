import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Bucket, clientOf, sendExposures } from "../../local/camera";
import { startGateway, type TestGateway } from "../support/gateway";
import { testAddress, testFolder } from "../support/network";

const folder = testFolder("camera");
const dayObs = "20260603";
let gateway: TestGateway;
let bucket: Bucket;

beforeAll(async () => {
  gateway = await startGateway(`${folder.dir}/rgw`, testAddress(1));
  bucket = await gateway.createBucket("rubin-summit");
});

afterAll(async () => {
  await gateway?.rgw.stop();
  folder.remove();
});

/** Keys in the bucket with the time at which each was there. */
async function listed(prefix: string): Promise<Map<string, number>> {
  const s3 = clientOf(bucket);
  const found = new Map<string, number>();
  let token: string | undefined;
  do {
    const page = await s3.send(
      new ListObjectsV2Command({ Bucket: bucket.name, Prefix: prefix, ContinuationToken: token }),
    );
    for (const { Key, LastModified } of page.Contents ?? []) found.set(Key!, LastModified!.getTime());
    token = page.NextContinuationToken;
  } while (token !== undefined);
  s3.destroy();
  return found;
}

describe("sendExposures", () => {
  it("puts 205 files of LSSTCam with their sidecars, each sidecar first", async () => {
    const progress: number[] = [];
    const onProgress = ({ done }: { done: number }) => progress.push(done);
    const sent = await sendExposures({ instrument: "LSSTCam", bucket, exposures: 1, dayObs, onProgress });
    const [exposure] = sent.exposures;
    expect(exposure).toMatchObject({ obsId: "MC_O_20260603_000001", seqNum: 1, exposureId: 2026060300001 });
    const objects = await listed("LSSTCam/");
    expect(objects.size).toBe(410);
    expect(sent.objects).toBe(410);
    expect(new Set([...objects.keys()].filter((key) => key.endsWith(".fits")))).toEqual(new Set(exposure!.keys));
    for (const key of exposure!.keys) {
      expect(objects.get(key.replace(".fits", ".json"))).toBeLessThanOrEqual(objects.get(key)!);
    }
    expect(progress).toEqual(Array.from({ length: 205 }, (_, index) => index + 1));
  });

  it("counts on from the last exposure in the bucket, keeps the rate and sends only the detectors asked for", async () => {
    const one = { instrument: "LSSTComCam", bucket, dayObs, detectors: ["R22_S11", "R22_S22"] };
    const first = await sendExposures({ ...one, exposures: 1, firstSeqNum: 41 });
    const next = await sendExposures({ ...one, exposures: 3, ratePerSecond: 4 });
    expect(first.exposures[0]!.keys.map((key) => key.slice(-12))).toEqual(["R22_S11.fits", "R22_S22.fits"]);
    expect(next.exposures.map(({ seqNum }) => seqNum)).toEqual([42, 43, 44]);
    expect(next.seconds).toBeGreaterThanOrEqual(0.5);
  });

  it("goes on where a gateway that starts again left off", async () => {
    const sending = sendExposures({
      instrument: "LSSTComCam",
      bucket,
      exposures: 20,
      ratePerSecond: 20,
      dayObs: "20260604",
    });
    await gateway.rgw.restart("SIGKILL");
    const sent = await sending;
    const objects = await listed("LSSTComCam/20260604/");
    expect(sent.exposures.flatMap(({ keys }) => keys).every((key) => objects.has(key))).toBe(true);
    expect(objects.size).toBe(20 * 9 * 2);
  });

  it("says what a bucket refuses, and does not try that again", async () => {
    const other = { ...bucket, secretKey: "wrong" };
    const attempt = sendExposures({ instrument: "LATISS", bucket: other, exposures: 1, dayObs, firstSeqNum: 1 });
    await expect(attempt).rejects.toThrow(
      `Cannot put LATISS/20260603/AT_O_20260603_000001/AT_O_20260603_000001_R00_S00.json into bucket rubin-summit at ` +
        `${bucket.endpoint} (1 try): SignatureDoesNotMatch. The secret key does not belong to the access key.`,
    );
  });

  it("gives up on a service that does not answer, within its limit", async () => {
    const nowhere = { ...bucket, endpoint: `http://${testAddress(99)}:7480` };
    await expect(
      sendExposures({
        instrument: "LATISS",
        bucket: nowhere,
        exposures: 1,
        dayObs,
        firstSeqNum: 1,
        giveUpAfterMs: 700,
      }),
    ).rejects.toThrow(/ECONNREFUSED/);
  });

  it("stops when told to", async () => {
    const stop = new AbortController();
    const sending = sendExposures({
      instrument: "LATISS",
      bucket,
      exposures: 100,
      ratePerSecond: 1,
      dayObs,
      stop: stop.signal,
    });
    setTimeout(() => stop.abort(), 300);
    await expect(sending).rejects.toThrow(/Stopped after [12] of 100 files/);
  });
});
