// Exact law at any width of layers that are straight on either side of 0: the log of a mean of scaled squared normals.

import { polygammas } from "./special.js";

const [STEP, BELOW, ABOVE] = [1 / 8, -42, 90];
const EULER = 0.5772156649015329;

/** Slopes of phi at positive and negative h, of the activations of degree one. */
export const SIDES = { linear: [1, 1], relu: [1, 0], leaky_relu: [1, 0.01], abs: [1, -1] };

/** Mean and variance of ln (1/N) sum s_i^2 z_i^2, slopes s drawn from the two sides, given that not all are 0. */
export function logChiSquareLaw(width, slopes = [1, 1]) {
  const squares = slopes.map((slope) => slope ** 2);
  const [rare, most] = [Math.min(...squares), Math.max(...squares)];
  const level = rare > 0 ? (rare + most) / 2 : most / 2 / -Math.expm1(-width * Math.LN2);
  const [digamma, trigamma] = polygammas(width / 2);
  let mean = digamma + Math.log((2 * level) / width);
  let v = trigamma;
  if (rare < most) {
    const [first, second] = relative(width, squares, level);
    const shift = 2 * (second + EULER * first);
    v += shift + 2 * mean * first - first ** 2;
    mean -= first;
  }
  return { mean, var: v };
}

/** Integrals over ln t of M(t)^N given that some unit is active, less a chi-square's, and of ln t times this. */
function relative(width, squares, level) {
  const most = Math.max(...squares);
  const rare = Math.min(...squares.filter((square) => square > 0));
  const dead = 0.5 ** width;
  let [first, second] = [0, 0];
  for (let x = BELOW; x < ABOVE + Math.log(most / rare); x += STEP) {
    const logT = x - Math.log(most);
    const t = Math.exp(logT) / width;
    const fall = squares.reduce((total, square) => total + Math.expm1(-Math.log1p(2 * square * t) / 2), 0) / 2;
    let power = Math.exp(width * Math.log1p(fall));
    if (Math.min(...squares) === 0) {
      const rise = width * Math.log1p(1 / Math.sqrt(1 + 2 * rare * t));
      power = (rise < 1 ? dead * Math.expm1(rise) : power - dead) / -Math.expm1(-width * Math.LN2);
    }
    const difference = power - Math.exp((-width / 2) * Math.log1p(2 * level * t));
    first += STEP * difference;
    second += STEP * logT * difference;
  }
  return [first, second];
}
