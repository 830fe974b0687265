import { distance } from "fastest-levenshtein";
import type { Column } from "./model";

/** A unit that this few columns have, beside one that this many more have and that differs by one letter. */
const rareUnit = 2;
const commonUnitFactor = 5;

interface Note {
  readonly column: string;
  readonly reason: string;
}

/** What is computed as it is written but looks like a mistake; nothing is changed. */
export function notesOf(columns: readonly Column[]): Note[] {
  return [
    ...indexGaps(columns),
    ...plainBases(columns),
    ...unitTypos(columns),
    ...otherFunctions(columns),
    ...otherAxes(columns),
  ];
}

/** `z98, z100`: an index was left out, so the field that follows is another one, or none. */
function indexGaps(columns: readonly Column[]): Note[] {
  return columns.flatMap(({ name, fields }) => {
    const indices = new Map<string, number[]>();
    for (const field of fields) {
      const [, base, index] = /^(.*\D)(\d+)$/.exec(field) ?? [];
      if (base) indices.set(base, [...(indices.get(base) ?? []), Number(index)]);
    }
    return [...indices].flatMap(([base, found]) => {
      const sorted = found.sort((a, b) => a - b);
      const at = sorted.findIndex((index, i) => i > 0 && index !== sorted[i - 1]! + 1);
      // Two or three chosen fields are a choice; a long row with a hole is a slip.
      if (sorted.length < 10 || at < 0) return [];
      const [before, after] = [sorted[at - 1]!, sorted[at]!];
      return [
        { column: name, reason: `fields ${base}${before} and ${base}${after}: ${base}${before + 1} is left out` },
      ];
    });
  });
}

/** A packed base that another column reads as if it were a field. */
function plainBases(columns: readonly Column[]): Note[] {
  const packed = new Map<string, string>();
  for (const column of columns) {
    if (column.isPacked) for (const field of column.fields) packed.set(`${column.topic} ${field}`, column.name);
  }
  return columns.flatMap((column) =>
    column.isPacked
      ? []
      : column.fields.flatMap((field) => {
          const other = packed.get(`${column.topic} ${field}`);
          return other === undefined
            ? []
            : [
                {
                  column: column.name,
                  reason: `packed_series is False, but ${field} is a packed series for ${other}: no such field, no value`,
                },
              ];
        }),
  );
}

function unitTypos(columns: readonly Column[]): Note[] {
  const uses = new Map<string, number>();
  for (const { ivoa } of columns) if (ivoa.unit) uses.set(ivoa.unit, (uses.get(ivoa.unit) ?? 0) + 1);
  const common = [...uses].filter(([, count]) => count > rareUnit * commonUnitFactor).map(([unit]) => unit);
  return columns.flatMap(({ name, ivoa: { unit } }) => {
    if (!unit || unit.length < 4 || uses.get(unit)! > rareUnit) return [];
    const meant = common.find((other) => other.length >= 4 && distance(unit, other) === 1);
    return meant ? [{ column: name, reason: `unit "${unit}" looks like "${meant}"` }] : [];
  });
}

/** `..._stddev` that is computed by another function. */
function otherFunctions(columns: readonly Column[]): Note[] {
  return columns.flatMap(({ name, function: { name: func } }) => {
    const [, suffix] = /_(mean|stddev|min|max)$/.exec(name) ?? [];
    return suffix && suffix !== func
      ? [{ column: name, reason: `is computed by ${func}, though its name ends in ${suffix}` }]
      : [];
  });
}

/** `at_azimuth_mean` that reads an elevation. */
function otherAxes(columns: readonly Column[]): Note[] {
  return columns.flatMap(({ name, fields }) =>
    [
      ["azimuth", "elevation"],
      ["elevation", "azimuth"],
    ].flatMap(([named, other]) => {
      const isOther = (field: string) => field.toLowerCase().includes(other!) && !field.toLowerCase().includes(named!);
      if (!name.includes(named!) || name.includes(other!) || !fields.every(isOther)) return [];
      return [{ column: name, reason: `is named after the ${named} but reads ${fields[0]}` }];
    }),
  );
}
