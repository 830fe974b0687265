import { type Command, InvalidArgumentError, Option } from "commander";
import { decimal, whole } from "./numbers";
import type { SendProgress, SendResult } from "../camera";
import { type Stored, telemetryLine } from "../efd/awaitStored";

interface SendCommand {
  instrument: string;
  exposures: number;
  rate: number;
  bucket?: string;
  dayObs?: string;
  firstSeq?: number;
  detectors?: string;
  endpoint?: string;
  profile?: string;
  telemetry: boolean;
  json?: boolean;
}

/** `usdf camera send`: plays a camera. */
export function register(program: Command): void {
  const camera = program.command("camera").description("play a camera");
  camera
    .command("send")
    .description("write exposures as the cameras do: FITS files with JSON sidecars, into the bucket of the local stack")
    .addOption(
      new Option("--instrument <name>", "instrument to play: 1, 9 or 205 detectors")
        .choices(["LATISS", "LSSTComCam", "LSSTCam"])
        .default("LATISS"),
    )
    .option("--exposures <n>", "number of exposures", whole(1), 1)
    .option("--rate <r>", "exposures per second", decimal(0.001), 1)
    .option("--bucket <name>", "bucket to write to; default: that of the local stack")
    .option("--day-obs <YYYYMMDD>", "day of observation; default: today's, which began at 12:00 UTC", dayObs)
    .option(
      "--first-seq <n>",
      "number of the first exposure; default: one more than the last in the bucket",
      whole(1, 99_999),
    )
    .option("--detectors <names>", "only these detectors, e.g. R22_S11,R00_SG0; default: all")
    .option("--endpoint <url>", "another S3 service, with the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    .option("--profile <name>", "another S3 service, from LSST_RESOURCES_S3_PROFILE_<name>=https://ACCESS:SECRET@host")
    .option("--no-telemetry", "into the local stack: send no telemetry of the time of the exposures")
    .option("--json", "print what was sent as JSON")
    .addHelpText("after", timesHelp)
    .action(async (options: SendCommand) => {
      const { sendExposures } = await import("../camera");
      const { resolveTarget } = await import("../camera/target");
      const { dayObsOf } = await import("../../workloads/src/lib/objectPath");
      const { bucket, stack } = await resolveTarget(options);
      const isNow = stack !== undefined && options.dayObs === undefined && options.firstSeq === undefined;
      const stop = new AbortController();
      process.once("SIGINT", () => stop.abort());
      const result = await sendExposures({
        instrument: options.instrument,
        bucket,
        exposures: options.exposures,
        ratePerSecond: options.rate,
        dayObs: options.dayObs ?? dayObsOf(new Date()),
        endingAt: isNow ? new Date() : undefined,
        firstSeqNum: options.firstSeq,
        detectors: options.detectors?.split(","),
        onProgress: options.json ? undefined : progressLine(),
        stop: stop.signal,
      });
      let telemetry: Stored | undefined;
      if (stack?.efd && options.telemetry) {
        const { fillTelemetry, spanOf } = await import("../efd/fillTelemetry");
        const { awaitStored } = await import("../efd/awaitStored");
        const filled = await fillTelemetry(stack.efd.sal, options.instrument, result.exposures.map(spanOf));
        telemetry = await awaitStored(stack.efd, filled);
      }
      console.log(options.json ? JSON.stringify({ ...result, telemetry }, null, 2) : summary(result));
      if (telemetry && !options.json) console.log(`${telemetryLine(telemetry)}, over their time`);
    });
}

const timesHelp = `
Into the local stack, without --day-obs and --first-seq, the last exposure ends now and those before it are 34 s apart.
Telemetry of their time is sent as the observatory's producers do: Avro messages to Kafka's topics lsst.sal.*, from where the
connector stores them in InfluxDB; the transformed EFD's CronJob summarises them five minutes later.
Otherwise times follow from the day of observation and the number, and the same exposure sent twice is the same bytes.`;

function dayObs(text: string): string {
  const [, year, month, day] = /^(\d{4})(\d\d)(\d\d)$/.exec(text) ?? [];
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  if (Number.isNaN(date.getTime()) || date.toISOString().slice(8, 10) !== day) {
    throw new InvalidArgumentError("It is not a date written YYYYMMDD.");
  }
  return text;
}

/** One line that is written over, on a terminal only. */
function progressLine(): ((progress: SendProgress) => void) | undefined {
  if (!process.stderr.isTTY) return undefined;
  let shownMs = 0;
  return ({ key, done, total }) => {
    if (done < total && Date.now() - shownMs < 100) return;
    shownMs = Date.now();
    process.stderr.write(done === total ? "\r\x1b[2K" : `\r\x1b[2K${done}/${total}  ${key}`);
  };
}

function summary({ instrument, bucket, objects, bytes, seconds, exposures }: SendResult): string {
  const names = exposures.map(({ obsId }) => obsId);
  const which = names.length > 2 ? `${names[0]} … ${names.at(-1)}` : names.join(", ");
  return [
    `${instrument}: ${exposures.length} exposure${exposures.length === 1 ? "" : "s"} (${which})`,
    `${objects} objects, ${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s to bucket ${bucket}`,
  ].join("\n");
}
