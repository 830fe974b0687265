import { holesOf, totalOf } from "./coverage";
import { type Cell, type HeatMap, type Level, levelOf, levels } from "./heatMap";

/** Blue to red, told apart by every kind of colour vision; the number of holes is written on the field besides. */
const fills: Readonly<Record<Level, string>> = {
  ...{ all: "#2166ac", most: "#92c5de", half: "#fddbc7", some: "#f4a582", none: "#b2182b", waiting: "#ffffff" },
};
const inks: Readonly<Record<Level, string>> = {
  ...{ all: "#ffffff", most: "#1a1a1a", half: "#1a1a1a", some: "#1a1a1a", none: "#ffffff", waiting: "#1a1a1a" },
};

const size = 22;
const gap = 2;
const margin = 16;
const titleHeight = 26;
const headHeight = 20;
const legendHeight = 44;
const step = size + gap;

/** Maps one below the other as one SVG document, with a legend; every field says in words what it shows. */
export function heatMapSvg(title: string, about: string, maps: readonly HeatMap[]): string {
  const labelWidth = Math.max(...maps.flatMap(({ rows }) => rows.map(({ label }) => label.length))) * 7 + 8;
  const sumWidth = maps.some(({ rows }) => rows.some(({ counts }) => counts)) ? 84 : 0;
  const columns = Math.max(...maps.map((map) => map.columns.length));
  const width = Math.max(2 * margin + labelWidth + columns * step + sumWidth, legendWidth + 2 * margin);
  const parts: string[] = [];
  let top = margin + titleHeight + 8;
  for (const map of maps) {
    parts.push(drawn(map, margin, top, labelWidth));
    top += titleHeight + headHeight + map.rows.length * step + 12;
  }
  parts.push(legend(margin, top));
  const height = top + legendHeight;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title about" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="12" fill="#1a1a1a">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="about">${escaped(about)}</desc>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${margin}" y="${margin + 14}" font-size="17" font-weight="bold">${escaped(title)}</text>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function drawn(map: HeatMap, left: number, top: number, labelWidth: number): string {
  const grid = top + titleHeight + headHeight;
  const heads = map.columns.flatMap((label, index) =>
    label === "" ? [] : [text(left + labelWidth + index * step + 3, grid - 6, label, 'font-size="11" fill="#555555"')],
  );
  const rows = map.rows.map(({ label, cells, counts }, row) => {
    const y = grid + row * step;
    const right = left + labelWidth + map.columns.length * step + 6;
    const sum = counts ? text(right, y + 15, `${counts.filled}/${totalOf(counts)}`, 'fill="#555555"') : "";
    const fields = cells.map((cell, column) => field(cell, left + labelWidth + column * step, y));
    return [text(left, y + 15, label, 'fill="#555555"'), ...fields, sum].filter(Boolean).join("\n");
  });
  return ["<g>", text(left, top + 14, map.title, 'font-weight="bold"'), ...heads, ...rows, "</g>"].join("\n");
}

function field(cell: Cell | "outside" | undefined, x: number, y: number): string {
  if (cell === "outside") return "";
  if (cell === undefined) return `<rect x="${x}" y="${y}" width="${size}" height="${size}" rx="3" fill="#f2f2f2"/>`;
  const level = levelOf(cell.counts);
  const holes = holesOf(cell.counts);
  const digits = holes === 0 ? "" : holes > 999 ? "1k+" : String(holes);
  const ink = `text-anchor="middle" font-size="${digits.length > 2 ? 9 : 11}" fill="${inks[level]}"`;
  return [
    `<g class="${level}"><title>${escaped(aboutCell(cell))}</title>`,
    box(level, x, y),
    ...(digits ? [text(x + size / 2, y + 15, digits, ink)] : []),
    "</g>",
  ].join("");
}

/** A field in words, e.g. `20261121 from 03:00 UTC: 10 of 12 records have values, 2 missing`. */
function aboutCell({ about, counts }: Cell): string {
  const rest = (["missing", "empty", "partial", "waiting"] as const).filter((state) => counts[state] > 0);
  const words = rest.map((state) => `, ${counts[state]} ${state}`).join("");
  return `${about}: ${counts.filled} of ${totalOf(counts)} records have all values${words}`;
}

function box(level: Level, x: number, y: number): string {
  const edge = level === "waiting" ? ' stroke="#777777" stroke-dasharray="3 2"' : "";
  const inset = level === "waiting" ? 0.5 : 0;
  const side = size - 2 * inset;
  return `<rect x="${x + inset}" y="${y + inset}" width="${side}" height="${side}" rx="3" fill="${fills[level]}"${edge}/>`;
}

const legendStep = 134;
const legendWidth = 7 * legendStep;

function legend(left: number, top: number): string {
  const known = (Object.keys(levels) as Level[]).map((level, index) => {
    const x = left + index * legendStep;
    return box(level, x, top) + text(x + size + 6, top + 15, levels[level], 'font-size="11"');
  });
  const x = left + known.length * legendStep;
  const none = `<rect x="${x}" y="${top}" width="${size}" height="${size}" rx="3" fill="#f2f2f2"/>`;
  return ["<g>", ...known, none + text(x + size + 6, top + 15, "no record", 'font-size="11"'), "</g>"].join("\n");
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escaped(content)}</text>`;
}

function escaped(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
