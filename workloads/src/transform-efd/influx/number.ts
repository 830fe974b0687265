/** Reads numbers out of bytes without making a string of each; every result is the double nearest to the text. */

const powers = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`)); // these are exact
const split = 2 ** 27 + 1;
/** Relative error of a quotient's second part, with room: true values differ from it by less. */
const doubt = 2 ** -46;

/** Error of `a * b` rounded, exactly (Dekker): both below 2^900. */
function productError(a: number, b: number, product: number): number {
  const aBig = a * split;
  const aHigh = aBig - (aBig - a);
  const bBig = b * split;
  const bHigh = bBig - (bBig - b);
  const aLow = a - aHigh;
  const bLow = b - bHigh;
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

/** Where the last number that {@link readNumber} read ended: index of the byte behind it. */
export let numberEnd = 0;

/**
 * The number that begins at `start`: `-`, digits, `.`, digits, exponent.
 * @returns `undefined` when there is none; {@link numberEnd} is then undefined in meaning.
 */
export function readNumber(bytes: Buffer, start: number): number | undefined {
  let at = start;
  let byte = bytes[at];
  const isNegative = byte === 0x2d;
  if (isNegative) byte = bytes[++at];
  let high = 0; // the first 15 significant digits
  let low = 0; // up to 7 more
  let digits = 0; // significant ones
  let lowDigits = 0;
  let scale = 0; // digits behind the point
  let sawDigit = false;
  let sawPoint = false;
  for (; ; byte = bytes[++at]) {
    if (byte! >= 0x30 && byte! <= 0x39) {
      sawDigit = true;
      if (sawPoint) scale++;
      if (digits === 0 && byte === 0x30) continue;
      if (digits < 15) high = high * 10 + (byte! - 0x30);
      else if (digits < 22) {
        low = low * 10 + (byte! - 0x30);
        lowDigits++;
      }
      digits++;
    } else if (byte === 0x2e && !sawPoint && sawDigit) sawPoint = true;
    else break;
  }
  if (!sawDigit) return undefined;
  let exponent = 0;
  if (byte === 0x65 || byte === 0x45) {
    byte = bytes[++at];
    const isSmall = byte === 0x2d;
    if (isSmall || byte === 0x2b) byte = bytes[++at];
    const first = at;
    for (; byte! >= 0x30 && byte! <= 0x39; byte = bytes[++at]) exponent = exponent * 10 + (byte! - 0x30);
    if (at === first) return undefined;
    if (isSmall) exponent = -exponent;
  }
  numberEnd = at;
  const power = exponent - scale;
  let value: number | undefined;
  if (digits <= 15 && power >= -22 && power <= 22) {
    value = power < 0 ? high / powers[-power]! : high * powers[power]!;
  } else if (digits <= 22 && power <= 0 && power >= -22) {
    value = quotient(high, low, powers[lowDigits]!, powers[-power]!);
  }
  if (value === undefined) return Number(bytes.toString("latin1", start, at));
  return isNegative ? -value : value;
}

/**
 * `(high * shift + low) / divisor`, rounded once; `undefined` where the digits at hand do not decide how.
 * The sum is held in two doubles, the quotient in two more, which is twice the digits that are needed.
 */
function quotient(high: number, low: number, shift: number, divisor: number): number | undefined {
  const product = high * shift;
  const rest = productError(high, shift, product) + low;
  const first = (product + rest) / divisor;
  const back = first * divisor;
  const remainder = product - back + (rest - productError(first, divisor, back));
  const second = remainder / divisor;
  const value = first + second;
  return first + second * (1 + doubt) === value && first + second * (1 - doubt) === value ? value : undefined;
}
