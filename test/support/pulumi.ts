import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { tool, unpackTools } from "./cluster";

export { unpackTools };

/** The checkout. */
export const root = resolve(__dirname, "../..");
/** Folder of Pulumi's CLI and plugins, of Kubernetes and of Vault. */
export const tools = dirname(tool("cluster"));

/** Answers of Node to the CLI's questions, for all projects of this process; see test/support/bin/node. */
const answers = mkdtempSync(join(tmpdir(), "usdf-answers-"));
process.once("exit", () => rmSync(answers, { recursive: true, force: true }));

/** How a run of the CLI ended, and what it wrote: to both streams, and to the first alone. */
export interface Ended {
  readonly code: number;
  readonly output: string;
  readonly stdout: string;
}

/** Arguments of {@link PulumiProject}. */
export interface PulumiProjectOptions {
  /** Folder for project, state and plugins' settings; the caller deletes it. */
  readonly dir: string;
  /** Name of the stack; its file `Pulumi.<stack>.yaml` is the test's own. */
  readonly stack: string;
  /** Beside the environment of this process: KUBECONFIG, credentials, … */
  readonly environment?: NodeJS.ProcessEnv;
  /** Called every half second while the CLI runs, e.g. to say what a kubelet would say. */
  readonly meanwhile?: () => void | Promise<void>;
  /** Files and folders of the checkout that this project has in another form; the test puts them there. */
  readonly own?: readonly string[];
  /** Folder of another program, which is there already. Default: the ordinary program, in `dir`. */
  readonly folder?: string;
}

/** Longest run of the CLI. */
const limitMs = 300_000;

/** The ordinary program with a stack of the test's own, for the real Pulumi CLI: file backend, no passphrase. */
export class PulumiProject {
  /** Folder with `Pulumi.yaml`. */
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;

  constructor(private readonly options: PulumiProjectOptions) {
    const { dir, own = [] } = options;
    this.folder = options.folder ?? join(dir, "project");
    mkdirSync(this.folder, { recursive: true });
    const parts = ["index.ts", "components", "local", "workloads", "node_modules", "package.json", "Pulumi.yaml"];
    for (const part of options.folder === undefined ? parts : []) {
      const link = join(this.folder, part);
      if (!own.includes(part) && !existsSync(link)) symlinkSync(join(root, part), link);
    }
    const home = join(dir, "home");
    mkdirSync(home, { recursive: true });
    // A file where its folder of logs would be: it logs each call of each resource, encrypted, a third of its CPU time.
    writeFileSync(join(home, "logs"), "");
    this.environment = {
      ...process.env,
      PATH: [join(__dirname, "bin"), unpackTools(), process.env.PATH].join(delimiter),
      NODE: process.execPath,
      ANSWERS: answers,
      PULUMI_HOME: home,
      // Without files of metadata, which the CLI does not write at once: a kill at any moment leaves a whole state.
      PULUMI_BACKEND_URL: `file://${dir}?metadata=skip`,
      PULUMI_CONFIG_PASSPHRASE: "",
      PULUMI_SKIP_UPDATE_CHECK: "1",
      // Else it asks the network, for as long as that takes, for the aws plugin, which no stack of these tests needs.
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      TMPDIR: dir, // the Kubernetes provider leaves copies of the kubeconfig behind
      NODE_NO_WARNINGS: "1",
      // For the process of dynamic resources, which would load TypeScript; the program's own does it anyhow.
      NODE_OPTIONS: `--require ${join(root, "local/lazy/index.cjs")}`,
      // The state is written at the end alone, not twice at each step, where it is most of the work of a large stack.
      PULUMI_EXPERIMENTAL: "true",
      PULUMI_SKIP_CHECKPOINTS: "true",
      GOGC: "400", // short-lived processes: a fifth of their time would go into collecting garbage
      ...options.environment,
    };
  }

  /** Name of the stack. */
  get stack(): string {
    return this.options.stack;
  }

  /** Folder of the file backend. */
  get stateDir(): string {
    return this.options.dir;
  }

  /** File of the stack's configuration. */
  get settingsFile(): string {
    return join(this.folder, `Pulumi.${this.options.stack}.yaml`);
  }

  /** File of the stack's state. */
  get checkpointFile(): string {
    const { name } = parse(readFileSync(join(this.folder, "Pulumi.yaml"), "utf8")) as { name: string };
    return join(this.stateDir, ".pulumi", "stacks", name, `${this.stack}.json`);
  }

  /**
   * Makes the stack; once, before anything else. As `pulumi stack init` and `stack import` do, without two more starts of the CLI.
   * @param deployment - State that it has. Default: none.
   */
  init(deployment: State["deployment"] | null = null): void {
    const stack = `organization/${basename(dirname(this.checkpointFile))}/${this.stack}`;
    mkdirSync(dirname(this.checkpointFile), { recursive: true });
    writeFileSync(join(this.stateDir, ".pulumi", "meta.yaml"), "version: 1\n");
    writeFileSync(this.checkpointFile, JSON.stringify({ version: 3, checkpoint: { stack, latest: deployment } }));
  }

