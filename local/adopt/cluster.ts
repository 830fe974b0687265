import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CommandError } from "../exit";
import type { Manifest } from "../preview/model";

const run = promisify(execFile);

/** Longest answer that is waited for. */
const limitMs = 30_000;

/** Whether some manager of fields is one of this program's. Each resource has one of its own. */
export const isOurs = (manager: string) => manager.startsWith("pulumi-kubernetes");

/** Who set fields of an object, as the API server keeps it. */
export interface FieldManager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly subresource?: string;
}

/** Reads a cluster through kubectl; changes nothing. */
export class Cluster {
  /** @param context - Context of the kubeconfig; every call names it, whatever the current one is. */
  constructor(private readonly context: string) {}

  /**
   * Objects of a kind in a namespace, with their field managers; none where the cluster does not know the kind.
   * Of Secrets only names are asked for: their values are in `data`, and in the annotation that `kubectl apply` leaves.
   * @param kind - As kubectl takes it, `Deployment.v1.apps`.
   * @throws CommandError when the cluster cannot be asked.
   */
  async list(kind: string, namespace: string): Promise<Manifest[]> {
    if (kind === "Namespace") return this.get(["get", "Namespace", namespace, "--ignore-not-found"], []);
    if (kind === "Secret") {
      const names = await this.kubectl(["get", kind, "--namespace", namespace, "--output=name"]);
      return names.split("\n").flatMap((line) => {
        if (line === "") return [];
        return [{ apiVersion: "v1", kind, metadata: { name: line.slice(line.indexOf("/") + 1), namespace } }];
      });
    }
    return this.get(["get", kind, "--namespace", namespace], []);
  }

  private async get(args: string[], none: Manifest[]): Promise<Manifest[]> {
    const text = await this.kubectl([...args, "--output=json", "--show-managed-fields"]);
    if (text.trim() === "") return none;
    const found = JSON.parse(text) as Manifest & { items?: Manifest[] };
    return found.items ?? [found];
  }

  private async kubectl(args: string[]): Promise<string> {
    const all = ["--context", this.context, "--request-timeout=20s", ...args];
    try {
      return (await run("kubectl", all, { timeout: limitMs, maxBuffer: 64 << 20 })).stdout;
    } catch (error) {
      const { code, stderr = "", message } = error as Error & { code?: unknown; stderr?: string };
      if (code === "ENOENT") throw new CommandError("kubectl is not on PATH. Install it, or leave out --live.");
      if (/doesn't have a resource type|no matches for kind/.test(stderr)) return "";
      if (/context .* does not exist|no context exists/.test(stderr))
        throw new CommandError(
          `kubeContext "${this.context}" is not in the kubeconfig. Fetch that cluster's kubeconfig.`,
        );
      throw new CommandError(
        `kubectl ${args.slice(0, 2).join(" ")} failed in ${this.context}: ${stderr.trim() || message}`,
      );
    }
  }
}
