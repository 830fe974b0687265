import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { planOf } from "../../../components/sasquatch/plan";
import { salTopics } from "../../../components/sasquatch/sal";
import { stackConfig } from "../../../local/stackConfig";
import { commonTopic, kindOf, matches, patternOf, type TopicSelector } from "../../../workloads/src/lib/topicSelector";

const root = join(__dirname, "../../..");
const topics = readFileSync(join(root, "../shared/data/sal/sal_topics.txt"), "utf8").trim().split("\n");
const near = topics.filter((_, index) => index % 41 === 0);
/** Every topic as it is at the Summit and mirrored either way, and what is nearly a topic. */
const names = [
  ...["", "summit.", "usdf."].flatMap((alias) => topics.map((topic) => alias + topic)),
  ...near.flatMap((topic) => [
    ...[topic.replaceAll(".", "X"), topic.replace("lsst.sal", "lsst-sal"), `x${topic}`, `other.${topic}`],
    ...[`${topic}.x`, `${topic}-aggregated`, topic.slice(0, -1), topic.split(".").slice(0, 3).join(".")],
  ]),
  ...["lsst.sal", "lsst.sal.", "lsst", "lsst.survey", "lsst.surveys", "lsst.survey.x", "lsst.obsenv.run-branch"],
];

/** What a selector should take, said with the parts of a name. */
interface Case {
  readonly about: string;
  readonly selector: TopicSelector;
  readonly takes: (namespace: string, component: string, topic: string) => boolean;
}
const isSal = (namespace: string) => namespace === "lsst.sal";
const cases: Case[] = [
  { about: "all of SAL", selector: { namespace: "lsst.sal" }, takes: isSal },
  {
    about: "a CSC whose name begins another's",
    selector: { namespace: "lsst.sal", components: ["MTM1M3"] },
    takes: (namespace, component, topic) => isSal(namespace) && component === "MTM1M3" && topic !== "",
  },
  {
    about: "telemetry of two CSCs",
    selector: { namespace: "lsst.sal", components: ["MTMount", "ESS"], kinds: ["telemetry"] },
    takes: (namespace, component, topic) =>
      isSal(namespace) && ["MTMount", "ESS"].includes(component) && !/^(ackcmd$|command_|logevent_|$)/.test(topic),
  },
  {
    about: "events and commands",
    selector: { namespace: "lsst.sal", kinds: ["events", "commands"] },
    takes: (namespace, _, topic) => isSal(namespace) && /^(command_|logevent_)/.test(topic),
  },
  {
    about: "telemetry and acks",
    selector: { namespace: "lsst.sal", kinds: ["telemetry", "acks"] },
    takes: (namespace, _, topic) => isSal(namespace) && topic !== "" && !/^(command_|logevent_)/.test(topic),
  },
  {
    about: "one event of every CSC",
    selector: { namespace: "lsst.sal", kinds: ["events"], topics: ["logevent_heartbeat"] },
    takes: (namespace, _, topic) => isSal(namespace) && topic === "logevent_heartbeat",
  },
  {
    about: "single topics",
    selector: { namespace: "lsst.sal", topics: ["ScriptQueue.logevent_nextVisit", "Test.scalars"] },
    takes: (namespace, component, topic) =>
      isSal(namespace) && ["ScriptQueue.logevent_nextVisit", "Test.scalars"].includes(`${component}.${topic}`),
  },
  {
    about: "all CSCs but some",
    selector: { namespace: "lsst.sal", except: ["MTM1M3", "MTMount", "ATCamera", "ESS", "Script"] },
    takes: (namespace, component) =>
      isSal(namespace) && !["MTM1M3", "MTMount", "ATCamera", "ESS", "Script", ""].includes(component),
  },
  {
    about: "a CSC's events but some",
    selector: {
      ...{ namespace: "lsst.sal", components: ["MTM2", "ESS"], kinds: ["events"] },
      except: ["logevent_heartbeat", "logevent_logLevel", "logevent_log"],
    },
    takes: (namespace, component, topic) =>
      isSal(namespace) && ["MTM2", "ESS"].includes(component) && /^logevent_(?!heartbeat$|logLevel$|log$)/.test(topic),
  },
];

