import { runWorkload } from "../lib/process";
import { readEnvironment, runBackup } from "./backup";
import { influxdbBackupContract } from "./contract";

runWorkload(
  influxdbBackupContract,
  async ({ env, log, stop }) => {
    const done = await runBackup(env, { log, stop, now: new Date() });
    process.stdout.write(`${JSON.stringify(done)}\n`);
  },
  () => readEnvironment(process.env),
);
