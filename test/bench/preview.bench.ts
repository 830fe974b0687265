import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "../support/pod";
import { type BenchResult, byTurns, timedMs } from "./harness";

const run = promisify(execFile);

/** `usdf preview prod` as a person types it, from the start of Node to its end; beside it, loading Pulumi's SDK alone. */
export async function bench(): Promise<BenchResult[]> {
  const seconds = async (args: string[]) =>
    (await timedMs(() => run(process.execPath, args, { cwd: root, maxBuffer: 64 << 20 }))) / 1000;
  const measured = await byTurns(
    5,
    () => seconds([join(root, "local/usdf.mjs"), "preview", "prod"]),
    () => seconds(["-e", 'require("@pulumi/pulumi")']),
  );
  return [
    {
      name: "usdf preview prod",
      unit: "s",
      ...measured,
      bareAbout: "node, loading @pulumi/pulumi",
      bound: { atMost: 2 },
    },
  ];
}
