// Infinite width: the fixed point of the length map, and the factor chi_1 of the squared gradient per layer.
// The sign of growth = q'/q - 1 on a lattice of ln q brackets a fixed point, and Newton's method finds it there.

import { activation, curve, value } from "./tables.js";

const INNER = 449;
const OUTER = 42;
const END = 40 * Math.exp(1.7);
const NOISE = 2e-11;
const STRAIGHT = 1e-6;
const CRITICAL = 1e-6;

/** Natural logs of q at which signs are taken, from 1e-95 to 1e95. */
export const LATTICE = (() => {
  const outer = Array.from({ length: OUTER }, (_, k) => 27.63 * (END / 27.63) ** ((k + 1) / OUTER));
  const inner = Array.from({ length: INNER }, (_, k) => 27.63 * (-1 + (2 * k) / (INNER - 1)));
  return Float64Array.from([...outer.map((x) => -x).reverse(), ...inner, ...outer]);
})();

const noiseAt = (logQ) => NOISE * Math.max(Math.abs(logQ) / 28, 1);
const lattices = new Map();

/** Values of a curve on the lattice, kept. */
export function onLattice(name, key) {
  const id = `${name} ${key}`;
  if (!lattices.has(id)) {
    const panels = activation(name).curves[key];
    lattices.set(id, LATTICE.map((logQ) => value(panels, logQ)));
  }
  return lattices.get(id);
}

const largest = (x) => Math.exp(Math.min(x, 700));

/** Growth q'/q - 1 and elasticity d ln q' / d ln q of the length map at ln q. */
export function growthAndSlope(name, sigmaW, sigmaB, logQ) {
  const [logF, slope] = curve(activation(name).curves.f, logQ);
  const weights = sigmaW ** 2 * largest(logF - logQ);
  const biases = sigmaB ** 2 * largest(-logQ);
  return [weights + biases - 1, biases > 0 ? (weights / (weights + biases)) * slope : slope];
}

/** Root of `at`, which returns a value and Newton's step away from it, between two ends. */
export function root(at, low, high) {
  let [x, moved] = [(low + high) / 2, Infinity];
  const sign = Math.sign(at(low)[0]);
  for (let step = 0; step < 80; step++) {
    const [found, away] = at(x);
    if (found === 0) return x;
    if (Math.sign(found) === sign) low = x;
    else high = x;
    const newton = Math.min(Math.max(x - away, Math.min(low, high)), Math.max(low, high));
    const next = Math.abs(away) < moved / 2 ? newton : (low + high) / 2;
    moved = Math.abs(next - x);
    x = next;
    if (!(moved > 1e-15 * Math.max(Math.abs(x), 1))) break;
  }
  return x;
}

/** The fixed point that inputs of unit mean square converge to; 0 or Infinity if there is none on the way. */
export function qStar(name, sigmaW, sigmaB) {
  const start = Math.log(sigmaW ** 2 + sigmaB ** 2);
  const first = growthAndSlope(name, sigmaW, sigmaB, start)[0];
  if (Math.abs(first) <= NOISE) return Math.exp(start);
  const up = first > 0 ? 1 : -1;
  const logF = onLattice(name, "f");
  let place = up > 0 ? LATTICE.findIndex((x) => x > start) : LATTICE.findLastIndex((x) => x < start);
  let near = start;
  for (; place >= 0 && place < LATTICE.length; place += up) {
    const here = LATTICE[place];
    const growth = up * (sigmaW ** 2 * largest(logF[place] - here) + sigmaB ** 2 * largest(-here) - 1);
    if (growth < -noiseAt(here)) {
      const at = (logQ) => {
        const [grown, slope] = growthAndSlope(name, sigmaW, sigmaB, logQ);
        return [grown, grown / ((1 + grown) * (slope - 1))];
      };
      return Math.exp(root(at, near, here));
    }
    if (growth > noiseAt(here)) near = here;
  }
  const end = up > 0 ? LATTICE[LATTICE.length - 1] : LATTICE[0];
  const [growth, slope] = growthAndSlope(name, sigmaW, sigmaB, end);
  if (slope < 1 - STRAIGHT && Math.abs(growth) > noiseAt(end)) return NaN;
  return up > 0 ? Infinity : 0;
}

/** Factor of the squared gradient per layer where the signal has the mean square q; at 0 and infinity its limit. */
export function chiAt(name, sigmaW, q) {
  const { curves, ends } = activation(name);
  const inside = q > 0 && q < Infinity;
  const logG = inside ? value(curves.g, Math.log(q)) : q > 0 ? ends[1] : q === 0 ? ends[0] : NaN;
  return sigmaW ** 2 * Math.exp(logG);
}

export const chi1 = (name, sigmaW, sigmaB) => chiAt(name, sigmaW, qStar(name, sigmaW, sigmaB));

/** -1 ordered (gradients vanish), 0 critical, 1 chaotic (gradients explode). */
export function phase(name, sigmaW, sigmaB) {
  const log = Math.log(chi1(name, sigmaW, sigmaB));
  return Math.abs(log) <= CRITICAL ? 0 : Math.sign(log);
}

/** Layers in which q comes closer to its fixed point by a factor e; Infinity where it never does. */
export function settlingDepth(name, sigmaW, sigmaB) {
  const q = qStar(name, sigmaW, sigmaB);
  const end = q > 0 ? LATTICE[LATTICE.length - 1] : LATTICE[0];
  const [growth, slope] = growthAndSlope(name, sigmaW, sigmaB, q > 0 && q < Infinity ? Math.log(q) : end);
  const log = Math.log(Math.abs((1 + growth) * slope));
  return Math.abs(log) <= 1e-9 ? Infinity : -1 / log;
}
