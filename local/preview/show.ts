import type { createColors } from "picocolors";
import type { Finding } from "./checks";
import type { Declaration, DeclaredObject } from "./model";
import type { ObjectChange } from "./diff";

type Colors = ReturnType<typeof createColors>;

/** Objects of one environment of one system. */
export interface EnvironmentSummary {
  readonly stack: string;
  readonly system: string;
  readonly environment: string;
  /** Kubernetes contexts and gateways. */
  readonly places: readonly string[];
  readonly objects: readonly DeclaredObject[];
}

/** Environments of a stack, system by system. */
export function environmentsOf({ stack, objects }: Declaration): EnvironmentSummary[] {
  const groups = new Map<string, DeclaredObject[]>();
  for (const object of objects) {
    const key = `${object.system}/${object.environment}`;
    groups.set(key, [...(groups.get(key) ?? []), object]);
  }
  const last = (system: string) => (system === "ceph" ? 1 : 0);
  return [...groups.values()]
    .map((group) => ({
      stack,
      system: group[0]!.system,
      environment: group[0]!.environment,
      places: [...new Set(group.map(({ place }) => place).filter(Boolean))],
      objects: group,
    }))
    .sort((a, b) => last(a.system) - last(b.system) || (a.system + a.environment < b.system + b.environment ? -1 : 1));
}

/** The tree of a stack: system, environment, component, objects. */
export function showTree(declaration: Declaration, findings: readonly Finding[], colors: Colors): string {
  const environments = environmentsOf(declaration);
  const lines = [
    colors.bold(`${declaration.stack}`) + `  ${count(declaration.objects.length, "object")}, every one checked`,
  ];
  const systems = [...new Set(environments.map(({ system }) => system))];
  systems.forEach((system, systemIndex) => {
    const own = environments.filter((one) => one.system === system);
    const total = own.reduce((sum, { objects }) => sum + objects.length, 0);
    const counts = `${count(own.length, "environment")}, ${count(total, "object")}`;
    const [branch, stem] = branches(systemIndex === systems.length - 1);
    lines.push(`${branch}${colors.bold(system)}  ${colors.dim(counts)}`);
    own.forEach((one, index) => {
      const [inner, innerStem] = branches(index === own.length - 1);
      const faulty = findings.filter(({ environment }) => environment === one.environment).length;
      const mark = faulty > 0 && system !== "ceph" ? colors.yellow(`  ${count(faulty, "finding")}`) : "";
      const where = colors.dim(`  ${count(one.objects.length, "object")}  ${one.places.join(", ")}`);
      lines.push(`${stem}${inner}${colors.cyan(one.environment)}${where}${mark}`);
      lines.push(...componentLines(one.objects).map((line) => `${stem}${innerStem}${line}`));
    });
  });
  return lines.join("\n");
}

/** One line a component: `redis  StatefulSet redis, Service redis, …`. Names without the environment's namespace. */
function componentLines(objects: readonly DeclaredObject[]): string[] {
  const components = [...new Set(objects.map(({ component }) => component))];
  const width = Math.max(...components.map((component) => component.length));
  return components.map((component, index) => {
    const byName = new Map<string, string[]>();
    for (const { kind, name } of objects.filter((one) => one.component === component)) {
      const bare = name.slice(name.indexOf("/") + 1);
      byName.set(bare, [...(byName.get(bare) ?? []), kind]);
    }
    const items = [...byName].map(([name, kinds]) => `${kinds.join(" + ")} ${name}`);
    const [branch] = branches(index === components.length - 1);
    return `${branch}${width > 0 ? `${component.padEnd(width)}  ` : ""}${items.join(", ")}`;
  });
}

function branches(isLast: boolean): [string, string] {
  return isLast ? ["└─ ", "   "] : ["├─ ", "│  "];
}

/** Environments of a stack that is not shown. */
export interface NamedStack {
  readonly stack: string;
  readonly environments: readonly { readonly system: string; readonly environment: string }[];
}

/** One line for each environment of the stacks that are not shown. */
export function showOthers(stacks: readonly NamedStack[], colors: Colors): string {
  const rows = stacks.flatMap(({ stack, environments }) =>
    environments.map(({ system, environment }) => [stack, environment, system]),
  );
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => colors.dim(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")))
    .join("\n");
}

/** Findings with their object, errors first, notes last. */
export function showFindings(findings: readonly Finding[], colors: Colors): string {
  return findings
    .map(({ level, stack, environment, object, message }) => {
      const mark = { error: colors.red("error  "), warning: colors.yellow("warning"), note: colors.dim("note   ") }[
        level
      ];
      return `${mark} ${stack}/${environment} ${colors.bold(object)}: ${message}`;
    })
    .join("\n");
}

/** Changes, object by object, as a coloured patch. */
export function showChanges(changes: readonly ObjectChange[], colors: Colors): string {
  const title = { created: colors.green("+ "), changed: colors.yellow("~ "), removed: colors.red("- ") };
  const lines = changes.flatMap(({ change, file, lines: inner }) => [
    `${title[change]}${colors.bold(file)} ${change}`,
    ...inner.map((line) =>
      line.startsWith("+")
        ? colors.green(`    ${line}`)
        : line.startsWith("-")
          ? colors.red(`    ${line}`)
          : `    ${line}`,
    ),
  ]);
  return lines.join("\n");
}

/** `1 object`, `2 objects` */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
