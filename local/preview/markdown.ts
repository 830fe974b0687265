import type { Finding } from "./checks";
import type { ObjectChange } from "./diff";
import type { DeclaredObject } from "./model";
import { count } from "./show";

/** A stack's changes, for {@link showMarkdown}. */
export interface StackChanges {
  readonly stack: string;
  /** What it declares now. */
  readonly declared: readonly DeclaredObject[];
  readonly objects: readonly ObjectChange[];
}

/** Bytes of a whole page: GitHub takes 65,536 characters for a comment. */
export const limitBytes = 60_000;

const kinds = ["removed", "changed", "created"] as const;

/**
 * Changes and findings as a page for a pull request: a table of the environments, the findings, and each object's patch
 * to unfold, removed ones first. It never grows beyond {@link limitBytes}; what does not fit is counted.
 */
export function showMarkdown(ref: string, stacks: readonly StackChanges[], findings: readonly Finding[]): string {
  const number = (level: Finding["level"]) => findings.filter((one) => one.level === level).length;
  const head = [
    `## Preview of ${stacks.map(({ stack }) => stack).join(" and ")} against ${code(ref)}`,
    `**${count(number("error"), "error")}, ${count(number("warning"), "warning")}**`,
    table(stacks),
  ];
  const page = new Page(head);
  page.add(findings.map(findingLine), "finding");
  page.add(patchesOf(stacks).map(patchText), "patch");
  return page.text();
}

/** Sections one below the other, as long as there is room. */
class Page {
  private readonly parts: string[];
  private bytes: number;
  constructor(head: readonly string[]) {
    this.parts = [...head];
    this.bytes = head.reduce((sum, part) => sum + bytesOf(part), 0);
  }

  /** Adds the items that fit, in their order, and how many do not. */
  add(items: readonly string[], noun: string): void {
    let left = 0;
    for (const item of items) {
      // Room is kept for the two lines that say so.
      if (this.bytes + bytesOf(item) > limitBytes - 300) left += 1;
      else this.push(item);
    }
    if (left > 0)
      this.push(
        `_${count(left, `more ${noun}`)} left out, too long for this page: \`npx usdf preview --diff\` shows all._`,
      );
  }

  text(): string {
    return `${this.parts.join("\n\n")}\n`;
  }

  private push(part: string): void {
    this.parts.push(part);
    this.bytes += bytesOf(part);
  }
}

const bytesOf = (part: string) => Buffer.byteLength(part) + 2;

const mostRows = 100;

/** One row for each environment that changes, as far as there is room; the others in one. */
function table(stacks: readonly StackChanges[]): string {
  const rows = stacks.flatMap(({ stack, declared, objects }) => {
    const environments = [...new Set([...declared, ...objects].map(({ environment }) => environment))].sort();
    const changed = environments.filter((name) => objects.some(({ environment }) => environment === name));
    const shown = changed.map((name) => {
      const own = objects.filter(({ environment }) => environment === name);
      const numbers = kinds.map((kind) => own.filter(({ change }) => change === kind).length || "");
      const total = declared.filter(({ environment }) => environment === name).length;
      return [stack, code(name), ...numbers, total];
    });
    const same = environments.length - changed.length;
    return same === 0 ? shown : [...shown, [stack, `_${count(same, "environment")} unchanged_`, "", "", "", ""]];
  });
  const left = rows.length - mostRows;
  if (left > 0) rows.splice(mostRows, left, ["", `_${count(left, "more row")}_`, "", "", "", ""]);
  const lines = [["stack", "environment", ...kinds, "objects now"], Array(6).fill("---"), ...rows];
  return lines.map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function findingLine({ level, stack, environment, object, message }: Finding): string {
  return `- ${level === "error" ? "**error**" : level} ${code(`${stack}/${environment} ${object}`)}: ${code(message)}`;
}

/** The same edit of many objects, such as a new version, is read once. */
interface Patch {
  readonly change: ObjectChange["change"];
  readonly text: string;
  readonly objects: string[];
}

function patchesOf(stacks: readonly StackChanges[]): Patch[] {
  const patches = new Map<string, Patch>();
  for (const { stack, objects } of stacks)
    for (const { change, environment, object, lines } of objects) {
      const text = lines.join("\n");
      const patch = patches.get(`${change} ${text}`) ?? { change, text, objects: [] };
      patch.objects.push(`${stack}/${environment} ${object}`);
      patches.set(`${change} ${text}`, patch);
    }
  return [...patches.values()].sort((a, b) => kinds.indexOf(a.change) - kinds.indexOf(b.change));
}

function patchText({ change, text, objects }: Patch): string {
  const fence = "`".repeat(Math.max(3, longestRun(text) + 1));
  const [first, ...others] = objects;
  const more = others.length > 0 ? ` and ${others.length} more` : "";
  const list = others.length > 0 ? `Also ${others.map(code).join(", ")}\n\n` : "";
  const title = `${change}: ${escapeHtml(first!)}${more}`;
  return `<details><summary>${title}</summary>\n\n${list}${fence}diff\n${text}\n${fence}\n</details>`;
}

/** Text that nothing in it can lead out of: no markup, no mention, no table cell. */
function code(text: string): string {
  const fence = "`".repeat(longestRun(text) + 1);
  const inner = text.replace(/\s+/g, " ").replaceAll("|", "\\|");
  return fence.length === 1 ? `\`${inner}\`` : `${fence} ${inner} ${fence}`;
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
