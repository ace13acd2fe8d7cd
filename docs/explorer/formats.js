// First layers at which a pass leaves a number format: vgtheory.theory.pass_limit and depth_limit.

import { erf, erfc, erfcInverse } from "./special.js";
import { activation, format } from "./tables.js";
import { functions } from "./activations.js";

const EDGE = 0.45 * 1022 * Math.LN2;
const [BOTTOM, TOP] = [-400, 10];
const [FINEST, BEND] = [1 / 8, 6];
const STENCIL = 6;
const REACH = 7;
const SCALES = [1 / 8, 1 / 4, 1 / 2, 3 / 4, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24];
const LEGENDRE = [
  [0.1834346424956498, 0.362683783378362],
  [0.525532409916329, 0.3137066458778873],
  [0.7966664774136267, 0.2223810344533745],
  [0.9602898564975363, 0.1012285362903763],
];

/** Slopes with their probabilities, of activations whose slope is constant between their kinks. */
const STRAIGHT = {
  linear: () => [[1, 1]],
  relu: () => [[1, 0.5]],
  leaky_relu: () => [[1, 0.5], [0.01, 0.5]],
  abs: () => [[1, 1]],
  hard_tanh: (root) => [[1, erf(Math.SQRT1_2 / root)]],
  hard_sigmoid: (root) => [[1 / 6, erf((3 * Math.SQRT1_2) / root)]],
  relu6: (root) => [[1, erf((6 * Math.SQRT1_2) / root) / 2]],
};

/** Sizes of the slope at h = root z and their probabilities, by a rule that splits where phi' or the density bends. */
function slopesAt(name, root) {
  if (name in STRAIGHT) return STRAIGHT[name](root);
  const { dphi } = functions[name];
  const far = Math.max((REACH * root) / 24, 1) ** (1 / 7);
  const scales = [...SCALES, ...[1, 2, 3, 4, 5, 6].map((k) => 24 * far ** k)].map((h) => h / root);
  const units = Array.from({ length: REACH }, (_, k) => k + 1);
  const both = [...scales, ...units].flatMap((z) => [z, -z]);
  const kinks = activation(name).kinks.map((kink) => kink / root);
  const ends = [...both, ...kinks, 0].filter((z) => Math.abs(z) <= REACH).sort((a, b) => a - b);
  const found = new Map();
  for (let k = 0; k + 1 < ends.length; k++) {
    const [middle, half] = [(ends[k] + ends[k + 1]) / 2, (ends[k + 1] - ends[k]) / 2];
    if (half < 1e-14) continue;
    for (const [place, weight] of LEGENDRE) {
      for (const z of [middle - half * place, middle + half * place]) {
        const slope = Math.abs(dphi(root * z));
        const chance = (half * weight * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
        if (slope > 0 && chance > 1e-20) found.set(slope, (found.get(slope) ?? 0) + chance);
      }
    }
  }
  return [...found];
}

/** Log of the median largest of `width` entries |phi'(h) u|, u standard normal, at one ln q; `guess` is near it. */
export function logPeak(name, logQ, width, guess = 0) {
  const slopes = slopesAt(name, Math.exp(Math.min(Math.max(logQ, -EDGE), EDGE) / 2));
  const tail = -Math.expm1(Math.log(0.5) / width);
  let [low, high] = [BOTTOM, TOP];
  let at = Math.min(Math.max(guess, BOTTOM), TOP);
  for (let step = 0; step < 60 && high - low > 1e-12; step++) {
    let [above, rate] = [0, 0];
    const size = Math.exp(at);
    for (const [slope, chance] of slopes) {
      const x = (size * Math.SQRT1_2) / slope;
      if (x > 27) continue;
      above += chance * erfc(x);
      rate -= (chance * 2 * x * Math.exp(-x * x)) / Math.sqrt(Math.PI);
    }
    if (above > tail) low = at;
    else high = at;
    const next = at - (Math.log(above) - Math.log(tail)) / (rate / above);
    const moved = next > low && next < high ? next : (low + high) / 2;
    if (Math.abs(moved - at) < 1e-10) return moved;
    at = moved;
  }
  return at;
}

const lattices = new Map();

/** `logPeak` interpolated on a lattice of arsinh(ln q / 6), whose values are kept; homogeneous slopes need one alone. */
export function peakAt(name, logQ, width) {
  const { degree } = activation(name);
  const id = `${name} ${width}`;
  if (!lattices.has(id)) lattices.set(id, new Map());
  const kept = lattices.get(id);
  const known = (k) => {
    if (!kept.has(k)) kept.set(k, logPeak(name, BEND * Math.sinh((k * FINEST) / BEND), width, kept.get(k - 1) ?? kept.get(k + 1)));
    return kept.get(k);
  };
  const inside = Math.min(Math.max(logQ, -EDGE), EDGE);
  if (degree !== null) return known(0) + ((degree - 1) * inside) / 2;
  const place = (BEND / FINEST) * Math.asinh(Math.min(Math.max(inside, -60), 60) / BEND);
  const first = Math.floor(place) - STENCIL / 2 + 1;
  let total = 0;
  for (let k = 0; k < STENCIL; k++) {
    let share = 1;
    for (let j = 0; j < STENCIL; j++) if (j !== k) share *= (place - first - j) / (k - j);
    total += share * known(first + k);
  }
  return total;
}

/**
 * First layer, counted from 1 at the input, at which the forward pass is lost in a format, and number of layers below
 * the top at which the backward pass is; null where neither happens. Of typical entries, by the laws of `lawsOf`.
 */
export function passLimit(net, laws, dtype, width) {
  const { zero, overflow } = format(dtype);
  const depth = laws.mean.length;
  const gaussian = Math.log(Math.SQRT2 * erfcInverse(-Math.expm1(Math.log(0.5) / width)));
  const isLost = (h) => h > overflow || h < zero;
  const forward = laws.logQ.findIndex((each) => isLost(each / 2 + gaussian));
  let backward = null;
  for (let below = 0; below < depth && backward === null; below++) {
    const layer = depth - 1 - below;
    const rms = below === 0 ? 0 : Math.log(net.sigmaW) + laws.mean[layer + 1];
    const slope = below === 0 ? gaussian : peakAt(net.activation, laws.logQ[layer], width);
    if (rms + gaussian > overflow || rms + slope < zero) backward = below;
  }
  return { forward: forward < 0 ? null : forward + 1, backward };
}

/** First depth at which a power of a factor per layer is 0 or infinite in a format; null if never. */
export function depthLimit(factor, dtype) {
  const { zero, overflow } = format(dtype);
  const log = Math.log(factor);
  if (log === 0 || Number.isNaN(log)) return null;
  return Math.max(Math.ceil((log < 0 ? zero : overflow) / log), 1);
}
