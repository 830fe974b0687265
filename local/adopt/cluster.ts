import { kubectl, KubectlError } from "../kubectl";
import type { Manifest } from "../preview/model";

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
   * @throws KubectlError when the cluster cannot be asked.
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
    try {
      return await kubectl({ context: this.context }, ...args);
    } catch (error) {
      if (error instanceof KubectlError && /doesn't have a resource type|no matches for kind/.test(error.reason))
        return "";
      throw error;
    }
  }
}
