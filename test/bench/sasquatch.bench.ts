import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "../support/pod";
import { type BenchResult, byTurns, timedMs } from "./harness";

const run = promisify(execFile);

/** What an operator waits for, from the start of Node to its end; beside it, loading what both stand on. */
export async function bench(): Promise<BenchResult[]> {
  const seconds = async (args: string[]) =>
    (await timedMs(() => run(process.execPath, args, { cwd: root, maxBuffer: 64 << 20 }))) / 1000;
  const command = join(root, "local/usdf.mjs");
  const audit = await byTurns(
    5,
    () => seconds([command, "topics", "audit", "--all"]),
    () => seconds(["-e", 'require("zod"); require("yaml")']),
  );
  const preview = await byTurns(
    5,
    () => seconds([command, "preview", "ldf"]), // a stack of one Sasquatch environment
    () => seconds(["-e", 'require("@pulumi/pulumi")']),
  );
  return [
    {
      name: "usdf topics audit --all: every environment, 3,348 topics of SAL",
      unit: "s",
      ...audit,
      bareAbout: "node, loading zod and yaml",
      bound: { atMost: 1 },
    },
    {
      name: "usdf preview of one Sasquatch environment",
      unit: "s",
      ...preview,
      bareAbout: "node, loading @pulumi/pulumi",
      bound: { atMost: 2 },
    },
  ];
}
