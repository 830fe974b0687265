/** Value of a header card: text, number or logical. */
export type CardValue = string | number | boolean;

/** One card of a FITS header: keyword (at most 8 characters), value, comment. */
export type Card = readonly [keyword: string, value: CardValue, comment?: string];

/** FITS files are made of blocks of this size. */
export const blockBytes = 2880;
const cardBytes = 80;

/**
 * Makes a FITS file: a primary header without data, and one image extension of 16-bit integers.
 * @param primary - Cards after SIMPLE, BITPIX, NAXIS and EXTEND.
 * @param image - `pixels[row * width + column]`, unsigned 16 bit (BZERO 32768 as the standard has it).
 */
export function makeFits(
  primary: readonly Card[],
  image: { name: string; width: number; height: number; pixels: Uint16Array },
): Buffer {
  const { name, width, height, pixels } = image;
  if (pixels.length !== width * height) {
    throw new Error(`Image ${name} has ${pixels.length} pixels, not ${width} x ${height}.`);
  }
  const head = header([
    ["SIMPLE", true, "conforms to FITS standard"],
    ["BITPIX", 8, "array data type"],
    ["NAXIS", 0, "number of array dimensions"],
    ["EXTEND", true, "may have extensions"],
    ...primary,
  ]);
  const extension = header([
    ["XTENSION", "IMAGE", "image extension"],
    ["BITPIX", 16, "array data type"],
    ["NAXIS", 2, "number of array dimensions"],
    ["NAXIS1", width],
    ["NAXIS2", height],
    ["PCOUNT", 0, "number of parameters"],
    ["GCOUNT", 1, "number of groups"],
    ["BSCALE", 1],
    ["BZERO", 32768, "unsigned 16-bit integers"],
    ["EXTNAME", name],
  ]);
  const data = Buffer.alloc(roundUp(pixels.length * 2));
  pixels.forEach((pixel, index) => data.writeInt16BE(pixel - 32768, index * 2));
  return Buffer.concat([head, extension, data]);
}

function header(cards: readonly Card[]): Buffer {
  const text = [...cards.map(formatCard), "END".padEnd(cardBytes)].join("");
  return Buffer.from(text.padEnd(roundUp(text.length)), "ascii");
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}

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
