import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadStackConfig, type SasquatchConfig } from "../../components/config";
import { checkSasquatch } from "../../local/preview/checks/sasquatch";
import { readStackYaml, type StackYaml } from "../../local/record";
import { stackConfig } from "../../local/stackConfig";
import { auditTopics, findingsOf, showAudit, showAudits, type TopicsAudit } from "../../local/topics";
import { matches, type TopicSelector } from "../../workloads/src/lib/topicSelector";
import { usdf as usdfCommand } from "../support/usdf";

const topics = readFileSync(join(__dirname, "../../../shared/data/sal/sal_topics.txt"), "utf8").trim().split("\n");
const least = { kubeContext: "k", host: "h.example.org", secrets: { path: "secret/a/b" } };
type Json = Record<string, unknown>;

/** USDF, which mirrors all of SAL. */
function usdf(efd: Json, more: Json = {}): SasquatchConfig {
  const mirrors = { summit: { bootstrap: "s:9094", topics: [{ namespace: "lsst.sal" }], ...(more.mirror as Json) } };
  const environments = { usdfprod: { ...least, mirrors, clients: { efd: { from: "summit", ...efd } } } };
  return loadStackConfig({ sasquatch: { environments } }, "x").sasquatch!;
}
/** Counted name by name, by the third part of it. */
const ofCsc = (...components: string[]) => topics.filter((topic) => components.includes(topic.split(".")[2]!));
const mirrored = (names: readonly string[]) => names.map((name) => `summit.${name}`);

it("finds what is mirrored and stored by no connector: the CSCs that nobody listed, WFOODS among them", () => {
  const lsstcam = { components: ["MTCamera", "MTHeaderService", "MTOODS"] };
  const audit = auditTopics("usdfprod", usdf({ connectors: { other: { enabled: false }, lsstcam } }));
  const missing = ["AlarmRule", "Guider", "LOVE", "MOSS", "SummitFacility", "WFOODS"];
  expect([...audit.mirroredNotStored].sort()).toEqual(mirrored(ofCsc(...missing)).sort());
  expect([audit.topics, audit.stored, audit.notStored.length]).toEqual([3348, 3348 - 104, 0]);
  expect(audit.components.find(({ component }) => component === "WFOODS")).toEqual({
    ...{ component: "WFOODS", topics: 15, stored: 0, notStored: 15, storedTwice: 0, leftOut: 0, connectors: [] },
  });
  expect(findingsOf(audit).filter(({ level }) => level !== "note")).toEqual([
    {
      level: "warning",
      object: "mirrored topics",
      message:
        `104 topics (${mirrored(ofCsc(...missing))
          .sort()
          .slice(0, 3)
          .join(", ")}, …) mirrored and stored by no connector. ` +
        "Give them one, mirror them not, or write them with the reason into unstored",
    },
  ]);
  expect(showAudit(audit)).toMatch(/^WFOODS +15 +15$/m);
});

it("a gap that is meant, and says why, is no gap", () => {
  const reason = "nobody at USDF reads what LOVE shows";
  const unstored = [{ components: ["LOVE"], reason }];
  const parts = { other: { enabled: false }, more: { components: ["AlarmRule", "Guider", "MOSS", "SummitFacility"] } };
  const audit = auditTopics("usdfprod", usdf({ unstored, connectors: parts }));
  expect(audit.leftOut).toEqual(
    mirrored(ofCsc("LOVE"))
      .sort()
      .map((topic) => ({ topic, reason })),
  );
  expect([audit.mirroredNotStored, audit.dead]).toEqual([[], []]);
  expect(findingsOf(audit).map(({ level }) => level)).not.toContain("warning");
});

it("finds what is stored twice, by which connectors", () => {
  const config = usdf({});
  // The schema refuses it, so it is put in behind its back: what was so in 2023.
  const twice = ["ATSpectrograph.command_moveLinearStage", "ATSpectrograph.logevent_reportedLinearStagePosition"];
  config.environments.usdfprod!.clients.efd!.connectors = { calsys: { components: undefined, topics: twice } };
  const audit = auditTopics("usdfprod", config);
  const of = (name: string) => `summit.lsst.sal.${name}`;
  expect(audit.storedTwice).toEqual(
    twice.map((name) => ({ topic: of(name), connectors: ["efd-calsys", "efd-latiss"] })),
  );
  expect(findingsOf(audit)).toContainEqual({
    level: "error",
    object: "efd-calsys and efd-latiss",
    message: `store 2 topics (${twice.map(of).join(", ")}) twice. Narrow one of them`,
  });
});

it("finds selectors, and names in them, that take nothing", () => {
  const connectors = {
    envsys: { components: ["DIMM", "DREAM", "DSM", "EAS", "EPM", "ESS", "HVAC", "WeatherForecast"] },
    gone: { components: ["ATCalSys", "SummitWeather"] },
  };
  const audit = auditTopics(
    "usdfprod",
    usdf({ connectors, unstored: [{ components: ["MTEEC"], reason: "is no more" }] }),
  );
  expect(audit.dead).toEqual([
    { entry: "clients.efd.connectors.envsys", name: "EPM" },
    { entry: "clients.efd.connectors.gone" },
    { entry: "clients.efd.unstored[0]" },
  ]);
  expect(findingsOf(audit)).toContainEqual({
    level: "error",
    object: "clients.efd.connectors.envsys",
    message: "names EPM, which no topic that is known here has. Take it away",
  });
});

