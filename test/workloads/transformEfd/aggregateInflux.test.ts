/** The same numbers, out of a real InfluxDB. */
import { type RunningInfluxdb, startInfluxdb } from "../../../local/services";
import { createEfdClient } from "../../../workloads/src/transform-efd/influx";
import { testAddress, testFolder } from "../../support/network";
import { askNumpy, expectToAgree, type Expected, makeCase, summaryOf } from "./oracleCases";
import type { Topic } from "./oracleClient";
import { originNs } from "./windowStand";

const given = makeCase("a window", 5, 120);
const password = "not-for-logs";
const token = "token-not-for-logs";
let folder: ReturnType<typeof testFolder>;
let influxdb: RunningInfluxdb;
let expected: Expected;

beforeAll(async () => {
  folder = testFolder("aggregate-influx");
  const started = startInfluxdb({ dir: `${folder.dir}/influx`, address: testAddress(53), password, token });
  [influxdb, [expected]] = (await Promise.all([started, askNumpy([given])])) as [RunningInfluxdb, [Expected]];
  await influxdb.write(Object.entries(given.topics).flatMap(linesOf).join("\n"));
});

afterAll(async () => {
  await influxdb?.stop();
  folder?.remove();
});

/** Line protocol; a tag keeps rows of the same time apart. */
function linesOf([name, { times, fields }]: [string, Topic]): string[] {
  return times.flatMap((time, row) => {
    const present = Object.entries(fields).filter(([, column]) => !Number.isNaN(column[row]!));
    const values = present.map(([field, column]) => `${field}=${column[row]}`).join(",");
    const tag = row > 0 && times[row - 1] === time ? "second" : "first";
    return values === "" ? [] : [`${name},row=${tag} ${values} ${originNs + BigInt(time)}`];
  });
}

it.each(["influxql", "flux"] as const)("agrees with numpy through %s", async (dialect) => {
  const access = dialect === "flux" ? { token } : { username: influxdb.username, password };
  const client = createEfdClient({ url: influxdb.url, dialect, ...access });
  try {
    expectToAgree(await summaryOf(given, client), expected);
  } finally {
    await client.close();
  }
});