  /**
   * Replaces the stack's configuration, by full key (`usdf:embargo`).
   * @param config - In place of all that was there but secrets ({@link setSecret}).
   */
  configure(config: Readonly<Record<string, unknown>>): void {
    type Settings = { config?: Record<string, unknown> } | null;
    const text = existsSync(this.settingsFile) ? readFileSync(this.settingsFile, "utf8") : "";
    const { config: before = {}, ...kept } = (parse(text) as Settings) ?? {};
    const isSecret = (value: unknown) => typeof value === "object" && value !== null && "secure" in value;
    const secrets = Object.fromEntries(Object.entries(before).filter(([, value]) => isSecret(value)));
    writeFileSync(this.settingsFile, stringify({ ...kept, config: { ...secrets, ...config } }));
  }

  /** Sets a secret of the stack's configuration; an object is kept as JSON. */
  async setSecret(key: string, value: unknown): Promise<void> {
    const { cli, ended } = this.begin("config", "set", "--secret", key);
    cli.stdin!.end(typeof value === "string" ? value : JSON.stringify(value)); // no argument: others could read it
    const { code, output } = await ended;
    if (code !== 0) throw new Error(`pulumi config set --secret ${key} ended with ${code}:\n${output}`);
  }

  /** Starts the CLI; `ended` resolves when it has ended, with whatever code. */
  begin(...args: string[]): { readonly cli: ChildProcess; readonly ended: Promise<Ended> } {
    const all = [...args, "--stack", this.options.stack, "--non-interactive", "--cwd", this.folder];
    const cli = spawn("pulumi", all, { env: this.environment, stdio: "pipe" });
    if (args[0] !== "config") cli.stdin.end();
    const written = { output: "", stdout: "" };
    cli.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      written.output += chunk;
      written.stdout += chunk;
    });
    cli.stderr.setEncoding("utf8").on("data", (chunk: string) => (written.output += chunk));
    return { cli, ended: this.wait(cli, written) };
  }

  /** Ends the CLI and all that it started, as the loss of its machine would. Plugins have process groups of their own. */
  kill(): void {
    const ours = `PULUMI_HOME=${this.environment.PULUMI_HOME}`;
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        if (readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(ours))
          process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended, or is another user's.
      }
    }
  }

  /** Runs the CLI to its end. */
  run(...args: string[]): Promise<Ended> {
    return this.begin(...args).ended;
  }

  /**
   * Runs the CLI; returns what it wrote.
   * @throws Error with the whole output when it fails.
   */
  async mustRun(...args: string[]): Promise<string> {
    const { code, output } = await this.run(...args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${output}`);
    return output;
  }

  /** `pulumi up` without the preview before it. */
  up(...args: string[]): Promise<string> {
    return this.mustRun("up", "--yes", "--skip-preview", ...args);
  }

  /** Outputs of the stack, secrets hidden. */
  outputs<T = Record<string, unknown>>(): Promise<T> {
    return this.json("stack", "output", "--json") as Promise<T>;
  }

  /** The stack's state as it lies in the file: what `pulumi stack export` prints, and source positions. */
  state(): State {
    const { version, checkpoint } = JSON.parse(readFileSync(this.checkpointFile, "utf8")) as Checkpoint;
    return { version, deployment: checkpoint.latest };
  }

  /** When the state was last written, ms since 1970; 0 before it is. */
  writtenAtMs(): number {
    return statSync(this.checkpointFile, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  /** Runs the CLI, which prints JSON. @throws Error with the whole output when it fails. */
  async json(...args: string[]): Promise<unknown> {
    const { code, output, stdout } = await this.run(...args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${output}`);
    return JSON.parse(stdout);
  }

  private async wait(cli: ChildProcess, written: { output: string; stdout: string }): Promise<Ended> {
    let ended: { code: number } | undefined;
    let failure: Error | undefined;
    cli.once("close", (code) => (ended = { code: code ?? 1 }));
    cli.once("error", (error) => (failure = error));
    const started = Date.now();
    let meanwhileAt = started;
    while (ended === undefined && failure === undefined) {
      if (Date.now() - started > limitMs) {
        this.kill();
        throw new Error(`${cli.spawnargs.join(" ")} did not end in ${limitMs / 1000} s:\n${written.output}`);
      }
      if (Date.now() >= meanwhileAt) {
        await this.options.meanwhile?.();
        meanwhileAt = Date.now() + 500;
      }
      await sleep(20);
    }
    if (failure) throw failure;
    return { ...written, code: ended!.code };
  }
}

/** What is in the file of a stack's state. */
interface Checkpoint {
  readonly version: number;
  readonly checkpoint: { readonly latest: State["deployment"] };
}

/** A stack's state, as `pulumi stack export` prints it. */
export interface State {
  readonly version: number;
  readonly deployment: {
    readonly resources?: readonly StateResource[];
    readonly pending_operations?: readonly unknown[];
    readonly [field: string]: unknown;
  };
}

/** A resource in a stack's state; what tests look at. */
export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly custom?: boolean;
  readonly parent?: string;
  readonly inputs?: Record<string, unknown>;
  readonly outputs?: Record<string, unknown>;
  readonly retainOnDelete?: boolean;
  readonly protect?: boolean;
}
