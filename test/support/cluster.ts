/** A real Kubernetes for tests: the control plane alone, or with a node; see test/engine/controlPlane.ts and test/cluster/node.ts. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { parse } from "yaml";

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of the API server, looked into field by field */

const shared = resolve(__dirname, "../../../shared");
const tools = join(shared, "tools");

/** Path of a tool, e.g. `host-image`. */
export const tool = (name: string) => join(tools, name);

/** Folder of the definitions of an operator's custom resources. */
export const definitionsOf = (operator: string) => join(shared, "data/crds", operator);

/** Why a real engine and a real API server cannot be had here; `undefined` when they can. */
export const missing: string | undefined = !existsSync(tool("cluster"))
  ? "no Pulumi engine and API server: ../shared/tools is not there"
  : process.getuid?.() !== 0
    ? "the API server of ../shared/tools needs root"
    : undefined;

/** Folder of the Pulumi CLI, its language host and its providers. */
export const unpackTools = () =>
  (everyFile.unpackedTools ??= execFileSync(tool("unpack"), { encoding: "utf8" }).trim().split("\n").at(-1)!);
// Each look compares checksums of half a gigabyte, and each test file has modules of its own.
const everyFile = globalThis as { unpackedTools?: string };

/** Custom resources that components declare. */
const customKinds = ["externalsecrets", "secretstores", "vaultsecrets", "podmonitors", "prometheusrules"];

/** A custom resource that may hold anything, where its real definition is not to be had. */
export function openDefinition(group: string, version: string, kind: string, scope = "Namespaced"): object {
  const singular = kind.toLowerCase();
  const plural = `${singular}s`;
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope,
      names: { kind, listKind: `${kind}List`, plural, singular },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  };
}

/** A Kubernetes of this test alone, with the CRDs that the program's objects need. */
export abstract class Cluster {
  readonly kubeconfig: string;
  protected readonly environment: NodeJS.ProcessEnv;
  private readonly server: URL;
  private readonly token: string;
  private readonly agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  private isDown = false;

  /**
   * Starts it.
   * @param dir - Folder of its state, which {@link down} removes.
   * @param args - Options of `cluster up`.
   * @param kinds - Further custom resources, as their definitions name them.
   */
  protected constructor(dir: string, args: readonly string[], kinds: readonly string[] = []) {
    // It lives for minutes: nothing need survive the loss of power, and memory is cheaper than time.
    this.environment = { ...process.env, CLUSTER_DIR: dir, ETCD_UNSAFE_NO_FSYNC: "true", GOGC: "400" };
    try {
      this.kubeconfig = this.run("up", ...args)
        .trim()
        .split("\n")
        .at(-1)!;
      const config = parse(readFileSync(this.kubeconfig, "utf8"));
      this.server = new URL(config.clusters[0].cluster.server);
      this.token = config.users[0].user.token;
      const definitions = [...customKinds, ...kinds].map((kind) => undescribed(readFileSync(crdFile(kind), "utf8")));
      this.kubectlWith(definitions.join("\n---\n"), "apply", "--server-side", "-f", "-");
    } catch (error) {
      this.down();
      throw error;
    }
  }

  /** Runs kubectl and gives what it prints. @throws Error with what kubectl says. */
  kubectl(...args: string[]): string {
    return this.kubectlWith(undefined, ...args);
  }

  /** The same with standard input, e.g. for `apply -f -`: secrets and whole objects are no arguments. */
  kubectlWith(input: string | undefined, ...args: string[]): string {
    const result = spawnSync("kubectl", ["--kubeconfig", this.kubeconfig, ...args], {
      encoding: "utf8",
      input,
      maxBuffer: 64 << 20,
      timeout: 300_000,
    });
    if (result.status !== 0) throw new Error(`kubectl ${args.join(" ")}: ${result.stderr || String(result.error)}`);
    return result.stdout;
  }

  /** Makes objects as they are declared. */
  protected apply(...items: object[]): void {
    this.kubectlWith(JSON.stringify({ apiVersion: "v1", kind: "List", items }), "apply", "-f", "-");
  }

  /** Objects of the kinds (`pods,services`) of one namespace, or of all. */
  list(kinds: string, namespace?: string): any[] {
    const where = namespace === undefined ? ["--all-namespaces"] : ["--namespace", namespace];
    return JSON.parse(this.kubectl("get", kinds, ...where, "-o", "json")).items;
  }

