import { cardBytes } from "./card";

/** A value of a header, as a JSON sidecar would have it. */
export type HeaderValue = string | number | boolean | null;
export type Header = Readonly<Record<string, HeaderValue>>;

/**
 * Reads the primary header of a FITS file: fixed and free format values, quoted strings with `''`, `CONTINUE`, `HIERARCH`,
 * exponents with `D`. The first of a repeated keyword wins.
 * @returns the header, or `undefined` when `bytes` end before it does.
 * @throws Error when the bytes are no FITS file.
 */
export function readFitsHeader(bytes: Buffer): Header | undefined {
  if (bytes.length >= 9 && bytes.toString("latin1", 0, 9) !== "SIMPLE  =")
    throw new Error("it does not begin with SIMPLE");
  const cards: string[] = [];
  for (let offset = 0; offset + cardBytes <= bytes.length; offset += cardBytes) {
    const card = bytes.toString("latin1", offset, offset + cardBytes);
    if (card.slice(0, 8).trimEnd() === "END") return headerOf(cards);
    cards.push(card);
  }
  return undefined;
}

/** The values of a header's cards, as {@link readFitsHeader} reads them. */
export function headerOf(cards: readonly string[]): Header {
  const header: Record<string, HeaderValue> = {};
  let last: string | undefined;
  for (const card of cards) {
    const keyword = card.slice(0, 8).trimEnd();
    if (keyword === "CONTINUE" && last !== undefined) {
      const more = valueOf(card.slice(8));
      const before = header[last];
      if (typeof before === "string" && before.endsWith("&") && typeof more === "string") {
        header[last] = before.slice(0, -1) + more;
      }
      continue;
    }
    const hierarch = keyword === "HIERARCH" ? card.indexOf("=") : -1;
    const [name, text] =
      hierarch > 0
        ? [card.slice(9, hierarch).trim(), card.slice(hierarch + 1)]
        : [keyword, card.slice(8, 10) === "= " ? card.slice(10) : undefined];
    last = text === undefined ? undefined : name;
    if (text === undefined || name in header) continue;
    header[name] = valueOf(text);
  }
  return header;
}

/** Value of a card, from what follows its `=`. */
export function valueOf(text: string): HeaderValue {
  const trimmed = text.trimStart();
  if (trimmed.startsWith("'")) {
    const match = /^'((?:[^']|'')*)'/.exec(trimmed);
    return match ? (match[1] as string).replaceAll("''", "'").trimEnd() : null;
  }
  const bare = (trimmed.split("/", 1)[0] as string).trim();
  if (bare === "T") return true;
  if (bare === "F") return false;
  return /^[+-]?(\d+\.?\d*|\.\d+)([EeDd][+-]?\d+)?$/.test(bare) ? Number(bare.replace(/[Dd]/, "E")) : null;
}
