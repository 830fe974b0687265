/** The commands as they are typed, and the comparison with a git ref. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { declarationOf } from "../../local/preview/declaration";
import { changesBetween, declarationsAtRef } from "../../local/preview/diff";
import { recordStack } from "../../local/record";

jest.setTimeout(120_000);
const checkout = resolve(__dirname, "../..");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "usdf-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function usdf(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(checkout, "local/usdf.mjs"), ...args], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { status, stdout, stderr };
}

describe("usdf preview", () => {
  it("shows prod in full, and a line for each environment of dev", () => {
    const { status, stdout } = usdf("preview", "prod");
    expect(status).toBe(0);
    for (const environment of ["bts", "lfa", "sts", "summit", "summit-new", "tts"])
      expect(stdout).toMatch(new RegExp(`[├└]─ ${environment}  \\d+ objects  usdf-embargo-dmz`));
    expect(stdout).toMatch(/^dev {2}pp-dev +\d+ objects/m);
    expect(stdout).toMatch(/^dev {2}test +\d+ objects/m);
    expect(stdout).toMatch(/0 errors, \d+ warnings\n$/);
    expect(stdout).not.toContain("\u001b[");
  });

  it("gives the same as JSON, prod and dev by default", () => {
    const { status, stdout } = usdf("preview", "--json");
    const { stacks, others, findings } = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(stacks.map((one: { stack: string }) => one.stack)).toEqual(["prod", "dev"]);
    expect(others).toEqual([]);
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
  ])("%j ends with %i and says why", (args, code, message) => {
    const { status, stderr } = usdf(...args);
    expect(stderr).toContain(message);
    expect(status).toBe(code);
  });
});

it("usdf render writes below the folder that is named, from anywhere", () => {
  const { status, stdout } = usdf("render", "dev", "--out", "out", "--json");
  expect(status).toBe(0);
  const { written } = JSON.parse(stdout) as { written: string[] };
  expect(written.length).toBeGreaterThan(40);
  expect(readFileSync(join(folder, "out/embargo/test/Namespace-test.yaml"), "utf8")).toContain("kind: Namespace");
});

describe("comparison with a git ref", () => {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", ...args], { encoding: "utf8" });

  /** A checkout of its own with what the program needs. */
  function copyCheckout(): void {
    for (const part of [
      "index.ts",
      "package.json",
      "components",
      "workloads/src",
      "Pulumi.prod.yaml",
      "Pulumi.dev.yaml",
    ])
      cpSync(join(checkout, part), join(folder, part), { recursive: true });
    symlinkSync(join(checkout, "node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, ".gitignore"), "node_modules\n");
    git("init", "-q");
    git("add", ".");
    git("commit", "-qm", "before");
  }
  const now = async (stack: string) => declarationOf(await recordStack(stack, { root: folder }));
  const edit = (file: string, from: string | RegExp, to: string) => {
    const text = readFileSync(join(folder, file), "utf8");
    expect(text).toMatch(from);
    writeFileSync(join(folder, file), text.replace(from, to));
  };

  it("tells what was changed, created and removed, object by object, in configuration and in code", async () => {
    copyCheckout();
    edit("Pulumi.prod.yaml", "maxRetries: 3", "maxRetries: 4");
    edit("components/embargo/idle.ts", /new Workload\(/, "if (name !== 'tts-idle') new Workload(");
    const [before] = await declarationsAtRef(folder, "HEAD", ["prod"]);
    const changes = changesBetween(before!, await now("prod"));
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
    expect(changesBetween(await now("prod"), before!)[1]!.change).toBe("created");
  });

  it("tells nothing when nothing was changed", async () => {
    copyCheckout();
    const [same] = await declarationsAtRef(folder, "HEAD", ["prod"]);
    expect(same!.objects.length).toBeGreaterThan(100);
    expect(changesBetween(same!, await now("prod"))).toEqual([]);
  });

  it("takes a stack that the ref does not have as all new", async () => {
    copyCheckout();
    git("rm", "-q", "--cached", "Pulumi.dev.yaml");
    git("commit", "-qm", "without dev");
    const [before] = await declarationsAtRef(folder, "HEAD", ["dev"]);
    expect(before!.objects.length).toBe(0);
    expect(changesBetween(before!, await now("dev")).every(({ change }) => change === "created")).toBe(true);
  });
});
