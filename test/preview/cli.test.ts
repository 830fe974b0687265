/** The commands as they are typed, and the comparison with a git ref. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import { declarationOf } from "../../local/preview/declaration";
import { changesBetween, declarationsAtRef } from "../../local/preview/diff";
import { recordStack, type StackYaml } from "../../local/record";
import { recorded } from "../support/recorded";
import { usdf } from "../support/usdf";

// Commands in this process look at the recordings that all tests share; one runs as a process of its own.
jest.mock("../../local/record", () => {
  const actual = jest.requireActual("../../local/record") as typeof import("../../local/record");
  const once: typeof recordStack = (stack, options) => (options ? actual.recordStack(stack, options) : recorded(stack));
  return { ...actual, recordStack: once };
});

const checkout = resolve(__dirname, "../..");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "usdf-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("usdf preview", () => {
  it("shows prod in full, and a line for each environment of dev", () => {
    // As a process of its own, from another folder; colours are asked for and switched off.
    const words = [join(checkout, "local/usdf.mjs"), "preview", "prod"];
    const env = { ...process.env, FORCE_COLOR: "1", NO_COLOR: "1" };
    const { status, stdout } = spawnSync(process.execPath, words, { cwd: folder, encoding: "utf8", env });
    expect(status).toBe(0);
    for (const environment of ["bts", "lfa", "sts", "summit", "summit-new", "tts"])
      expect(stdout).toMatch(new RegExp(`[├└]─ ${environment}  \\d+ objects  usdf-embargo-dmz`));
    expect(stdout).toMatch(/^dev {2}pp-dev +embargo$/m);
    expect(stdout).toMatch(/^dev {2}test +embargo$/m);
    expect(stdout).toMatch(/0 errors, \d+ warnings\n$/);
    expect(stdout).not.toContain("\u001b[");
  });

  it("gives the same as JSON, prod and dev by default", async () => {
    const { code, stdout } = await usdf({}, "preview", "--json");
    const { stacks, others, findings } = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(stacks.map((one: { stack: string }) => one.stack)).toEqual(["prod", "dev"]);
    expect(others.map((one: { stack: string }) => one.stack)).toEqual(["ldf"]);
    const embargo = stacks.flatMap((one: { environments: { system: string; environment: string; count: number }[] }) =>
      one.environments.filter(({ system }) => system === "embargo"),
    );
    expect(embargo.map(({ environment }: { environment: string }) => environment).sort()).toEqual(
      ["bts", "lfa", "pp-dev", "sts", "summit", "summit-new", "test", "tts"].sort(),
    );
    for (const { count, objects } of embargo) expect(objects).toHaveLength(count);
    expect(findings.some(({ level }: { level: string }) => level === "error")).toBe(false);
  });

  it.each([
    [["preview", "prodd"], 2, 'No stack "prodd". Stacks here: '],
    [
      ["preview", "prod", "--diff", "no-such-ref"],
      1,
      'Cannot compare with "no-such-ref": git knows no commit "no-such-ref" here.',
    ],
    [["preview", "prod", "--diff=--output=x"], 1, 'git knows no commit "--output=x" here.'],
    [["preview", "prod", "--markdown"], 2, "--markdown shows a comparison: give --diff <ref>, and no --json."],
    [["render", "prod"], 2, "required option '--out <dir>' not specified"],
    [["render", "nowhere", "--out", "x"], 2, 'No stack "nowhere".'],
  ])("%j ends with %i and says why", async (args, code, message) => {
    const ended = await usdf({}, ...args);
    expect(ended.stderr).toContain(message);
    expect(ended.code).toBe(code);
  });
});

it("usdf render writes below the folder that is named, from anywhere", async () => {
  const before = process.cwd();
  process.chdir(folder);
  try {
    const { code, stdout } = await usdf({}, "render", "dev", "--out", "out", "--json");
    expect(code).toBe(0);
    const { written } = JSON.parse(stdout) as { written: string[] };
    expect(written.length).toBeGreaterThan(40);
  } finally {
    process.chdir(before);
  }
  expect(readFileSync(join(folder, "out/embargo/test/Namespace-test.yaml"), "utf8")).toContain("kind: Namespace");
});

describe("comparison with a git ref", () => {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", copy, "-c", "user.name=t", "-c", "user.email=t@t", ...args], { encoding: "utf8" });
  let copy: string;

  /** A checkout of its own with what the program needs: at HEAD as it is here, then edited. */
  beforeAll(() => {
    copy = join(folder, "copy");
    for (const part of [
      "index.ts",
      "package.json",
      "components",
      "workloads/src",
      "Pulumi.prod.yaml",
      "Pulumi.dev.yaml",
    ])
      cpSync(join(checkout, part), join(copy, part), { recursive: true });
    symlinkSync(join(checkout, "node_modules"), join(copy, "node_modules"));
    writeFileSync(join(copy, "Pulumi.prod.yaml"), stringify({ config: embargoOf("prod") }));
    writeFileSync(join(copy, ".gitignore"), "node_modules\n");
    git("init", "-q");
    git("add", ".");
    git("commit", "-qm", "before");
    edit("Pulumi.prod.yaml", "maxRetries: 3", "maxRetries: 4");
    edit("components/embargo/idle.ts", /new Workload\(/, "if (name !== 'tts-idle') new Workload(");
  });
  /** One system is enough to compare. */
  const embargoOf = (stack: string) => {
    const { config } = parse(readFileSync(join(checkout, `Pulumi.${stack}.yaml`), "utf8")) as StackYaml;
    const kept = Object.entries(config).filter(([key]) => !/^usdf:(efd|sasquatch|prompt)$/.test(key));
    return JSON.parse(JSON.stringify(Object.fromEntries(kept), (key, value) => (key === "prompt" ? undefined : value)));
  };
  const edit = (file: string, from: string | RegExp, to: string) => {
    const text = readFileSync(join(copy, file), "utf8");
    expect(text).toMatch(from);
    writeFileSync(join(copy, file), text.replace(from, to));
  };

  it("tells what was changed, created and removed, object by object, in configuration and in code", async () => {
    const [before] = await declarationsAtRef(copy, "HEAD", ["prod"]);
    const now = declarationOf(await recordStack("prod", { root: copy }));
    const changes = changesBetween(before!, now);
    expect(changes.map(({ change, file }) => `${change} ${file}`)).toEqual([
      "changed ceph/summit-new/topic-rubin-summit-notification-8.json",
      "removed embargo/tts/Deployment-tts-butler-idle.yaml",
      "removed embargo/tts/NetworkPolicy-tts-butler-idle.yaml",
      "removed embargo/tts/PodMonitor-tts-butler-idle.yaml",
    ]);
    expect(changes[0]!.lines.filter((line) => /^[+-]/.test(line))).toEqual([
      '-    "max_retries": "3",',
      '+    "max_retries": "4",',
    ]);
    expect(changesBetween(now, before!)[1]!.change).toBe("created");
    // Nothing is told where nothing was changed.
    expect(before!.objects.length).toBeGreaterThan(100);
    const here = declarationOf(await recordStack("prod", { config: { config: embargoOf("prod") } }));
    expect(changesBetween(before!, here)).toEqual([]);
  });

  it("takes a stack that the ref does not have as all new", async () => {
    git("rm", "-q", "--cached", "Pulumi.dev.yaml");
    git("commit", "-qm", "without dev");
    const [before] = await declarationsAtRef(copy, "HEAD", ["dev"]);
    expect(before!.objects.length).toBe(0);
    const changes = changesBetween(before!, declarationOf(await recorded("dev")));
    expect(changes.length).toBeGreaterThan(40);
    expect(changes.every(({ change }) => change === "created")).toBe(true);
  });
});
