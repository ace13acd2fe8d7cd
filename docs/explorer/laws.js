// The laws that the page shows: ln |gradient| and ln q over the layers, and what follows from them.

import { MOST_HELD, gradSums, lengthMeans, walk } from "./chain.js";
import { SIDES, logChiSquareLaw } from "./chi_square.js";
import { normalCdf } from "./special.js";
import { kurtosis } from "./tables.js";
import { backwardFluctuation, cumulantChange, forwardFluctuation, infiniteGrad, trajectory } from "./trajectory.js";

const isExact = (net) => net.weights === "gaussian" && net.activation in SIDES;

/** What `lawParts` finds, at once. */
export function lawsOf(net, depth, width) {
  const parts = lawParts(net, depth, width);
  for (;;) {
    const { done, value } = parts.next();
    if (done) return value;
  }
}

/**
 * Laws of one network at a width: for each layer the mean and the standard deviation over networks of ln |g_l| relative
 * to the top (`std` is Infinity where the law declines), its value at infinite width, and the mean of ln q_l. A generator: it pauses often.
 */
export function* lawParts(net, depth, width) {
  const layers = trajectory(net, depth);
  const half = infiniteGrad(layers);
  const infinite = half.map((each) => each / 2);
  const isClosed = (isExact(net) && net.sigmaB === 0) || net.weights === "orthogonal";
  const chain = isClosed ? null : yield* walk(net, width, depth);
  const grad = yield* gradOf(net, layers, half, chain, width);
  return { ...grad, infinite, logQ: lengthsOf(net, layers, chain, width), layers };
}

/** Half the log of a product of independent chi-square factors, by their number. */
function counted(net, width, counts) {
  const factor = logChiSquareLaw(width, SIDES[net.activation]);
  const mean = counts.map((count) => (count > 0 ? (count * (factor.mean + 2 * Math.log(net.sigmaW))) / 2 : 0));
  return { mean, std: counts.map((count) => Math.sqrt(count * factor.var) / 2) };
}

function* gradOf(net, layers, mean, chain, width) {
  const depth = mean.length;
  if (isExact(net)) return counted(net, width, mean.map((_, l) => depth - 1 - l));
  const rows = { mean: new Float64Array(depth), std: new Float64Array(depth) };
  if (net.weights === "orthogonal") {
    const found = backwardFluctuation(layers, width);
    for (let l = 0; l < depth; l++) {
      rows.mean[l] = (mean[l] + found.mean[l]) / 2;
      rows.std[l] = spreadOf(found.var[l], rows.mean[l]);
    }
    return rows;
  }
  const exact = mean.map((each, l) => each - 2 * Math.log(net.sigmaW) * (depth - 1 - l));
  const sums = yield* gradSums(chain, exact);
  const more = cumulantChange(layers, kurtosis(net.weights), width);
  for (let l = 0; l < depth; l++) {
    rows.mean[l] = (mean[l] + more.grad[l] + sums.mean[l]) / 2;
    const isHeld = sums.held[l] > MOST_HELD;
    rows.std[l] = isHeld ? Infinity : spreadOf(sums.var[l] + more.gradVar[l], rows.mean[l]);
  }
  return rows;
}

/** Half the root of a variance of ln |g|^2; Infinity where it, or the mean, is no number. */
const spreadOf = (v, mean) => (Number.isFinite(v) && Number.isFinite(mean) ? Math.sqrt(Math.max(v, 0)) / 2 : Infinity);

/** Mean of ln q_l over networks. */
function lengthsOf(net, layers, chain, width) {
  const { logQ, rho } = layers;
  if (isExact(net) && net.sigmaB === 0) {
    const below = counted(net, width, logQ.map((_, l) => l)).mean;
    const first = logChiSquareLaw(width).mean + 2 * Math.log(net.sigmaW);
    return below.map((each) => first + 2 * each);
  }
  if (net.weights === "orthogonal") {
    const r = forwardFluctuation(layers, width);
    return logQ.map((each, l) => each + r.mean[l] - r.var[l] / 2 - (1 - rho[l] ** 2) / width);
  }
  const noise = logChiSquareLaw(width).mean;
  const more = cumulantChange(layers, kurtosis(net.weights), width);
  const means = lengthMeans(chain, logQ);
  return logQ.map((each, l) => each + noise + more.q[l] + means[l]);
}

/** Probability that a normal variable of this mean and standard deviation lies within ln 10 of 0; NaN where unknown. */
export function keptProbability(mean, std) {
  if (!Number.isFinite(std) || !Number.isFinite(mean)) return NaN;
  if (std === 0) return Math.abs(mean) <= Math.LN10 ? 1 : 0;
  return normalCdf((Math.LN10 - mean) / std) - normalCdf((-Math.LN10 - mean) / std);
}
