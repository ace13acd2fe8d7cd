// One layer of finite width with Gaussian weights at every point of a grid of ln M, M the mean square of its input,
// as vgtheory.theory.width.links computes it.

import { polygammas } from "./special.js";
import { activation, curve, value } from "./tables.js";

export const POINTS = 160;
export const STENCIL = 6;
const EDGE = Math.asinh(10);
const LOG_M = Float64Array.from({ length: POINTS }, (_, k) => 2 * Math.sinh(EDGE * (-1 + (2 * k) / (POINTS - 1))));
const NODES = [-Math.sqrt(3), 0, Math.sqrt(3)];
/** Weights of the nodes of X, the mean over a layer's units. */
export const RULE = [1 / 6, 2 / 3, 1 / 6];
const [FLAT, LOST, SMALL] = [0.02, 1e6, 0.01];
const TINY = Number.MIN_VALUE * 2 ** 52;

/**
 * Weights that interpolate at ln M, or at the grid's end; written from `at` on, six numbers. Returns the first point.
 * Towards an end fewer of them count, so that those stay centred: a walk would blow up under weights that extrapolate.
 */
export function stencil(logM, shares, at) {
  const place = ((Math.min(Math.max(Math.asinh(logM / 2) / EDGE, -1), 1) + 1) / 2) * (POINTS - 1);
  const first = Math.min(Math.max(Math.floor(place), 0), POINTS - 2) - STENCIL / 2 + 1;
  const narrower = Math.max(0, -first, first + STENCIL - POINTS);
  const moved = Math.min(Math.max(first, 0), POINTS - STENCIL);
  shares.fill(0, at, at + STENCIL);
  for (let k = narrower; k < STENCIL - narrower; k++) {
    let share = 1;
    for (let j = narrower; j < STENCIL - narrower; j++) if (j !== k) share *= (place - first - j) / (k - j);
    shares[at + k + first - moved] = share;
  }
  return moved;
}

/** Mean and variance of the log of a mean over `width` units of mean 1 with these cumulants. */
function logMeanLaw(second, third, width) {
  const share = second / width;
  let mean = -share / 2 - share ** 2 / 12 + share ** 4 / 120;
  let v = share + share ** 2 / 2 + share ** 3 / 6 - share ** 5 / 30;
  if (!(share < SMALL)) {
    const [digamma, trigamma] = polygammas(1 / share);
    [mean, v] = [digamma + Math.log(share), trigamma];
  }
  const excess = (third - 2 * second ** 2) / width ** 2;
  const bend = share > 0 ? excess / share : 0;
  return [mean + excess / 3, v * Math.exp(-Math.min(Math.max(bend, -1), 1))];
}

/** Moments of one unit at ln q: cumulants of f = phi^2, of y = phi'^2 eta^2, each over its mean, and of both. */
function unit(curves, logQ) {
  const [logF, byF] = curve(curves.f, logQ);
  const [logG, byG] = curve(curves.g, logQ);
  const [logGG, byGG] = curve(curves.gg, logQ);
  const [logFG, byFG] = curve(curves.fg, logQ);
  const [ff, fff, ggg, ffg, fgg] = ["ff", "fff", "ggg", "ffg", "fgg"].map((key) => Math.exp(value(curves[key], logQ)));
  const [gg, fg] = [Math.exp(logGG), Math.exp(logFG)];
  const own = 1 + 2 * byG;
  const ownF = fg * (1 + 2 * (byFG + byF + byG));
  const ownG = 3 * gg * (1 + 2 * (byGG + 2 * byG));
  const y2 = 3 * gg - 1;
  return {
    logF,
    logG,
    x2: ff - 1,
    x3: fff - 3 * ff + 2,
    y2,
    y3: 15 * ggg - 9 * gg + 2,
    xy: fg - 1,
    xxy: ffg - ff - 2 * fg + 2,
    xyy: 3 * fgg - 2 * fg + 1 - (3 * gg - 1),
    pull: fg,
    keep: byF ** 2 * Math.exp(logF - logQ - logG),
    own,
    ownX: ownF - own * fg,
    ownY: ownG - own * (y2 + 1),
  };
}

/** The effect of one layer at every grid point, and at each of three nodes of X, the mean over its units. */
export function stepOf(net, width) {
  const { curves } = activation(net.activation);
  const [square, biases] = [net.sigmaW ** 2, net.sigmaB ** 2];
  const logOf = (logM) => Math.log(Math.max(square * Math.exp(logM) + biases, TINY));
  const per = () => new Float64Array(POINTS);
  const each = () => new Float64Array(3 * POINTS);
  const step = { omega: per(), rest: per(), pull: per(), keep: per(), fresh: per(), t2: per(), rough: per() };
  Object.assign(step, { first: new Int32Array(3 * POINTS), share: new Float64Array(18 * POINTS), logY: each(), t2X: each() });
  Object.assign(step, { q: per(), certain: { first: new Int32Array(POINTS), share: new Float64Array(6 * POINTS), grad: per(), q: per() } });
  const logF = per();
  for (let p = 0; p < POINTS; p++) {
    const logQ = logOf(LOG_M[p]);
    const u = unit(curves, logQ);
    const [meanX, varX] = logMeanLaw(u.x2, u.x3, width);
    const [meanY, varY] = logMeanLaw(u.y2, u.y3, width);
    const spread = Math.sqrt(Math.max(varX, TINY ** 0.4));
    const wide = width * spread;
    const skew = Math.min(Math.max((u.x3 - 3 * u.x2 ** 2) / wide / wide / spread, -2), 2);
    const second = u.xy ** 2 / 2 + u.xy * (u.x2 + u.y2) - (u.xxy + u.xyy) / 2;
    const root = Math.sqrt(varY);
    const slope = Math.min(Math.max((u.xy + second / width) / width / spread, -root), root);
    logF[p] = u.logF;
    step.omega[p] = Math.exp(2 * Math.log(net.sigmaW) + LOG_M[p] - logQ);
    step.rest[p] = varY - slope ** 2;
    step.pull[p] = Math.min(u.pull / width, 0.5);
    step.keep[p] = u.keep;
    step.fresh[p] = Math.max(u.own - u.keep, 0);
    step.t2[p] = u.own - u.ownY / width;
    for (let n = 0; n < 3; n++) {
      const after = u.logF + meanX + spread * (NODES[n] + (skew / 6) * (NODES[n] ** 2 - 1));
      step.first[3 * p + n] = stencil(after, step.share, 6 * (3 * p + n));
      step.q[p] += RULE[n] * (logOf(after) - logQ);
      step.logY[3 * p + n] = u.logG + meanY + slope * NODES[n];
      step.t2X[3 * p + n] = (u.ownX / (u.own > 0 ? u.own : 1) / width / spread) * NODES[n];
    }
    step.certain.first[p] = stencil(u.logF, step.certain.share, 6 * p);
    step.certain.grad[p] = u.logG;
    step.certain.q[p] = logOf(u.logF) - logQ;
  }
  for (const p of [0, POINTS - 1]) {
    const k = p === 0 ? 0 : POINTS - 2;
    const steep = (logF[k + 1] - logF[k]) / (LOG_M[k + 1] - LOG_M[k]);
    if (Math.min(Math.abs(steep), Math.abs(steep - 1)) > FLAT) step.rough[p] = LOST;
  }
  return step;
}
