import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";

/** The kubeconfig has no such context: nothing is changed. */
export class KubeContextError extends pulumi.RunError {
  readonly code = "KUBE_CONTEXT";
  constructor(context: string, files: readonly string[], known: readonly string[]) {
    super(
      `kubeContext "${context}" is not in ${files.join(", ")} (contexts: ${known.join(", ") || "none"}). ` +
        "Nothing was changed. Fetch that cluster's kubeconfig, or correct kubeContext.",
    );
    this.stack = this.message; // for a person; and Node 20 takes half a minute to colour the frames of Pulumi
  }
  override get name(): string {
    return "KubeContextError";
  }
}

/** Whether Pulumi's engine runs the program; `usdf preview|render|up` run it without. */
export function runsInEngine(): boolean {
  return pulumi.runtime.getEngine() !== undefined;
}

/**
 * Checks that each context is in the kubeconfig, before the first resource is registered. Without the check, one cluster
 * would be changed before the missing one is noticed.
 * @throws {@link KubeContextError}
 */
export function requireKubeContexts(contexts: readonly string[], environment: NodeJS.ProcessEnv = process.env): void {
  const files = (environment.KUBECONFIG ?? join(homedir(), ".kube", "config")).split(delimiter).filter(Boolean);
  const known = files.flatMap((file) => contextsOf(file));
  const missing = contexts.find((context) => !known.includes(context));
  if (missing !== undefined) throw new KubeContextError(missing, files, known);
}

function contextsOf(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // kubectl, too, skips what is not there
    throw new Error(`Cannot read kubeconfig ${file}: ${(error as Error).message}`, { cause: error });
  }
  const config = parse(text) as { contexts?: { name: string }[] } | null;
  return (config?.contexts ?? []).map(({ name }) => name);
}

/**
 * Provider of one cluster. It uses the context by its name, whatever the kubeconfig's current context is. A ConfigMap or
 * Secret with a name of its own is changed in place: made anew, it would be away while pods ask for it.
 */
export function clusterProvider(kubeContext: string, opts?: pulumi.ComponentResourceOptions): k8s.Provider {
  const args = {
    context: kubeContext,
    // Unset, the SDK would put the path of this shell into the state, where every other machine differs from it; and it
    // would read a list of several files as the text of one. Empty, the provider looks where kubectl looks.
    kubeconfig: "",
    enableServerSideApply: true,
    // What is declared wins over what a hand changed: `pulumi up --refresh` mends it, where it would end with a conflict.
    enablePatchForce: true,
    enableConfigMapMutable: true,
    enableSecretMutable: true,
  };
  return new k8s.Provider(kubeContext, args, { parent: opts?.parent });
}
