import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { sasquatchSchema } from "../../components/config/sasquatch";
import { planOf } from "../../components/sasquatch/plan";
import { alertsOf } from "../../components/sasquatch/alerts";
import { program } from "../../local/cli";

const page = readFileSync(join(__dirname, "../../docs/sasquatch.md"), "utf8");

test("the client of the operators' page is one, and comes to what the page says", () => {
  const [, text] = /```yaml\n([\s\S]*?)```/.exec(page)!;
  const { "usdf:sasquatch": written } = parse(text!) as { "usdf:sasquatch": { environments: { usdfprod: object } } };
  const place = { kubeContext: "usdf-rsp", host: "usdf-rsp.slac.stanford.edu", secrets: { path: "secret/sasquatch" } };
  const sasquatch = sasquatchSchema.parse({
    ...written,
    environments: { usdfprod: { ...place, ...written.environments.usdfprod } },
  });
  const { connectors, buckets, topics, users } = planOf("usdfprod", sasquatch);
  expect(connectors).toMatchObject([{ name: "weather", consumerGroup: "connector-weather", bucket: "lsst.weather" }]);
  expect(buckets.map(({ name }) => name)).toEqual(["lsst.weather", "lsst.weather_1m"]);
  expect(topics).toMatchObject([{ topicName: "lsst.weather.station" }]);
  expect(users.map(({ name }) => name).sort()).toEqual(expect.arrayContaining(["weather"]));
});

test("every command of the page exists, with its options", () => {
  const known = new Map<string, string>();
  const note = (prefix: string, command: ReturnType<typeof program>) => {
    for (const one of command.commands as ReturnType<typeof program>[]) {
      const name = `${prefix}${one.name()}`;
      known.set(name, one.helpInformation());
      note(`${name} `, one);
    }
  };
  note("", program());
  const lines = [...page.matchAll(/usdf ((?:sasquatch|topics|secrets|preview)[^`\n#&]*)/g)].map(([, line]) => line!);
  expect(lines.length).toBeGreaterThan(8);
  for (const line of lines) {
    const name = [...known.keys()].filter((one) => `${line} `.startsWith(`${one} `)).sort((a, b) => b.length - a.length)[0]; // prettier-ignore
    expect({ line, name }).toEqual({ line, name: expect.any(String) as string });
    for (const [option] of line.matchAll(/--[a-z-]+/g)) expect(known.get(name!)).toContain(option);
  }
});

test("alerts that the page names are declared", () => {
  const sasquatch = sasquatchSchema.parse({
    environments: { a: { kubeContext: "a", host: "a.b", secrets: { path: "secret/a" }, clients: { efd: {} } } },
  });
  const alerts = alertsOf({ settings: sasquatch.environments.a!, plan: planOf("a", sasquatch) }).map(({ alert }) => alert); // prettier-ignore
  for (const [, name] of page.matchAll(/alert `(\w+)`/g)) expect(alerts).toContain(name);
});
