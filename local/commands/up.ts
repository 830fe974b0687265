import type { Command } from "commander";
import { telemetryLine } from "../efd/awaitStored";
import type { Journey } from "../runner/first-exposure";
import type { LocalStack, StatusReport } from "../runner";

interface UpOptions {
  exposure: boolean;
  instrument: string;
  json?: boolean;
}

/** `usdf up`: the stack `local` on this machine, and one exposure through it. */
export function register(program: Command): void {
  program
    .command("up")
    .description("start everything on this machine, and send one simulated exposure the whole way")
    .option("--instrument <name>", "camera of that exposure: LATISS, LSSTComCam or LSSTCam", "LSSTCam")
    .option("--no-exposure", "start only")
    .option("--json", "print what runs as JSON")
    .action(async (options: UpOptions) => {
      const startedMs = Date.now();
      const { openState, withCommandLock } = await import("../state");
      const state = await openState();
      await withCommandLock(state, async () => {
        const { BringUp } = await import("../runner/bring-up");
        const { localStack, SupervisorClient } = await import("../runner");
        const { Listr } = await import("listr2");
        const bringUp = new BringUp(state, "local");
        const isScreen = process.stdout.isTTY && process.stdout.columns >= 40;
        const renderer = options.json ? "silent" : isScreen ? "default" : "simple";
        const steps = bringUp.steps().map(({ title, run }) => ({
          title,
          task: async (_context: unknown, task: { title: string; output: string }) => {
            const shown = await run(teller(task));
            if (shown) task.title = `${title}: ${shown}`;
          },
        }));
        await new Listr(steps, { concurrent: true, exitOnError: true, renderer }).run();
        const stack = await localStack();
        const client = new SupervisorClient(state);
        let journey: Journey | undefined;
        if (options.exposure && bringUp.changed.length > 0) {
          const { sendFirstExposure } = await import("../runner/first-exposure");
          const title = `One ${options.instrument} exposure, camera to Butler and prompt processing, telemetry to consolidated database`;
          const task = async (_context: unknown, shown: { title: string; output: string }) => {
            journey = await sendFirstExposure(client, stack, options.instrument, teller(shown));
            shown.title = `${title}: ${journey.files} files`;
          };
          await new Listr([{ title, task }], { renderer }).run();
        }
        const status = (await client.status())!;
        const seconds = (Date.now() - startedMs) / 1000;
        const { changed } = bringUp;
        if (options.json) console.log(JSON.stringify({ seconds, changed, journey, ...places(stack, status) }, null, 2));
        else await show(seconds, changed, journey, stack, status);
      });
    });
}

/** Shows what a step does: each line once on a terminal; elsewhere only lines without a count, so that logs stay short. */
function teller(task: { output: string }): (line: string) => void {
  return (line) => {
    if (task.output !== line && (process.stdout.isTTY || !/^\d/.test(line))) task.output = line;
  };
}

function places(stack: LocalStack, status: StatusReport) {
  const { environment, bucket, butlerRepo, enqueueUrl, presenceUrl } = stack;
  const redis = `${stack.redis.host}:${stack.redis.port}`;
  const { sal, influxdb, consdbUrl } = stack.efd ?? {};
  const { host, pathname } = consdbUrl ? new URL(consdbUrl) : {};
  const consdb = host && `${host}${pathname}`; // without the password
  return { environment, network: status.supervisor.network, s3: stack.s3.endpoint, bucket: bucket.name, redis, enqueueUrl, presenceUrl, butlerRepo, kafka: sal?.brokers.join(","), registryUrl: sal?.registryUrl, influxdb: influxdb?.url, consdb }; // prettier-ignore
}

async function show(
  seconds: number,
  changed: readonly string[],
  journey: Journey | undefined,
  stack: LocalStack,
  status: StatusReport,
): Promise<void> {
  const { default: colour } = await import("picocolors");
  const at = places(stack, status);
  const rows = [
    ["presence", at.presenceUrl],
    ["enqueue", at.enqueueUrl],
    ["S3 (Ceph RGW)", `${at.s3}  bucket ${at.bucket}`],
    ["Redis", at.redis],
    ["Butler", at.butlerRepo],
    ["Kafka", at.kafka],
    ["registry", at.registryUrl],
    ["InfluxDB", at.influxdb && `${at.influxdb}  bucket efd`],
    ["PostgreSQL", at.consdb],
  ].filter(([, where]) => where !== undefined);
  const next = [
    ["npx usdf status", "what runs, and the queues"],
    ["npx usdf verify local", "one object the whole way, timed hop by hop"],
    ["npx usdf camera send --instrument LSSTComCam --exposures 5", "more exposures"],
    ["npx usdf logs ingest -f", "watch them being ingested"],
    ["npx usdf prompt upload LSSTCam 2", "more visits: next_visit, then raws, to the prompt workers"],
    ["npx usdf efd status", "the transformed EFD: its queue and tables"],
    ["npx usdf preview prod", "what production would get"],
    ["npm run down", "stop it all"],
  ] as const;
  const width = Math.max(...next.map(([command]) => command.length));
  console.log();
  if (changed.length === 0) console.log(colour.green("Everything was up already; nothing changed."));
  else console.log(colour.green(`Up in ${seconds.toFixed(1)} s.`));
  if (journey) {
    const { obsId, files, putSeconds, ingestSeconds } = journey;
    console.log(
      `${obsId}: ${files} files in the bucket in ${putSeconds.toFixed(1)} s, ` +
        `in the Butler ${ingestSeconds.toFixed(1)} s after the last of them; presence knows them.`,
    );
    for (const { instrument, group, detectors, seconds } of journey.visits)
      console.log(
        `${instrument} visit ${group}: ${detectors} detector${detectors === 1 ? "" : "s"} processed and committed, ` +
          `the last ${seconds.toFixed(1)} s after the last file.`,
      );
    const { telemetry, rows } = journey;
    if (telemetry) console.log(`${telemetryLine(telemetry)}.`);
    if (rows)
      console.log(
        `exposure ${rows.exposureId}: ${rows.filled} of ${rows.columns} columns in ${rows.schema}.exposure_efd, ` +
          `${rows.unpivoted} values in exposure_efd_unpivoted, in ${rows.seconds.toFixed(1)} s.`,
      );
  }
  console.log();
  for (const [name, where] of rows) console.log(`  ${name!.padEnd(14)} ${where}`);
  console.log("\nTry next:");
  for (const [command, about] of next) console.log(`  ${colour.bold(command.padEnd(width))}  ${about}`);
}
