import { runWorkload } from "../lib/process";
import { databaseGrantsContract } from "./contract";
import { mendGrants, readEnvironment } from "./grants";

runWorkload(
  databaseGrantsContract,
  async ({ env, log, stop }) => {
    const report = await mendGrants(env, { log, stop });
    process.stdout.write(`${JSON.stringify(report)}\n`);
    if (report.faults.length > 0) throw new Error(`${report.faults.length} things are not as declared, see above.`);
  },
  () => readEnvironment(process.env),
);
