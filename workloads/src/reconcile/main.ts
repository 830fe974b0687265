import { runWorkload } from "../lib/process";
import { reconcileContract } from "./contract";
import { runReconcile } from "./run";

runWorkload(reconcileContract, async ({ env, log, stop }) => {
  const onMissed = (path: string) => log.warn({ path }, `Missed ${path}`);
  const report = await runReconcile(env, process.env, { log, stop, onMissed });
  log.info(report, "Reconciled");
  process.stdout.write(`${JSON.stringify(report)}\n`);
});
