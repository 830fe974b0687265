/**
 * What a stack holds is known by its URNs: types and names of a resource and of its parents. A change of the program that
 * changes the URN of something with state would replace it in production. So the state of a stack with every component is
 * recorded in this repository, and the recording of the previous commit is held against today's program.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root, type State, type StateResource } from "../support/pulumi";
import type { Config } from "./stacks";

const path = "test/engine/recorded/everything.json";
const file = join(root, path);

/** State of a stack, and the configuration that it was made with. */
export interface Recording {
  readonly config: Config;
  readonly state: State;
}

/** Types of what must never be replaced or deleted by a change of the program alone. Protected and retained are, too. */
const guardedTypes = [
  /^kubernetes:core\/v1:(Namespace|PersistentVolumeClaim|Secret|Service)$/,
  /^kubernetes:apps\/v1:(StatefulSet|Deployment)$/,
  /^kubernetes:external-secrets\.io\/.*:ExternalSecret$/, // owns its Secret: pods would lose it for a moment
  /^kubernetes:ricoberger\.de\/.*:VaultSecret$/,
  /:NotificationTopic$/, // holds what is not delivered yet
  /:BucketNotification$/, // what is PUT in between is not notified
];

/** Whether a resource must never be replaced or deleted by a change of the program alone. */
export function isGuarded({ type, protect, retainOnDelete }: StateResource): boolean {
  return protect === true || retainOnDelete === true || guardedTypes.some((guarded) => guarded.test(type));
}

/** A step of `pulumi preview --json`. */
interface Step {
  readonly op: string;
  readonly urn: string;
  readonly oldState?: StateResource;
  readonly newState?: StateResource;
  readonly replaceReasons?: readonly string[];
}

/** What a preview would do to guarded resources that are there; each with what to do about it. */
export function complaintsAbout(preview: { readonly steps: readonly Step[] }): string[] {
  return preview.steps
    .filter(({ op, oldState }) => /replace|delete|discard/.test(op) && oldState !== undefined && isGuarded(oldState))
    .map(({ op, urn, oldState, replaceReasons }) => {
      const why = replaceReasons?.length ? `, because of ${replaceReasons.join(", ")}` : "";
      return (
        `${oldState!.urn || urn} would end (${op}${why}). It has state, or clients that know it: add an alias with its old ` +
        "name, type or parent to the component's options, or keep the field that cannot change."
      );
    });
}

/** Guarded resources of a state that a recording does not have. */
export function notRecorded(state: State, { state: recorded }: Recording): string[] {
  const known = new Set(resourcesOf(recorded).map(({ urn }) => urn));
  return resourcesOf(state)
    .filter((resource) => isGuarded(resource) && !known.has(resource.urn))
    .map(
      ({ urn }) => `${urn} is not in ${path}: record the state again, and commit it (see ${dirname(path)}/README.md).`,
    );
}

const resourcesOf = ({ deployment }: State) => deployment.resources ?? [];

/** The recording of the previous commit; where there is no history or it had none, that of this tree. */
export function previousRecording(): Recording {
  const earlier = spawnSync("git", ["-C", root, "show", `HEAD~1:${path}`], { encoding: "utf8", maxBuffer: 64 << 20 });
  return earlier.status === 0 ? (JSON.parse(earlier.stdout) as Recording) : recording();
}

/** The recording of this tree. */
export function recording(): Recording {
  if (!existsSync(file)) throw new Error(`${path} is not there. Record it (see ${dirname(path)}/README.md).`);
  return JSON.parse(readFileSync(file, "utf8")) as Recording;
}

/** Writes the recording of this tree: one resource a line, and nothing that differs from one run to the next. */
export function record(config: Config, state: State): void {
  const resources = resourcesOf(state).map((resource) => JSON.stringify(timeless(resource)));
  const head = JSON.stringify({
    version: state.version,
    deployment: { manifest: { time: epoch, magic: "", version: "" } },
  });
  const deployment = head.replace(/\}\}$/, `,"resources":[\n${resources.join(",\n")}\n]}}`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `{"config":${JSON.stringify(config)},\n"state":${deployment}}\n`);
}

const epoch = "2000-01-01T00:00:00Z";
const signature = "4dabf18193072939515e22adb298388d";
/** Base64, so that it can stand in the data of a Secret. */
const recordedSecret = "cmVjb3JkZWQ=";
/** Fields of the engine and the API server that are other ones each time, or as long as a book. */
const dropped = new Set([
  "__provider",
  "managedFields",
  "modified",
  "created",
  "sourcePosition",
  "stackTrace",
  "status",
]);
const fixed: Record<string, unknown> = {
  uid: "00000000-0000-0000-0000-000000000000",
  resourceVersion: "1",
  creationTimestamp: epoch,
  clusterIP: "10.96.0.99",
  clusterIPs: ["10.96.0.99"],
  volumeName: "volume",
  __fieldManager: "pulumi-kubernetes-recorded",
  kubeconfig: "[kubeconfig]",
};

/** A recorded state for a cluster: as it would be had it been made there. The path of a kubeconfig is part of a provider. */
export function stateFor(kubeconfig: string, { state }: Recording): State {
  return JSON.parse(JSON.stringify(state).replaceAll("[kubeconfig]", kubeconfig)) as State;
}

function timeless(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(timeless);
  if (typeof value !== "object" || value === null) return value;
  const object = value as Record<string, unknown>;
  if (typeof object.plaintext === "string" && signature in object)
    return { ...object, plaintext: JSON.stringify(hidden(JSON.parse(object.plaintext))) };
  const entries = Object.entries(object).filter(([key]) => !dropped.has(key));
  // A key may be there for something else, too: as a name of a property on which others depend.
  const isFixed = (key: string, inner: unknown) => key in fixed && Array.isArray(inner) === Array.isArray(fixed[key]);
  return Object.fromEntries(entries.map(([key, inner]) => [key, isFixed(key, inner) ? fixed[key] : timeless(inner)]));
}

function hidden(value: unknown): unknown {
  if (typeof value === "string") return value === "" ? "" : recordedSecret;
  if (Array.isArray(value)) return value.map(hidden);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, hidden(inner)]));
}
