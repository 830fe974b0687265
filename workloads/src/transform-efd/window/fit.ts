/** Polynomials of degree 0, 1, ... that are orthonormal on given points, as their values there. */
export type Basis = readonly Float64Array[];

/**
 * A basis for least-squares fits. It is made orthogonal on the points themselves (centred, scaled, Gram-Schmidt twice),
 * so that fits do not suffer from the powers of large numbers.
 * @param x - Points; equal ones are allowed.
 */
export function basisOf(x: Float64Array, degree: number): Basis {
  const u = scaled(x);
  const basis: Float64Array[] = [];
  let power = new Float64Array(x.length).fill(1);
  for (let k = 0; k <= degree; k++) {
    const before = Math.sqrt(dot(power, power));
    for (let pass = 0; pass < 2; pass++) for (const vector of basis) subtract(power, vector, dot(power, vector));
    const norm = Math.sqrt(dot(power, power));
    // Nothing is left of it when there are fewer distinct points than powers: then it fits nothing new.
    if (!(norm > before * 1e-13)) break;
    const vector = power.map((value) => value / norm);
    basis.push(vector);
    power = vector.map((value, i) => value * u[i]!);
  }
  return basis;
}

/** The basis on 0, 1, ..., n - 1. Columns of one topic have the same n in a record, so the last one is kept. */
export function indexBasis(n: number, degree: number): Basis {
  if (lastIndexBasis?.n !== n || lastIndexBasis.degree !== degree) {
    const x = new Float64Array(n);
    for (let i = 0; i < n; i++) x[i] = i;
    lastIndexBasis = { n, degree, basis: basisOf(x, degree) };
  }
  return lastIndexBasis.basis;
}

let lastIndexBasis: { readonly n: number; readonly degree: number; readonly basis: Basis } | undefined;

/** What the least-squares fit leaves of `y`, which is as long as the points of the basis. */
export function residualsOf(y: Float64Array, basis: Basis): Float64Array {
  const residuals = Float64Array.from(y);
  for (const vector of basis) {
    for (let pass = 0; pass < 2; pass++) subtract(residuals, vector, dot(residuals, vector));
  }
  return residuals;
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
