import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { ConfigError, exitCode } from "../lib/contract";
import { Commits } from "./commits";
import { type Fault, readSettings, type StandInSettings } from "./settings";

/**
 * A pipeline program that does no astronomy and all else: it speaks the gateway's protocol (orders on its input, reports on file
 * descriptor 3), takes its time, commits once, and fails as it is told. For one machine, tests and rehearsals.
 */
interface Visit {
  readonly instrument: string;
  readonly groupId: string;
  readonly detector: number;
}
interface InHand {
  readonly visit: Visit;
  readonly attempt: number;
  readonly fault: Fault["fault"] | undefined;
  uncertain: boolean;
  readonly raws: string[];
}

/** Descriptor of the reports. */
const reports = 3;
const report = (value: object) => writeSync(reports, `${JSON.stringify(value)}\n`);
const log = (message: string, fields: object) =>
  process.stderr.write(`${JSON.stringify({ level: "info", name: "stand-in-pipeline", ...fields, msg: message })}\n`);
const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const crash = () => process.kill(process.pid, "SIGKILL");

function faultOf({ visit, attempt }: Pick<InHand, "visit" | "attempt">, faults: readonly Fault[]) {
  return faults.find(({ fault, detector, group, attempt: only, chance }) => {
    if (detector !== undefined && detector !== visit.detector) return false;
    if (group !== undefined && group !== visit.groupId) return false;
    if (only !== undefined && only !== attempt) return false;
    const digest = createHash("sha256").update(`${fault} ${visit.groupId} ${visit.detector} ${attempt}`).digest();
    return digest.readUInt32BE() < chance * 2 ** 32;
  })?.fault;
}

class StandIn {
  private inHand: InHand | undefined;
  private visits = 0;
  private readonly commits: Commits;

  constructor(private readonly settings: StandInSettings) {
    this.commits = new Commits(settings.STAND_IN_COMMITS);
  }

  async take(order: { type: string } & Record<string, unknown>): Promise<void> {
    if (order.type === "visit") this.visit(order);
    else if (order.type === "raw") this.inHand?.raws.push(String(order.key));
    else if (order.type === "rawsEnd") await this.process(order.complete === true);
    else if (order.type === "commit") this.granted(order);
    else throw new Error(`unknown order ${order.type}`);
  }

  private visit(order: Record<string, unknown>): void {
    const visit = order.visit as Visit;
    const attempt = order.attempt as number;
    const fault = faultOf({ visit, attempt }, this.settings.STAND_IN_FAULTS);
    this.inHand = { visit, attempt, fault, uncertain: order.commitUncertain === true, raws: [] };
    if (fault === "crash") crash();
  }

  private async process(complete: boolean): Promise<void> {
    const inHand = this.inHand as InHand;
    const { visit, fault, raws } = inHand;
    await sleep(this.settings.STAND_IN_WORK);
    log("Processed", { group: visit.groupId, detector: visit.detector, raws: raws.length, complete });
    if (fault === "hang") return;
    if (fault === "nonsense") return void writeSync(reports, "it went well\n");
    if (fault === "ignore") return this.end("ignored");
    if (fault === "fail" || fault === "fail-for-good") return this.end("failed", fault === "fail", "told to fail");
    if (raws.length === 0) return this.end("failed", false, "Timed out waiting for images");
    report({ type: "commit" });
  }

  private granted(order: Record<string, unknown>): void {
    const { visit, attempt, fault, uncertain, raws } = this.inHand as InHand;
    if (order.granted !== true) return this.end("failed", false, String(order.reason));
    if (fault === "crash-granted") return void crash();
    const { instrument, groupId, detector } = visit;
    const mayExist = uncertain || order.uncertain === true;
    const isNew = this.commits.commit(instrument, groupId, detector, { attempt, raws, pid: process.pid }, mayExist);
    if (fault === "crash-committed") return void crash();
    if (!isNew) log("It was committed before", { group: groupId, detector });
    if (!isNew && !mayExist) return this.end("failed", false, "it was committed before, and nobody had said so");
    this.end("committed");
  }

  private end(outcome: "committed" | "ignored" | "failed", retriable = false, reason = ""): void {
    this.inHand = undefined;
    report({ type: "done", outcome, retriable, reason });
    const { STAND_IN_VISITS } = this.settings;
    if (STAND_IN_VISITS > 0 && ++this.visits >= STAND_IN_VISITS) process.exit(exitCode.ok);
  }
}

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const standIn = new StandIn(settings);
  await sleep(settings.STAND_IN_LOAD);
  report({ type: "ready" });
  for await (const line of createInterface({ input: process.stdin })) {
    await standIn.take(JSON.parse(line) as { type: string } & Record<string, unknown>);
  }
}

main().then(
  () => process.exit(exitCode.ok), // the gateway is gone, whatever is in hand
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof ConfigError ? exitCode.badConfig : exitCode.failed);
  },
);
