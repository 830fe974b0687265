import type { Command } from "commander";
import type { Journey } from "../verify";
import { decimal } from "./numbers";

interface Options {
  readonly environment?: string[];
  readonly timeout: number;
  readonly endpoint?: string;
  readonly profile?: string;
  readonly cwd?: string;
  readonly json?: boolean;
}

const help = `
A canary is one file of a simulated LSSTCam exposure, under a name that no camera uses. Ingest takes it into the Butler in a
transaction that is rolled back; bucket and Redis are cleaned when it has arrived, has failed, or at ctrl-C.

Hops:
  connect  Redis of the environment answers (on a cluster through kubectl port-forward)
  put      the bucket took sidecar and file
  notify   the gateway told enqueue, and enqueue queued it
  claim    an ingest pod took it from the queue
  ingest   the Butler took it and gave it back
  present  presence answers where it is; left out where an environment has no presence

Needs, on a cluster: the stack's kubeconfig contexts (kubectl), its outputs (pulumi), and the keys of the bucket's owner, where
the configuration's AWS profile or this shell has them.

Exit code 0 when every canary came the whole way and no trace is left; else 1, and the hop is named.

Examples:
  usdf verify local
  usdf verify prod --environment summit-new
  usdf verify prod --json`;

/** `usdf verify`: one object through all that a stack deployed. */
export function register(program: Command): void {
  program
    .command("verify")
    .description("after an up: send a canary through each environment of a stack, time every hop, remove all traces")
    .argument("<stack>", "local, or a stack that pulumi up has deployed")
    .option("-e, --environment <names...>", "only these environments; default: all of the stack")
    .option("--timeout <seconds>", "longest way of one canary, 1 to 600", decimal(1, 600), 60)
    .option("--endpoint <url>", "another S3 gateway, with the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    .option("--profile <name>", "gateway and keys from LSST_RESOURCES_S3_PROFILE_<name>=https://ACCESS:SECRET@host")
    .option("--cwd <folder>", "folder with Pulumi.yaml; default: this checkout")
    .option("--json", "print the journeys as JSON")
    .addHelpText("after", help)
    .action(async (stack: string, options: Options) => {
      const { verifyStack } = await import("../verify");
      const { exitCodes } = await import("../exit");
      const stop = new AbortController();
      process.once("SIGINT", () => stop.abort());
      process.once("SIGTERM", () => stop.abort());
      const { environment: environments, endpoint, profile, cwd: folder, json } = options;
      const result = await verifyStack(stack, {
        ...{ environments, endpoint, profile, folder, timeoutMs: options.timeout * 1000, stop: stop.signal },
        onJourney: json ? undefined : (journey) => show(journey, environments?.length === 1 || stack === "local"),
      });
      if (json) console.log(JSON.stringify(result, null, 2));
      else for (const [name, why] of Object.entries(result.skipped)) console.log(`${name}: not verified: ${why}`);
      if (!result.ok) process.exitCode = exitCodes.failed;
    });
}

/** In full, or in a line where there are several. */
function show(journey: Journey, inFull: boolean): void {
  const { environment, canary, ok, hops, totalMs, failed, leftovers, left } = journey;
  const verdict = ok ? `ok, ${totalMs} ms` : `FAILED at ${failed!.hop}`;
  if (inFull) {
    console.log(`${environment}: ${canary ?? "no canary was sent"}`);
    for (const { hop, ms } of hops) console.log(`  ${hop.padEnd(8)} ${String(ms).padStart(6)} ms`);
    console.log(`  ${verdict}`);
  } else {
    console.log(`${environment}: ${verdict} (${hops.map(({ hop, ms }) => `${hop} ${ms}`).join(", ")})`);
  }
  if (failed) console.log(`  ${failed.hop}: ${failed.reason}`);
  if (ok && !hops.some(({ hop }) => hop === "present"))
    console.log("  This environment has no presence: the way ends in the Butler.");
  if (leftovers > 0) console.log(`  Removed what ${leftovers} earlier run${leftovers === 1 ? "" : "s"} left behind.`);
  if (left !== undefined) console.log(`  Not removed: ${left}`);
}
