import { runWorkload } from "../lib/process";
import { influxdbSetupContract } from "./contract";
import { readEnvironment, setUpInfluxdb } from "./setup";

runWorkload(
  influxdbSetupContract,
  async ({ env, log, stop }) => {
    const report = await setUpInfluxdb(env, { log, stop });
    process.stdout.write(`${JSON.stringify(report)}\n`);
    if (report.faults.length > 0) throw new Error(`${report.faults.length} things are not as declared, see above.`);
  },
  () => readEnvironment(process.env),
);
