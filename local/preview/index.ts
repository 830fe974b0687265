import picocolors from "picocolors";
import { recordStack } from "../record";
import { stackConfig } from "../stackConfig";
import { checkDeclaration } from "./checks";
import { declarationOf } from "./declaration";
import { showMarkdown } from "./markdown";
import type { Declaration } from "./model";
import { count, environmentsOf, type NamedStack, showChanges, showFindings, showOthers, showTree } from "./show";
import { requireStacks, root, stacksOf } from "./stacks";

/** What a preview found, for people and for programs. */
export interface Preview {
  readonly text: string;
  readonly json: unknown;
  /** The comparison as a page for a pull request; `undefined` where nothing was compared. */
  readonly markdown: string | undefined;
  /** False when a finding is an error. */
  readonly ok: boolean;
}

/**
 * Records stacks, checks every object and the references between them, and compares with a git ref if asked.
 * @param names - Stacks in full; by default prod and dev. The other stacks that run on clusters are named only: what they
 *   declare is not worked out.
 * @param ref - Git ref to compare with.
 */
export async function preview(names: readonly string[], ref?: string): Promise<Preview> {
  const known = stacksOf();
  const shown = names.length > 0 ? [...new Set(names)] : ["prod", "dev"].filter((name) => known.includes(name));
  requireStacks(shown, known);
  if (ref !== undefined) await comparison().commitOf(root, ref); // before seconds of work
  const others = known.filter((name) => name !== "local" && !shown.includes(name));
  const record = async (stack: string) => declarationOf(await recordStack(stack));
  const inFull: Declaration[] = [];
  for (const stack of shown) inFull.push(await record(stack));
  const findings = inFull.flatMap((declaration) => checkDeclaration(declaration));
  const named = others.map(environmentsNamed);
  const number = (level: string) => findings.filter((one) => one.level === level).length;
  const errors = number("error");
  const changes = ref === undefined ? undefined : await changesSince(ref, inFull);

  const colors = picocolors.createColors(picocolors.isColorSupported);
  const parts = [
    ...inFull.map((declaration) =>
      showTree(
        declaration,
        findings.filter(({ stack, level }) => stack === declaration.stack && level !== "note"),
        colors,
      ),
    ),
    ...(named.length > 0 ? [`Other environments\n${showOthers(named, colors)}`] : []),
    ...(findings.length > 0 ? [showFindings(findings, colors)] : []),
    ...(changes ?? []).map(({ stack, objects }) =>
      objects.length === 0
        ? `${stack}: no object differs from ${ref}`
        : `${stack}: ${count(objects.length, "object")} differ${objects.length === 1 ? "s" : ""} from ${ref}\n${showChanges(objects, colors)}`,
    ),
    `${count(errors, "error")}, ${count(number("warning"), "warning")}`,
  ];
  return {
    text: parts.join("\n\n"),
    json: {
      stacks: inFull.map((declaration) => ({ stack: declaration.stack, environments: summaries(declaration) })),
      others: named,
      findings,
      ...(changes === undefined
        ? {}
        : { diff: { ref, stacks: changes.map(({ stack, objects }) => ({ stack, objects })) } }),
    },
    markdown: changes && showMarkdown(ref!, changes, findings),
    ok: errors === 0,
  };
}

// eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only when asked for
const comparison = () => require("./diff") as typeof import("./diff");

async function changesSince(ref: string, declarations: readonly Declaration[]) {
  const { changesBetween, declarationsAtRef } = comparison();
  const before = await declarationsAtRef(
    root,
    ref,
    declarations.map(({ stack }) => stack),
  );
  return declarations.map((declaration, index) => ({
    stack: declaration.stack,
    declared: declaration.objects,
    objects: changesBetween(before[index]!, declaration),
  }));
}

function summaries(declaration: Declaration) {
  return environmentsOf(declaration).map(({ system, environment, places, objects }) => ({
    system,
    environment,
    places,
    count: objects.length,
    objects: objects.map(({ kind, name, file }) => ({ kind, name, file })),
  }));
}

/** Environments of a stack by its configuration alone. */
function environmentsNamed(stack: string): NamedStack {
  const { embargo, efd, sasquatch } = stackConfig(stack);
  const environments = Object.entries({ embargo, efd, sasquatch }).flatMap(([system, config]) =>
    Object.keys(config?.environments ?? {}).map((environment) => ({ system, environment })),
  );
  return { stack, environments };
}
