import { cardBytes, type CardValue, formatCard } from "./card";
import { hdusOf, keywordOf, wholeBlocks } from "./hdu";

/** Sums over a header: wrong once a card has changed. Those over data (DATASUM) stay true. */
const headerSums = new Set(["CHECKSUM", "ZHECKSUM"]);

/**
 * A FITS file with other values of some keywords: the primary header gets them all, an extension those that it has. Everything
 * else stays byte for byte, comments of the cards included; a header that outgrows its blocks gets one more.
 * @throws Error when the bytes are no whole FITS file, or a value cannot stand in a card.
 */
export function rewriteFits(file: Buffer, values: Readonly<Record<string, CardValue>>): Buffer {
  const parts: Buffer[] = [];
  for (const { cards, begin, dataBegin, end } of hdusOf(file)) {
    parts.push(changed(cards, values, begin === 0) ?? file.subarray(begin, dataBegin), file.subarray(dataBegin, end));
  }
  return Buffer.concat(parts);
}

/** The header anew, or undefined when nothing in it changes. */
function changed(
  cards: readonly string[],
  values: Readonly<Record<string, CardValue>>,
  isPrimary: boolean,
): Buffer | undefined {
  const left = new Map(Object.entries(values));
  const made: string[] = [];
  let isReplaced = false;
  for (const card of cards) {
    const keyword = keywordOf(card);
    // What went on in CONTINUE cards went with its value.
    if (keyword === "CONTINUE" && isReplaced) continue;
    isReplaced = Object.hasOwn(values, keyword) && card.slice(8, 10) === "= ";
    const value = left.get(keyword);
    if (!isReplaced) made.push(card);
    else if (value !== undefined) made.push(formatCard([keyword, value, commentOf(card)])); // a repeated keyword: once
    left.delete(keyword);
  }
  while (isPrimary && made.at(-1)?.trim() === "") made.pop(); // room that was left before END
  if (isPrimary) made.push(...[...left].map(([keyword, value]) => formatCard([keyword, value])));
  if (made.length === cards.length && made.every((card, index) => card === cards[index])) return undefined;
  const text = [...made.filter((card) => !headerSums.has(keywordOf(card))), "END".padEnd(cardBytes)].join("");
  return Buffer.from(text.padEnd(wholeBlocks(text.length)), "latin1");
}

/** Comment of a card: what follows the `/` after its value. */
function commentOf(card: string): string | undefined {
  const [, comment] = /^(?:\s*'(?:[^']|'')*'|[^/']*)\s*\/ ?(.*)$/.exec(card.slice(10)) ?? [];
  return comment?.trimEnd();
}