/** `[alias, namespace, component, topic]`; a name of another form gives no namespace of SAL. */
function partsOf(name: string): [string, string, string, string] {
  const parts = name.split(".");
  const alias = ["summit", "usdf", "other"].includes(parts[0]!) ? parts.shift()! : "";
  const [first, second, component = "", ...topic] = parts;
  return topic.length > 1 ? [alias, "", "", ""] : [alias, `${first}.${second}`, component, topic[0] ?? ""];
}

const run = promisify(execFile);

it("knows each kind of topic", () => {
  const counts = { telemetry: 0, events: 0, commands: 0, acks: 0 };
  for (const topic of topics) counts[kindOf(topic)] += 1;
  expect(counts).toEqual({ telemetry: 562, events: 1883, commands: 840, acks: 63 });
});

describe.each(cases)("$about", ({ selector, takes }) => {
  it.each([undefined, "summit", "usdf"])("takes the same topics as its pattern, mirrored from %s", (from) => {
    const here = { ...selector, ...(from && { from }) };
    const expected = names.filter((name) => {
      const [alias, ...parts] = partsOf(name);
      // Below the namespace everything is taken, whatever its form, where no component is asked for.
      const isDeep = !("components" in selector || "kinds" in selector || "topics" in selector);
      const prefix = `${from ? `${from}.` : ""}lsst.sal.`;
      if (isDeep)
        return name.startsWith(prefix) && name !== prefix && takes("lsst.sal", name.split(".")[from ? 3 : 2]!, "x");
      return alias === (from ?? "") && takes(...parts);
    });
    expect(expected.length).toBeGreaterThan(0);
    expect(names.filter((name) => matches(here, name))).toEqual(expected);
    const pattern = new RegExp(patternOf(here, "go"));
    expect(names.filter((name) => pattern.test(name))).toEqual(expected);
  });
});

