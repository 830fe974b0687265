import Table from "cli-table3";
import type { createColors } from "picocolors";
import { compatibilityAxes } from "../../components/config";
import { count, showChanges } from "../preview/show";
import type { ReleasePlan } from "./plan";

type Colors = ReturnType<typeof createColors>;

/** Why a release is not to be applied as it is; empty when nothing speaks against it. */
export function obstaclesOf({ described, needs, tag, edits }: ReleasePlan): string[] {
  if (edits.length === 0) return [];
  if (!described) {
    return [
      `Nobody has said what ${tag} needs: describe it in usdf:prompt.releases (its needs may be empty), or say --unchecked.`,
    ];
  }
  return needs
    .filter(({ met }) => !met)
    .map(({ axis, atLeast, below, has }) => {
      const wanted = rangeOf(atLeast, below);
      return has === undefined
        ? `${axis}: ${tag} needs ${wanted}; the environment's versions do not say what it has.`
        : `${axis}: ${tag} needs ${wanted}; the environment has ${has}.`;
    });
}

const rangeOf = (atLeast: string, below?: string) => (below === undefined ? `≥ ${atLeast}` : `≥ ${atLeast} < ${below}`);

/** The plan for a person. */
export function textOfPlan(plan: ReleasePlan, colors: Colors): string {
  const { environment, stack, tag, services, needs, before, after, changes, drains, edits } = plan;
  const head = services
    .map(({ instrument, from }) => `${instrument} ${from ?? "none"} -> ${colors.bold(tag)}`)
    .join(", ");
  const parts = [`${colors.bold(environment)} (stack ${stack}): ${head}`];
  if (edits.length === 0) return [...parts, "Nothing to do: it runs this release."].join("\n\n");
  if (needs.length > 0) parts.push(needsTable(plan, colors));
  const obstacles = obstaclesOf(plan);
  if (obstacles.length > 0) parts.push(obstacles.map((one) => colors.red(`! ${one}`)).join("\n"));
  if (changes.length > 0) parts.push(`${count(changes.length, "object")} change\n${showChanges(changes, colors)}`);
  if (drains.length > 0) parts.push(["Workers that end", ...drains.map(drainText)].join("\n"));
  const steps = [
    ...before,
    `usdf release apply ${environment} ${tag} -s ${stack}   # changes ${edits.map(({ path }) => path.slice(3).join(".")).join(", ")}`,
    `pulumi up -s ${stack}   # outputs of the release are prepared first, then workers take over`,
    ...after,
  ];
  parts.push(["Steps", ...steps.map((step, index) => `  ${index + 1}. ${step}`)].join("\n"));
  return parts.join("\n\n");
}

function needsTable({ needs }: ReleasePlan, colors: Colors): string {
  const rows = new Table({ head: ["it must fit", "needs", "has", ""], style: { head: [], border: [] } });
  for (const { axis, atLeast, below, has, met } of needs)
    rows.push([compatibilityAxes[axis], rangeOf(atLeast, below), has ?? "unknown", met ? "ok" : colors.red("no")]);
  return rows.toString();
}

function drainText({ name, graceSeconds, max, now }: ReleasePlan["drains"][number]): string {
  const workers = now === undefined ? `up to ${max} workers` : `${now} workers now`;
  return `  ${name}: ${workers}; each has ${graceSeconds} s for the visit in hand and takes no other`;
}
