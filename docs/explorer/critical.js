// Critical scales: sigma_w^2 = 1 / E[phi'^2], sigma_b^2 = q - E[phi^2] / E[phi'^2], a line with q as its parameter.

import { LATTICE, chi1, growthAndSlope, onLattice, root } from "./fixed_points.js";
import { activation, curve, value } from "./tables.js";

const NOISE = 1e-11;
const [LARGEST, TRIED, PASSES] = [4, 65, 4];
const REACHED = 1e-5;

/** sigma_b^2 / q of the critical network whose fixed point is q, less the wanted one; and its derivative by ln q. */
function excessAt(curves, wanted, logQ) {
  const [logF, byF] = curve(curves.f, logQ);
  const [logG, byG] = curve(curves.g, logQ);
  const ratio = Math.exp(logF - logG - logQ);
  const share = wanted > 0 ? wanted * Math.exp(-logQ) : 0;
  return [1 - ratio - share, -ratio * (byF - byG - 1) + share];
}

/** Every critical network with this sigma_b, in ascending order of q. */
export function critical(name, sigmaB) {
  const { curves, ends } = activation(name);
  const [logF, logG] = [onLattice(name, "f"), onLattice(name, "g")];
  const wanted = sigmaB ** 2;
  const signs = LATTICE.map((logQ, k) => {
    const excess = 1 - Math.exp(logF[k] - logG[k] - logQ) - (wanted > 0 ? wanted * Math.exp(-logQ) : 0);
    return Math.abs(excess) <= NOISE ? 0 : Math.sign(excess);
  });
  const found = [];
  const same = wanted === 0 && signs.every((sign) => sign === 0);
  if (same) {
    const logW = -value(curves.g, 0) / 2;
    found.push({ q: Math.exp(2 * logW), sigmaW: Math.exp(logW), slope: 1, stable: true });
  } else if (wanted === 0 && signs[0] === 0 && ends[0] < 1e4) {
    found.push(atZero(name, signs, Math.exp(-ends[0] / 2)));
  }
  for (let k = signs.length - 2; k >= 0; k--) if (signs[k] === 0) signs[k] = signs[k + 1];
  for (let k = 0; k + 1 < signs.length; k++) {
    if (signs[k] * signs[k + 1] >= 0) continue;
    const at = (logQ) => {
      const [excess, slope] = excessAt(curves, wanted, logQ);
      return [excess, excess / slope];
    };
    const logQ = root(at, LATTICE[k], LATTICE[k + 1]);
    const sigmaW = Math.exp(-value(curves.g, logQ) / 2);
    const slope = growthAndSlope(name, sigmaW, sigmaB, logQ)[1];
    if (Math.log(sigmaW) > -2500) found.push({ q: Math.exp(logQ), sigmaW, slope, stable: Math.abs(slope) < 1 });
  }
  return found.sort((a, b) => a.q - b.q);
}

/** The network that is critical only as q goes to 0: stable if q shrinks wherever it moves first. */
function atZero(name, signs, sigmaW) {
  const logF = onLattice(name, "f");
  const growth = Array.from(LATTICE, (logQ, k) => sigmaW ** 2 * Math.exp(Math.min(logF[k] - logQ, 700)) - 1);
  const first = growth.find((each) => Math.abs(each) > NOISE) ?? growth[0];
  const known = signs.find((sign) => sign !== 0) ?? 0;
  const slope = growthAndSlope(name, sigmaW, 0, LATTICE[0])[1];
  return { q: 0, sigmaW, slope, stable: known >= 0 && first < 0 };
}

const stableOf = (name, sigmaB) => critical(name, sigmaB).filter((each) => each.stable);

/** Smallest sigma_b, up to 4, that has a stable critical network; NaN if none has. */
export function leastSigmaB(name) {
  let [low, high, least] = [0, LARGEST, NaN];
  for (let pass = 0; pass < PASSES; pass++) {
    const tried = Array.from({ length: TRIED }, (_, k) => low + ((high - low) * k) / (TRIED - 1));
    const first = tried.findIndex((sigmaB) => stableOf(name, sigmaB).length > 0);
    if (first < 0) break;
    least = tried[first];
    if (first === 0) break;
    [low, high] = [tried[first - 1], least];
  }
  return least;
}

/** Whether inputs of unit mean square settle where the network is critical. */
const isReached = (name, sigmaW, sigmaB) => Math.abs(Math.log(chi1(name, sigmaW, sigmaB))) < REACHED;

/** A stable critical network with this sigma_b that unit inputs reach, or null. */
function reached(name, sigmaB) {
  const found = stableOf(name, sigmaB).find((each) => isReached(name, each.sigmaW, sigmaB));
  return found ? { sigmaW: found.sigmaW, sigmaB, q: found.q } : null;
}

/**
 * The critical network nearest to a choice of sigma_b: with the same, else without biases, else with the least that
 * allows one. `why` is "same", "unbiased" or "biased"; null if there is none up to sigma_b = 4.
 */
export function madeCritical(name, sigmaB) {
  const same = reached(name, sigmaB);
  if (same) return { ...same, why: "same" };
  const unbiased = reached(name, 0);
  if (unbiased) return { ...unbiased, why: "unbiased" };
  const least = leastSigmaB(name);
  if (Number.isNaN(least)) return null;
  for (let step = Math.ceil(least * 100 + 0.01); step <= 100 * LARGEST; step++) {
    const found = reached(name, step / 100);
    if (found) return { ...found, why: "biased", least };
  }
  return null;
}