  /**
   * Asks the API server without a process, for who looks often.
   * @param path - For instance `/api/v1/pods`.
   * @param mayBe - Codes that are no error beside those of success.
   */
  call(method: string, path: string, body?: object, mayBe: readonly number[] = []): Promise<any> {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const headers = { Authorization: `Bearer ${this.token}`, "Content-Type": type };
    return new Promise((done, fail) => {
      const options = { method, headers, agent: this.agent, timeout: 20_000 };
      const call = request(new URL(path, this.server), options, (response) => {
        text(response).then((answer) => {
          const status = response.statusCode!;
          if (status < 300 || mayBe.includes(status)) done(JSON.parse(answer));
          else fail(new Error(`${method} ${path} ended with ${status}: ${answer}`));
        }, fail);
      });
      call.once("timeout", () => call.destroy(new Error(`${method} ${path}: no answer in 20 s`)));
      call.once("error", fail);
      call.end(body && JSON.stringify(body));
    });
  }

  /**
   * Hears of each object of a list as it is, and then of each change, until {@link down}.
   * @param path - For instance `/api/v1/pods`.
   */
  protected watch(path: string, hear: (type: string, object: any) => void): void {
    const url = new URL(path, this.server);
    url.searchParams.set("watch", "1");
    url.searchParams.set("resourceVersion", "0"); // at once, from the API server's cache; what is newer follows
    const call = request(url, { headers: { Authorization: `Bearer ${this.token}` }, agent: this.agent }, (response) => {
      const lines = createInterface({ input: response }).on("line", (line) => {
        const { type, object } = JSON.parse(line);
        if (type !== "ERROR") hear(type, object); // after which the watch ends, and begins anew
      });
      lines.on("error", () => {}); // of the call, as below
    });
    call.once("error", () => {}); // "close" follows
    call.once("close", () => setTimeout(() => this.isDown || this.watch(path, hear), 100).unref());
    call.end();
  }

  /** Pods of some namespaces. */
  async podsOf(...namespaces: readonly string[]): Promise<any[]> {
    const lists = namespaces.map((namespace) => this.call("GET", `/api/v1/namespaces/${namespace}/pods`));
    return (await Promise.all(lists)).flatMap(({ items }) => items);
  }

  /** Writes the status of an object, as the controller would that is not there; it may be gone by now. */
  async report(kinds: string, { namespace, name }: any, status: object): Promise<void> {
    await this.call("PATCH", `/api/v1/namespaces/${namespace}/${kinds}/${name}/status`, { status }, [404, 409]);
  }

  down(): void {
    this.isDown = true;
    this.agent.destroy();
    // Nothing of it shall live on: an API server that ends in order takes seconds. containerd stays, for it ends the pods.
    for (const name of ["kubelet", "keda", "proxy", "scheduler", "kcm", "apiserver", "etcd"]) {
      const file = join(this.environment.CLUSTER_DIR!, `${name}.pid`);
      if (existsSync(file)) kill(Number(readFileSync(file, "utf8")));
    }
    this.run("down");
  }

  /** Runs the tool that makes clusters. */
  protected run(...args: string[]): string {
    return execFileSync(tool("cluster"), args, {
      env: this.environment,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  }
}

/**
 * A definition without descriptions. They are most of its text and none of its schema: the API server compares, publishes and
 * stores them anew at each change of a definition, and each provider reads them as it starts.
 */
function undescribed(yaml: string): string {
  let inside = Infinity; // indentation of a description, which goes on in lines with more
  return yaml
    .split("\n")
    .filter((line) => {
      const indentation = line.search(/\S/);
      if (inside < Infinity && (indentation < 0 || indentation > inside)) return false;
      inside = /^ *description: *\S/.test(line) ? indentation : Infinity; // no text: a property of this name
      return inside === Infinity;
    })
    .join("\n");
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

function crdFile(kind: string): string {
  const root = join(shared, "data/crds");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" });
  const found = files.find((file) => file.endsWith(`_${kind}.yaml`) || file.endsWith(`-Crd-${kind}.yaml`));
  if (!found) throw new Error(`no CRD of ${kind} in ${root}`);
  return join(root, found);
}
