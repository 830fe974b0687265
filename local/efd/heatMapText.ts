import colour from "picocolors";
import { totalOf } from "./coverage";
import { type Cell, type HeatMap, type Level, levelOf, levels, worstOf } from "./heatMap";

/** One character a level, so that the map can be read without colours too. */
const signs: Readonly<Record<Level, string>> = { all: "█", most: "▓", half: "▒", some: "░", none: "×", waiting: "…" };
const paints: Readonly<Record<Level, (text: string) => string>> = {
  ...{ all: colour.green, most: colour.cyan, half: colour.yellow, some: colour.magenta, none: colour.red },
  waiting: colour.dim,
};
/** Letter behind the sign: the commonest kind of hole. */
const letters = { missing: "m", empty: "e", partial: "p" } as const;

const cellWidth = 3;

/** The map as lines for a terminal. @param width - Columns of the terminal: a wider map is cut into parts, one below the other. */
export function heatMapLines(map: HeatMap, width: number): string[] {
  const labelWidth = Math.max(...map.rows.map(({ label }) => label.length)) + 1;
  const hasSums = map.rows.some(({ counts }) => counts !== undefined);
  const sumWidth = hasSums ? 14 : 0;
  const perPart = Math.max(1, Math.floor((width - labelWidth - sumWidth) / cellWidth));
  const lines: string[] = [map.title];
  for (let from = 0; from < map.columns.length; from += perPart) {
    const isLast = from + perPart >= map.columns.length;
    lines.push(" ".repeat(labelWidth) + header(map.columns.slice(from, from + perPart)));
    for (const { label, cells, counts } of map.rows) {
      const sum = isLast && counts ? ` ${counts.filled}/${totalOf(counts)}` : "";
      lines.push(
        label.padEnd(labelWidth) +
          cells
            .slice(from, from + perPart)
            .map(shown)
            .join("") +
          sum,
      );
    }
    lines.push("");
  }
  return lines.map((line) => line.trimEnd());
}

/** A label may run over the empty ones behind it. */
function header(labels: readonly string[]): string {
  return labels.reduce((line, label, index) => (label === "" ? line : line.padEnd(index * cellWidth) + label), "");
}

function shown(cell: Cell | "outside" | undefined): string {
  if (cell === "outside") return " ".repeat(cellWidth);
  if (cell === undefined) return painted(colour.dim, "·");
  const level = levelOf(cell.counts);
  const worst = worstOf(cell.counts);
  return painted(paints[level], signs[level] + (worst ? letters[worst] : ""));
}

const painted = (paint: (text: string) => string, text: string) => paint(text) + " ".repeat(cellWidth - text.length);

/** What signs and letters mean. */
export function legendLines(): string[] {
  const all = (Object.keys(levels) as Level[]).map((level) => `${paints[level](signs[level])} ${levels[level]}`);
  return [
    `${all.join("   ")}   ${colour.dim("·")} no record`,
    "most holes are  m missing: no row   e empty: a row without any value   p partial: its task failed, columns are missing",
  ];
}
