import type { DeclaredObject, Manifest } from "../preview/model";
import { isOurs, type FieldManager } from "./cluster";
import { kindOf, manifestOf } from "./importList";

/** An object that somebody else than this program still deploys, and how they are made to let go. */
export interface Shared {
  /** `Kind namespace/name`. */
  readonly object: string;
  /** Who set fields of it, e.g. `kubectl-client-side-apply`. */
  readonly managers: readonly string[];
  /** Whether this program set fields of it. */
  readonly ours: boolean;
  /**
   * Command that takes the others out of the object's list of managers, and with them the note of `kubectl apply`. No
   * field changes: those that ours does not set keep their values. Empty while the object is not ours.
   */
  readonly release: string;
}

/** Tools that deploy. Controllers (the scheduler of addresses, the autoscaler, kubelets) set fields of their own. */
const deployer = /^(kubectl|kustomize|argocd|helm|before-first-apply)/;
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** Who deploys an object beside this program; `undefined` when nobody does and it is ours. */
export function sharedWith(declared: DeclaredObject, live: Manifest, kubeContext: string): Shared | undefined {
  const { managedFields = [], annotations = {} } = live.metadata as Manifest["metadata"] & {
    managedFields?: FieldManager[];
  };
  const ours = managedFields.some(({ manager }) => isOurs(manager));
  const others = managedFields.flatMap(({ manager, subresource }, index) =>
    deployer.test(manager) && subresource !== "status" ? [{ manager, index }] : [],
  );
  if (ours && others.length === 0 && annotations[lastApplied] === undefined) return undefined;
  const path = (index: number) => `/metadata/managedFields/${index}`;
  const patch = [
    // Another writer may have moved the list since: then nothing is changed.
    ...others.map(({ manager, index }) => ({ op: "test", path: `${path(index)}/manager`, value: manager })),
    ...[...others].reverse().map(({ index }) => ({ op: "remove", path: path(index) })),
    ...(annotations[lastApplied] === undefined
      ? []
      : [{ op: "remove", path: `/metadata/annotations/${lastApplied.replace("/", "~1")}` }]),
  ];
  const { name, namespace } = manifestOf(declared).metadata;
  const where = ["--context", kubeContext, ...(namespace === undefined ? [] : ["--namespace", namespace])];
  const words = [
    "kubectl",
    ...where,
    "patch",
    kindOf(declared),
    name,
    "--type=json",
    `--patch=${JSON.stringify(patch)}`,
  ];
  return {
    object: `${declared.kind} ${declared.name}`,
    managers: [...new Set(others.map(({ manager }) => manager))],
    ours,
    release: ours ? words.map(quoted).join(" ") : "",
  };
}

/** A word for a shell. */
const quoted = (word: string) => (/^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
