import { blockBytes, type Card, cardBytes, formatCard } from "../../workloads/src/lib/fits";

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
