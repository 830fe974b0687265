import { blockBytes, cardBytes } from "./card";
import { type Header, headerOf, valueOf } from "./header";

/** One header and data unit of a FITS file. */
export interface Hdu {
  /** Cards before END, 80 characters each. */
  readonly cards: readonly string[];
  /** Bytes of the file: header, data and padding. */
  readonly begin: number;
  readonly dataBegin: number;
  readonly end: number;
}

/** The units of a file, one after the other. @throws Error when the bytes are no whole FITS file. */
export function* hdusOf(file: Buffer): Generator<Hdu> {
  if (file.length === 0) throw new Error("it is empty");
  for (let begin = 0, unit = 0; begin < file.length; unit++) {
    const { cards, end: dataBegin } = cardsOf(file, begin, unit);
    const end = dataBegin + dataBytes(cards);
    if (end > file.length) throw new Error(`it ends within its HDU ${unit}: ${file.length} of ${end} bytes`);
    yield { cards, begin, dataBegin, end };
    begin = end;
  }
}

/** Header of each unit. @throws Error when the bytes are no whole FITS file. */
export function readFitsHeaders(file: Buffer): Header[] {
  return [...hdusOf(file)].map(({ cards }) => headerOf(cards));
}

/** Keyword of a card, e.g. `DATE-OBS`. */
export function keywordOf(card: string): string {
  return card.slice(0, 8).trimEnd();
}

/** Whole blocks for so many bytes. */
export function wholeBlocks(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}

function cardsOf(file: Buffer, begin: number, unit: number): { cards: string[]; end: number } {
  const cards: string[] = [];
  for (let at = begin; at + cardBytes <= file.length; at += cardBytes) {
    const card = file.toString("latin1", at, at + cardBytes);
    const first = unit === 0 ? "SIMPLE" : "XTENSION";
    if (at === begin && !card.startsWith(`${first.padEnd(8)}=`))
      throw new Error(`its HDU ${unit} does not begin with ${first}`);
    if (keywordOf(card) === "END") return { cards, end: begin + wholeBlocks(at + cardBytes - begin) };
    cards.push(card);
  }
  throw new Error(`the header of its HDU ${unit} has no END`);
}

function dataBytes(cards: readonly string[]): number {
  const number = (keyword: string, fallback: number) => {
    const card = cards.find((one) => keywordOf(one) === keyword);
    return card === undefined ? fallback : Number(valueOf(card.slice(10)));
  };
  const axes = Array.from({ length: number("NAXIS", 0) }, (_, index) => number(`NAXIS${index + 1}`, 0));
  if (axes.length === 0) return 0;
  const elements = number("PCOUNT", 0) + axes.reduce((product, length) => product * length, 1);
  const bytes = (Math.abs(number("BITPIX", 8)) / 8) * number("GCOUNT", 1) * elements;
  if (!Number.isSafeInteger(bytes)) throw new Error("BITPIX, NAXIS, PCOUNT and GCOUNT of an HDU are no size");
  return wholeBlocks(bytes);
}
