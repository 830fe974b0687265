/** Bytes of one block of a FITS file, and of one card of a header. */
export const blockBytes = 2880;
export const cardBytes = 80;

/** Value of a header card: text, number or logical. */
export type CardValue = string | number | boolean;

/** One card of a FITS header: keyword (at most 8 characters), value, comment. */
export type Card = readonly [keyword: string, value: CardValue, comment?: string];

/**
 * One card, 80 characters: numbers and logicals end in column 30, text begins in column 11. A comment is cut to fit,
 * a value never.
 * @throws Error when the keyword or the value cannot stand in one card.
 */
export function formatCard([keyword, value, comment]: Card): string {
  if (!/^[A-Z0-9_-]{1,8}$/.test(keyword)) throw new Error(`"${keyword}" is no FITS keyword (A-Z 0-9 _ -, at most 8).`);
  let text: string;
  if (typeof value === "string") {
    if (!/^[\x20-\x7e]*$/.test(value)) throw new Error(`${keyword}="${value}": a FITS value is printable ASCII.`);
    text = `'${value.replaceAll("'", "''").padEnd(8)}'`.padEnd(20);
  } else if (typeof value === "boolean") {
    text = (value ? "T" : "F").padStart(20);
  } else {
    if (!Number.isFinite(value)) throw new Error(`${keyword}=${value}: a FITS number is finite.`);
    text = String(value).replace("e", "E").padStart(20);
  }
  const card = `${keyword.padEnd(8)}= ${text}`;
  if (card.length > cardBytes)
    throw new Error(`${keyword}=${JSON.stringify(value)} does not fit a card of 80 characters.`);
  return (comment === undefined ? card : `${card} / ${comment}`).slice(0, cardBytes).padEnd(cardBytes);
}