it("what no connector takes is not mirrored, unless the mirror says so", () => {
  const config = usdf({ connectors: { other: { enabled: false } } });
  config.environments.usdfprod!.mirrors.summit!.topics = [];
  config.environments.usdfprod!.clients.efd!.connectors!.mtmount = { enabled: false };
  expect(auditTopics("usdfprod", config).components.map(({ component }) => component)).not.toContain("MTMount");
});

it("finds topics with two fields of one name, unless it is known why", () => {
  const audit = auditTopics("usdfprod", usdf({ colliding: [] }));
  expect(audit.colliding).toHaveLength(7);
  expect(audit.colliding.flatMap(({ fields }) => fields)).toHaveLength(40);
  expect(findingsOf(audit)).toContainEqual({
    level: "error",
    object: "summit.lsst.sal.GIS.logevent_m2cDecentralizedIOInput",
    message:
      "has two fields that are sdiM2Cfree1 in InfluxDB: one overwrites the other. Rename one, or write the topic with the reason into colliding",
  });
  expect(findingsOf(auditTopics("usdfprod", usdf({}))).filter(({ level }) => level !== "note")).toEqual([]);
});

it("counts as one who takes each name with each selector does", () => {
  const { sasquatch } = stackConfig("dev");
  const audits = Object.keys(sasquatch!.environments).map((name) => auditTopics(name, sasquatch!));
  const tts = audits.find(({ environment }) => environment === "tucson-teststand")!;
  expect(tts.components.filter(({ component }) => !component.includes("."))).toHaveLength(63);
  const counted = new Map<string, number>();
  for (const topic of topics) counted.set(topic.split(".")[2]!, (counted.get(topic.split(".")[2]!) ?? 0) + 1);
  for (const { component, topics: number, stored } of tts.components)
    if (counted.has(component))
      expect([component, number, stored]).toEqual([component, counted.get(component), counted.get(component)]);
  expect(showAudits(audits).split("\n")[0]).toMatch(/^tucson-teststand: \d+ topics, \d+ stored, 0 twice, 0 not stored/);
});

it("every environment of every stack stores each topic once, or says why not", () => {
  for (const stack of ["prod", "dev", "ldf"]) {
    const { sasquatch } = stackConfig(stack);
    const audits: TopicsAudit[] = Object.keys(sasquatch!.environments).map((name) => auditTopics(name, sasquatch!));
    expect(audits.length).toBeGreaterThan(0);
    expect(audits.flatMap(findingsOf).filter(({ level }) => level !== "note")).toEqual([]);
    for (const { leftOut } of audits) expect(leftOut.filter(({ reason }) => reason.length < 10)).toEqual([]);
  }
});

it("is part of the preview, with the environment and counts", () => {
  const checked = (yaml: StackYaml) =>
    checkSasquatch({ stack: "dev", objects: [], recorded: { stack: "dev", yaml, resources: [], outputs: {} } }).filter(
      ({ level, message }) => level !== "note" && !message.includes("usdf sasquatch size"),
    );
  const yaml = readStackYaml("dev");
  expect(checked(yaml)).toEqual([]);
  const { environments } = yaml.config["usdf:sasquatch"] as {
    environments: { usdfdev: { mirrors: { summit: { topics: TopicSelector[]; unstored?: unknown } } } };
  };
  const { summit } = environments.usdfdev.mirrors;
  delete summit.unstored;
  const number = topics.filter((topic) => summit.topics.some((one) => matches(one, topic))).length;
  expect(checked(yaml)).toEqual([
    {
      ...{ level: "warning", environment: "sasquatch-usdfdev", object: "mirrored topics" },
      message: expect.stringMatching(
        new RegExp(`^${number} topics \\(summit\\.lsst\\.sal\\..*, …\\) mirrored and stored by no connector\\. `),
      ) as string,
    },
  ]);
  expect(checked({ config: {} })).toEqual([]);
});

describe("usdf topics audit", () => {
  it("shows an environment by CSC, and all of them by line", async () => {
    const one = await usdfCommand({}, "topics", "audit", "usdfprod");
    expect([one.code, one.stderr]).toEqual([0, ""]);
    expect(one.stdout).toMatch(
      /^usdfprod: \d+ topics, \d+ stored, 0 twice, 0 not stored, 0 left out, 0 dead selectors\n/,
    );
    expect(one.stdout).toMatch(/^WFOODS +15 +15 +efd-lsstcam$/m);
    const all = await usdfCommand({}, "topics", "audit", "--all", "--json");
    const { audits } = JSON.parse(all.stdout) as { audits: (TopicsAudit & { findings: unknown[] })[] };
    expect(audits.map(({ environment }) => environment)).toEqual(
      expect.arrayContaining(["summit", "base", "usdfprod", "usdfdev", "tucson-teststand"]),
    );
    expect(all.code).toBe(0);
  });

  it.each([
    { words: ["nowhere"], says: /^usdf: No Sasquatch environment "nowhere"\. Known: .*usdfprod.*\.$/ },
    { words: [], says: /^usdf: Name one environment, or say --all for every one\.$/ },
    { words: ["summit", "--all"], says: /^usdf: Name one environment, or say --all for every one\.$/ },
  ])("refuses $words", async ({ words, says }) => {
    const { code, stderr } = await usdfCommand({}, "topics", "audit", ...words);
    expect([code, stderr]).toEqual([2, expect.stringMatching(says)]);
  });
});
