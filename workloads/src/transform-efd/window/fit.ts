/**
 * What a least-squares polynomial leaves of `y`. The basis is made orthogonal on the points themselves (centred, scaled,
 * Gram-Schmidt twice), so that the result does not suffer from the powers of large numbers.
 * @param x - Points; equal ones are allowed. As long as `y`, which is longer than `degree`.
 */
export function residualsOf(x: Float64Array, y: Float64Array, degree: number): Float64Array {
  const n = y.length;
  const u = scaled(x);
  const residuals = Float64Array.from(y);
  const basis: Float64Array[] = [];
  let power = new Float64Array(n).fill(1);
  for (let k = 0; k <= degree; k++) {
    const before = Math.sqrt(dot(power, power));
    for (let pass = 0; pass < 2; pass++) for (const vector of basis) subtract(power, vector, dot(power, vector));
    const norm = Math.sqrt(dot(power, power));
    // Nothing is left of it when there are fewer distinct points than powers: then it fits nothing new.
    if (!(norm > before * 1e-13)) break;
    const vector = power.map((value) => value / norm);
    basis.push(vector);
    for (let pass = 0; pass < 2; pass++) subtract(residuals, vector, dot(residuals, vector));
    power = vector.map((value, i) => value * u[i]!);
  }
  return residuals;
}

/** 0, 1, 2, ... */
export function indices(n: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => i);
}

/** To -1 ... 1. */
function scaled(x: Float64Array): Float64Array {
  let [low, high] = [Infinity, -Infinity];
  for (const value of x) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const half = (high - low) / 2;
  return half > 0 ? x.map((value) => (value - low) / half - 1) : new Float64Array(x.length);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function subtract(a: Float64Array, b: Float64Array, factor: number): void {
  for (let i = 0; i < a.length; i++) a[i] = a[i]! - factor * b[i]!;
}
