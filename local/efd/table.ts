import Table from "cli-table3";
import colour from "picocolors";

const none = "";
const bare = {
  ...{ top: none, "top-mid": none, "top-left": none, "top-right": none, bottom: none, "bottom-mid": none },
  ...{ "bottom-left": none, "bottom-right": none, left: none, "left-mid": none, mid: none, "mid-mid": none },
  ...{ right: none, "right-mid": none, middle: "  " },
};

/** Rows under their heads, as narrow as they can be. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const made = new Table({
    head: head.map((word) => colour.bold(word)),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    chars: bare,
  });
  made.push(...rows.map((row) => [...row]));
  return made
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** A text for one line: what is longer ends in `…`, all of it is in --json. */
export function oneLine(text: string, limit = 100): string {
  const line = text.trim().replace(/\s*\n\s*/g, "; ");
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`;
}
