import { runWorkload } from "../lib/process";
import { uploadContract } from "./contract";
import { runUpload } from "./run";
import { readSettings, type Settings } from "./settings";

runWorkload<typeof uploadContract, Settings>(
  uploadContract,
  async ({ env: settings, log, stop, closers }) => {
    const onProgress = ({ group, key, done, total }: { group: string; key?: string; done: number; total: number }) =>
      key === undefined ? log.info({ group }, "Announced") : log.debug({ key, done, total }, "Put");
    const sent = await runUpload(settings, process.env, { log, stop, closers, onProgress });
    process.stdout.write(`${JSON.stringify({ groups: sent })}\n`);
  },
  () => readSettings(process.env),
);
