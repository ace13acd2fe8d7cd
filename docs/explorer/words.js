// Numbers and findings in words.

import { keptProbability } from "./laws.js";

export const WEIGHTS = {
  gaussian: "Gaussian",
  uniform: "uniform",
  truncated_normal: "truncated normal",
  sparse: "sparse, 1 in 10",
  orthogonal: "orthogonal",
};
export const DECLINES = "the law declines here";
const PHASES = { "-1": "ordered: the gradient vanishes", 0: "critical", 1: "chaotic: the gradient explodes" };

/** Four digits, and powers of ten for what is very large or small. */
export function digits(x, count = 4) {
  if (Number.isNaN(x)) return "unknown";
  if (x === Infinity) return "infinite";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e5 || size < 1e-3) return x.toExponential(count - 2).replace(/e([+-])0?(\d)/, " × 10^$1$2").replace("^+", "^");
  return String(Number(x.toPrecision(count)));
}

export const title = (name) => name.replaceAll("_", " ");

/** "10^1.25" from a natural log; what rounds to a factor of 1 is 10^0. */
export function powerOfTen(log, count = 3) {
  const decades = log / Math.LN10;
  if (Math.abs(decades) < 1e-3) return "10^0";
  return Math.abs(decades) < 1e5 ? `10^${digits(decades, count)}` : `10^(${digits(decades, count)})`;
}

/** Settled factor and phase, in one clause. */
export function phaseInWords(chi, phase) {
  if (phase !== 0 && digits(chi) === "1") {
    const side = chi < 1 ? ["-", "ordered"] : ["+", "chaotic"];
    return `chi_1 = 1 ${side[0]} ${digits(Math.abs(chi - 1), 3)}, all but critical, on the ${side[1]} side`;
  }
  return `chi_1 = ${digits(chi)}, ${PHASES[phase] ?? "of unknown phase"}`;
}

/** A factor given by its natural log: "grows 12-fold", "falls to 1/40", "falls by 31 powers of ten". */
export function changeInWords(log) {
  const decades = log / Math.LN10;
  if (!Number.isFinite(decades)) return "leaves every range";
  if (Math.abs(log) < 0.01) return "stays the same within 1 %";
  if (Math.abs(decades) > 3) return `${decades > 0 ? "grows" : "falls"} by ${digits(Math.abs(decades), 3)} powers of ten`;
  return log > 0 ? `grows ${digits(Math.exp(log), 3)}-fold` : `falls to 1/${digits(Math.exp(-log), 3)}`;
}

/** How soon the signal's mean square settles; `settles` is a number of layers, or Infinity. */
export function settlingInWords(q, settles) {
  if (q === 0 || q === Infinity) return "never: it does not settle";
  if (settles === Infinity) return "ever more layers: it settles by a power of the depth";
  const layers = Math.abs(settles);
  if (layers < 0.1) return "less than 0.1 layers: it settles at once";
  return `${digits(layers, 3)} ${layers === 1 ? "layer" : "layers"}`;
}

const LABELS = { sigmaW: "sigma_w", sigmaB: "sigma_b", depth: "The depth", width: "The width", seed: "The network's number" };

/** What is said of a number that was asked for beyond its bounds. */
export const beyondInWords = (key, [low, high], shown) => `${LABELS[key]} lies between ${low} and ${high} here; ${shown} is shown.`;

export function percent(p) {
  if (Number.isNaN(p)) return DECLINES;
  if (p < 0.001) return "below 0.1 %";
  if (p > 0.999) return "above 99.9 %";
  return `${digits(100 * p, 3)} %`;
}

/** Probability that the gradient of layer 1 is within a factor of ten of the top's. */
export const keptOf = (laws) => keptProbability(laws.mean[0], laws.std[0]);

/** Layers whose law declines lie below this one (an index); 0 if none declines. */
export function firstKnown(laws) {
  for (let l = laws.std.length - 1; l >= 0; l--) if (!Number.isFinite(laws.std[l]) || !Number.isFinite(laws.mean[l])) return l + 1;
  return 0;
}

/** The result as a live region reads it. */
export function summary(state, found) {
  const { laws, chi, phase } = found;
  const biases = state.sigmaB > 0 ? `, sigma_b = ${digits(state.sigmaB)}` : ", no biases";
  const head = `${title(state.activation)}, sigma_w = ${digits(state.sigmaW)}${biases}: ${phaseInWords(chi, phase)}.`;
  const size = `${state.depth} layers of width ${state.width}`;
  if (firstKnown(laws) > 0) {
    const infinite = changeInWords(laws.infinite[0]);
    return `${head} For ${size} the finite-width law declines; at infinite width the gradient ${infinite} from the top to layer 1.`;
  }
  const span = [laws.mean[0] - laws.std[0], laws.mean[0] + laws.std[0]].map((log) => powerOfTen(log));
  const scatter = laws.std[0] > 0 ? `two networks in three lie between ${span[0]} and ${span[1]}` : "all networks agree";
  return `${head} Through ${size} the gradient's norm typically ${changeInWords(laws.mean[0])} from the top to layer 1; ${scatter}.`;
}
