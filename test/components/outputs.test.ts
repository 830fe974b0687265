import { type StackOutputs, stackOutputsSchema } from "../../components/outputs";
import { readOutputs } from "../../components/outputs/reader";
import { recordStack } from "../../local/record";
import { stacksOf } from "../../local/preview/stacks";
import { version } from "../../package.json";
import { recorded } from "../support/recorded";

const outputsOf = async (stack: string) => (await recorded(stack)).outputs as StackOutputs;

describe("outputs of a stack", () => {
  it.each(stacksOf())("of %s are what the reference says, no more, and no secret", async (stack) => {
    const outputs = await outputsOf(stack);
    expect(stackOutputsSchema.parse(outputs)).toEqual(outputs);
    expect(JSON.stringify(outputs)).not.toMatch(/\[secret/);
  });

  it("tell where an environment is and what it runs", async () => {
    const { versions, embargo } = await outputsOf("prod");
    expect(versions).toEqual({ usdf: version });
    expect(Object.keys(embargo)).toEqual(["bts", "lfa", "sts", "summit", "summit-new", "tts"]);
    expect(embargo["summit-new"]).toEqual({
      kubeContext: "usdf-embargo-dmz",
      namespace: "summit-new",
      bucket: "embargo@rubin-summit",
      enqueueUrl: "kafka://172.24.10.54:9094",
      presenceUrl: "http://172.24.5.158:8080/presence",
      redisEndpoint: "172.24.10.94:6379",
      images: {
        enqueue: `ghcr.io/lsst-dm/usdf-workloads:${version}`,
        ingest: `ghcr.io/lsst-dm/usdf-ingest:${version}`,
        idle: `ghcr.io/lsst-dm/usdf-workloads:${version}`,
        presence: `ghcr.io/lsst-dm/usdf-workloads:${version}`,
        redis: "redis:7.4.4",
      },
    });
    expect(embargo.sts!.presenceUrl).toBeUndefined();
    expect(embargo.sts!.images.ingest).toBe("ghcr.io/lsst-dm/embargo-butler-ingest:0.99.2-w_2023_49");
  });

  it("tell which CronJobs summarise an instrument, where to, and from which a back-fill is started", async () => {
    const { efd } = await outputsOf("prod");
    expect(Object.keys(efd)).toEqual(["prod-latiss", "prod-lsstcam", "prod-lsstcomcam"]);
    expect(efd["prod-lsstcam"]).toEqual({
      kubeContext: "usdf-consdb",
      namespace: "prod-lsstcam",
      instrument: "LSSTCam",
      cronJob: "transformed-efd-prod",
      failureMonitor: "transformed-efd-prod-failure-monitor",
      backfills: { "lsstcam-2025-10": "transformed-efd-prod-lsstcam-2025-10" },
      queueTable: "efd_scheduler.lsstcam",
      schema: "efd_lsstcam",
      image: `ghcr.io/lsst-dm/usdf-workloads:${version}`,
    });
  });

  it("tell of each prompt service where its visits and raws come from", async () => {
    const { prompt } = await outputsOf("prod");
    expect(prompt).toMatchObject({
      "usdfprod-prompt-processing": {
        kubeContext: "usdf-prompt-processing",
        host: "usdfprod-prompt-processing.slac.stanford.edu",
        redisEndpoint: "prompt-redis.prompt-redis:6379",
        nextVisitTopic: "lsst.sal.ScriptQueue.logevent_nextVisit",
        services: {
          LSSTCam: {
            namespace: "prompt-keda-lsstcam",
            ...{ driver: "upstream", platform: "keda", rawTopic: "rubin-summit-notification-8" },
            ...{ stream: "instrument:lsstcam", consumerGroup: "lsstcam_consumer_group", imageBucket: "rubin-summit" },
            centralRepo: "s3://rubin-summit-users",
            image: "ghcr.io/lsst-dm/prompt-service:15.2.0",
          },
        },
        image: `ghcr.io/lsst-dm/usdf-workloads:${version}`,
      },
    });
  });

  it("tell each topic of each gateway, also where two gateways have one of the same name", async () => {
    const { ceph } = await outputsOf("prod");
    expect(ceph.sdfembs3).toEqual({
      url: "https://sdfembs3.sdf.slac.stanford.edu",
      topics: {
        "rubin-summit-notification-8": {
          arn: "arn:aws:sns:sdfembargo::rubin-summit-notification-8",
          environment: "summit-new",
        },
      },
    });
    expect(Object.keys(ceph.s3dfrgw!.topics)).toEqual(["rubin-sts", "rubin-summit", "rubinobs-lfa-cp"]);
    const endpoint = (url: string, zonegroup: string) => ({
      url,
      zonegroup,
      topics: { same: { pushEndpoint: "http://receiver" } },
    });
    const endpoints = { one: endpoint("http://one", "first"), two: endpoint("http://two", "second") };
    const two = await recordStack("x", { config: { config: { "usdf:ceph": { endpoints } } } });
    expect((two.outputs as StackOutputs).ceph).toEqual({
      one: { url: "http://one", topics: { same: { arn: "arn:aws:sns:first::same" } } },
      two: { url: "http://two", topics: { same: { arn: "arn:aws:sns:second::same" } } },
    });
  });
});

describe("outputs that another program reads", () => {
  const systems = { embargo: {}, efd: {}, sasquatch: {}, prompt: {}, ceph: {} };
  const whole = { apiVersion: 1, versions: { usdf: "1.0.0" }, ...systems };
  const read = (outputs: unknown) => () => readOutputs("organization/usdf/prod", outputs);

  it("may have more than this version knows", () =>
    expect(read({ ...whole, versions: { usdf: "1.0.0", more: 1 }, later: {} })()).toEqual(whole));

  it("may be of an earlier version, which had neither transformed EFD nor Sasquatch nor Prompt Processing", () => {
    const { efd: _, sasquatch: __, prompt: ___, ...earlier } = whole;
    expect(read(earlier)()).toEqual(whole);
  });

  it.each([
    [
      "of a stack that was never brought up",
      {},
      "Stack organization/usdf/prod has no output apiVersion: it is none of usdf, or was not brought up yet. " +
        "Correct the name, or run `pulumi up` there first.",
    ],
    [
      "of another form",
      { ...whole, apiVersion: 2 },
      "Stack organization/usdf/prod has outputs of form 2, this program reads form 1. " +
        "Use the version of usdf that the stack was brought up with.",
    ],
    [
      "of which one is missing",
      { ...whole, ceph: undefined },
      "Outputs of stack organization/usdf/prod cannot be read: ceph: Invalid input: expected record, received undefined. " +
        "Run `pulumi up` there again.",
    ],
  ])("are refused: %s", (_, outputs, message) => expect(read(outputs)).toThrow(message));
});
