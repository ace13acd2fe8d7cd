// Special functions, to about 1e-14.

import { chebyshev, erfcSeries } from "./tables.js";

/** Complementary error function times exp(x^2), for x >= 0. */
function scaledErfc(x) {
  const t = 2 / (2 + x);
  return t * Math.exp(chebyshev(erfcSeries(), 2 * t - 1));
}

export function erfc(x) {
  const size = Math.abs(x);
  const tail = Math.exp(-size * size) * scaledErfc(size);
  return x >= 0 ? tail : 2 - tail;
}

/** Error function; a series near 0, where 1 - erfc would lose its digits. */
export function erf(x) {
  if (Math.abs(x) > 0.5) return 1 - erfc(x);
  let term = x;
  let total = x;
  for (let k = 1; Math.abs(term) > 1e-18; k++) {
    term *= (-x * x) / k;
    total += term / (2 * k + 1);
  }
  return (total * 2) / Math.sqrt(Math.PI);
}

/** Distribution function of a standard normal variable. */
export const normalCdf = (x) => erfc(-x / Math.SQRT2) / 2;

/** The x >= 0 with erfc(x) = y, for y in (0, 1], by Newton's method on the log. */
export function erfcInverse(y) {
  let x = y > 0.1 ? 0.5 : Math.sqrt(-Math.log(y));
  for (let step = 0; step < 60; step++) {
    const log = Math.log(scaledErfc(Math.max(x, 0))) - x * x;
    const slope = -2 / Math.sqrt(Math.PI) / scaledErfc(Math.max(x, 0));
    const next = Math.max(x - (log - Math.log(y)) / slope, 0);
    if (Math.abs(next - x) <= 1e-15 * Math.max(x, 1)) return next;
    x = next;
  }
  return x;
}

const BERNOULLI = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6];

/** Digamma and trigamma functions of x > 0. */
export function polygammas(x) {
  let [first, second] = [0, 0];
  for (; x < 8; x++) {
    first -= 1 / x;
    second += 1 / (x * x);
  }
  const square = 1 / (x * x);
  first += Math.log(x) - 1 / (2 * x);
  second += 1 / x + square / 2;
  let power = square;
  for (let k = 0; k < BERNOULLI.length; k++, power *= square) {
    first -= (BERNOULLI[k] * power) / (2 * k + 2);
    second += (BERNOULLI[k] * power) / x;
  }
  return [first, second];
}