it("Go, Java and Python take the same topics, each in its users' way, of every connector and mirror of prod", async () => {
  const { sasquatch } = stackConfig("prod");
  const plans = ["summit", "usdfprod"].map((environment) => planOf(environment, sasquatch!));
  const selectors = [
    ...cases.flatMap(({ selector }) => [selector, { ...selector, from: "summit" }, { ...selector, from: "usdf" }]),
    { namespace: "lsst", topics: ["survey"] },
    ...plans.flatMap(({ connectors }) => connectors.map(({ selector }) => selector)),
    ...plans.flatMap(({ mirrors }) => mirrors.flatMap((mirror) => mirror.selectors)),
  ];
  const dir = mkdtempSync(join(tmpdir(), "usdf-selector-"));
  const file = (name: string, lines: readonly string[]) => {
    writeFileSync(join(dir, name), lines.join("\n"));
    return join(dir, name);
  };
  try {
    const all = file("names", names);
    const patterns = (dialect: "go" | "java" | "python") =>
      file(
        dialect,
        selectors.map((selector) => patternOf(selector, dialect)),
      );
    const programs = join(__dirname, "selector");
    const options = { maxBuffer: 64 << 20, timeout: 120_000, env: { ...process.env, CGO_ENABLED: "0" } };
    const outputs = await Promise.all([
      run("go", ["run", join(programs, "match.go"), patterns("go"), all], options),
      run("java", ["-XX:TieredStopAtLevel=1", join(programs, "Match.java"), patterns("java"), all], options),
      run("python3", [join(programs, "match.py"), patterns("python"), all], options),
    ]);
    const expected = selectors.map((selector) => names.map((name) => (matches(selector, name) ? "1" : "0")).join(""));
    for (const { stdout } of outputs) {
      const rows = stdout.trimEnd().split("\n");
      const wrong = selectors.filter((_, index) => rows[index] !== expected[index]);
      expect([rows.length, wrong]).toEqual([selectors.length, []]);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it("every topic of SAL has one connector a server at the Summit, and one at USDF for its mirrored name", () => {
  const { sasquatch } = stackConfig("prod");
  const takersOf = (environment: string) => {
    const active = planOf(environment, sasquatch!).connectors.filter(({ influxdb }) => influxdb === "active");
    const patterns = active.map((connector) => new RegExp(connector.patterns.go));
    return (name: string) => patterns.filter((pattern) => pattern.test(name)).length;
  };
  const [summit, usdf] = [takersOf("summit"), takersOf("usdfprod")];
  const wrong = topics.filter(
    (topic) =>
      summit(topic) !== 1 || summit(`usdf.${topic}`) !== 0 || usdf(`summit.${topic}`) !== 1 || usdf(topic) !== 0,
  );
  expect(wrong).toEqual([]);
});

describe("selectors that nobody chose", () => {
  const part = fc.constantFrom(
    "A",
    "AB",
    "ABC",
    "B",
    "a-b",
    "_",
    "logevent_A",
    "command_",
    "command_B",
    "ackcmd",
    "ackcm",
  );
  const some = fc.option(fc.array(part, { minLength: 1, maxLength: 3 }), { nil: undefined });
  const dotted = fc.array(part, { minLength: 1, maxLength: 2 }).map((parts) => parts.join("."));
  const selector: fc.Arbitrary<TopicSelector> = fc.record(
    {
      namespace: fc.constantFrom("n", "n.A", "m"),
      components: some,
      kinds: fc.option(fc.subarray(["telemetry", "events", "commands", "acks"] as const, { minLength: 1 }), {
        nil: undefined,
      }),
      topics: fc.option(fc.array(dotted, { minLength: 1, maxLength: 3 }), { nil: undefined }),
      except: fc.option(fc.array(dotted, { minLength: 1, maxLength: 3 }), { nil: undefined }),
    },
    { requiredKeys: ["namespace"] },
  );
  const words = [
    "A",
    "AB",
    "ABC",
    "B",
    "C",
    "a-b",
    "_",
    "logevent_A",
    "logevent_B",
    "command_",
    "command_B",
    "ackcmd",
    "ackcm",
    "ackcmdx",
  ];
  const few = words.flatMap((one) =>
    ["n", "n.A", "m"].flatMap((namespace) => [
      `${namespace}.${one}`,
      ...words.map((two) => `${namespace}.${one}.${two}`),
    ]),
  );

  it("take what their pattern takes", () => {
    fc.assert(
      fc.property(selector, (one) => {
        const pattern = new RegExp(patternOf(one, "java"));
        expect(few.filter((name) => pattern.test(name))).toEqual(few.filter((name) => matches(one, name)));
      }),
      { numRuns: 300 },
    );
  });

  it("have a common topic where there is one", () => {
    fc.assert(
      fc.property(selector, selector, (one, other) => {
        const common = commonTopic(one, other);
        if (common === undefined) expect(few.filter((name) => matches(one, name) && matches(other, name))).toEqual([]);
        else expect([matches(one, common), matches(other, common)]).toEqual([true, true]);
      }),
      { numRuns: 1000 },
    );
  });
});

it("a pattern has no comma, which would split a list of them, and no dot of its own", () => {
  expect(patternOf({ from: "summit", namespace: "lsst.sal", components: ["MTMount", "ESS"] }, "java")).toBe(
    "^summit\\.lsst\\.sal\\.(?:MTMount|ESS)\\.[^.]+$",
  );
  expect(patternOf({ namespace: "lsst.sal", components: ["ESS"], topics: ["ackcmd"] }, "python")).toBe(
    "^lsst\\.sal\\.ESS\\.ackcmd\\Z",
  );
  expect(patternOf({ namespace: "lsst.sal", topics: ["A.b"], except: ["A"] }, "go")).toBe("^$");
});

it("the project's list of topics is the one of the interface definitions", () => {
  const facts = JSON.parse(readFileSync(join(root, "../shared/data/sal/sal_topic_facts.json"), "utf8")) as Record<
    string,
    { fields: number; flat: number; dup: string[] }
  >;
  expect(salTopics().map(({ name }) => name)).toEqual([...topics].sort());
  for (const { name, fields, flattened, collisions } of salTopics())
    expect({ name, fields, flat: flattened, dup: collisions }).toEqual({
      name,
      fields: facts[name]!.fields,
      flat: facts[name]!.flat,
      dup: facts[name]!.dup,
    });
});
