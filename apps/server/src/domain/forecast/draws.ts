/** Draws from the distributions of the forecast. The source of chance is always handed in: nothing here is random by itself. */
import { InvariantError } from '@drydock/dfu-core';

/** Uniform in [0, 1). Seeded by the caller, so that a forecast can be repeated. */
export type Random = () => number;

/** Standard normal (Box and Muller 1958). */
export function drawNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function drawExponential(mean: number, random: Random): number {
  return -mean * Math.log(1 - random());
}

/** Beta(a, b), by two gamma draws. @throws InvariantError unless both are positive. */
export function drawBeta(a: number, b: number, random: Random): number {
  if (!(a > 0 && b > 0)) throw new InvariantError(`a Beta distribution of ${a} and ${b}`);
  const [x, y] = [drawGamma(a, random), drawGamma(b, random)];
  // Both may underflow for tiny shapes: then the mean stands in for the draw.
  return x + y > 0 ? x / (x + y) : a / (a + b);
}

/** Any of the values, alike. @throws InvariantError for none. */
export function drawOne<T>(values: readonly T[], random: Random): T {
  if (values.length === 0) throw new InvariantError('a draw from nothing');
  return values[Math.min(values.length - 1, Math.floor(random() * values.length))]!;
}

/** Rejections are rarer than one in twenty; more in a row than this mean a broken source of chance. */
const MOST_TRIES = 1_000;

/** Gamma with scale 1 (Marsaglia and Tsang 2000). */
function drawGamma(shape: number, random: Random): number {
  if (shape < 1) return drawGamma(shape + 1, random) * (1 - random()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const z = drawNormal(random);
    const v = (1 + c * z) ** 3;
    if (v <= 0) continue;
    if (Math.log(1 - random()) < (z * z) / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
  return shape;
}
