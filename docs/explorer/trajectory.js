// The layers of an infinitely wide network, with the noise that a finite width adds in each; symbols as in
// vgtheory.theory.width.expansion, whose laws of order 1 / width are the second half of this file.

import { activation, curve } from "./tables.js";

const FIELDS = [
  ...["logQ", "logChi", "slope", "bend", "a", "b", "rho", "forward"],
  ...["forwardMean", "back", "backMean", "joint", "along", "grip", "kick"],
];

/** Layers 1 ... depth for an input of unit mean square: an array over layers for each field. */
export function trajectory(net, depth) {
  const { curves } = activation(net.activation);
  const layers = Object.fromEntries(FIELDS.map((field) => [field, new Float64Array(depth)]));
  const [logW, biases] = [2 * Math.log(net.sigmaW), net.sigmaB ** 2];
  const curveOf = net.weights === "orthogonal" ? 1 : 0;
  const [F, G, FG] = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
  let logQ = Math.log(net.sigmaW ** 2 + biases);
  for (let l = 0; l < depth; l++) {
    curve(curves.f, logQ, F);
    curve(curves.g, logQ, G);
    const fg = Math.exp(curve(curves.fg, logQ, FG)[0]);
    const ff = Math.exp(curve(curves.ff, logQ, FG)[0]);
    const gg = Math.exp(curve(curves.gg, logQ, FG)[0]);
    const image = biases > 0 ? logW + F[0] + Math.log1p(biases * Math.exp(-logW - F[0])) : logW + F[0];
    const share = Math.exp(logW + F[0] - image);
    const rho = biases > 0 ? Math.min(Math.max(1 - biases * Math.exp(-logQ), 0), 1) : 1;
    const [f2, g2] = [2 * F[1], 2 * G[1]];
    const f4 = 4 * (F[2] + F[1] ** 2 - F[1]);
    const g4 = 4 * (G[2] + G[1] ** 2 - G[1]);
    const a = G[1];
    layers.logQ[l] = logQ;
    layers.logChi[l] = logW + G[0];
    layers.slope[l] = (share * f2) / 2;
    layers.bend[l] = (share * f4) / 8;
    layers.a[l] = a;
    layers.b[l] = g4 / 8 - a ** 2 / 2;
    layers.rho[l] = rho;
    layers.forward[l] = share ** 2 * (ff - 1 - curveOf * 2 * ((rho * f2) / 2) ** 2);
    layers.forwardMean[l] = (-curveOf * share * rho ** 2 * f4) / 4;
    layers.back[l] = 3 * gg - 1 - curveOf * 2 * (((rho * g2) / 2) ** 2 + 1);
    layers.backMean[l] = (-curveOf * rho ** 2 * g4) / 4;
    layers.joint[l] = share * (fg - 1 - (curveOf * 2 * rho ** 2 * f2 * g2) / 4);
    layers.along[l] = fg - curveOf;
    layers.grip[l] = rho * F[1] ** 2 * Math.exp(F[0] - logQ - G[0]);
    layers.kick[l] = rho * g2;
    logQ = image;
  }
  return layers;
}

/** ln |g_l|^2 relative to the top at infinite width. */
export function infiniteGrad(layers) {
  const mean = new Float64Array(layers.logChi.length);
  for (let l = mean.length - 2; l >= 0; l--) mean[l] = mean[l + 1] + layers.logChi[l];
  return mean;
}

/** Mean and variance of r_l = Q_l / q_l - 1 at order 1 / width. */
export function forwardFluctuation(layers, width) {
  const depth = layers.logQ.length;
  const [means, vars] = [new Float64Array(depth), new Float64Array(depth)];
  let [mean, v] = [0, 0];
  for (let l = 0; l < depth; l++) {
    [means[l], vars[l]] = [mean, v];
    mean = layers.slope[l] * mean + layers.bend[l] * v + layers.forwardMean[l] / width;
    v = layers.slope[l] ** 2 * v + layers.forward[l] / width;
  }
  return { mean: means, var: vars };
}

const [SMALL_U, SMALL_EFFECT, SMALL_R, NEARLY_ONE] = [0.05, 0.15, 0.3, 0.02];

/** Mean shift and variance of ln |g_l|^2 relative to the top, at order 1 / width; Infinity where the expansion fails. */
export function backwardFluctuation(layers, width) {
  const depth = layers.logQ.length;
  const r = forwardFluctuation(layers, width);
  const [shifts, vars] = [new Float64Array(depth), new Float64Array(depth)];
  let [shift, noise, reach, u] = [0, 0, 0, 0];
  for (let l = depth - 2; l >= 0; l--) {
    const { a, b, slope, along } = layers;
    const effect = (Math.abs(a[l]) + Math.abs(b[l])) * r.var[l];
    const bent = r.var[l] > SMALL_R && Math.abs(slope[l] - 1) > NEARLY_ONE;
    const wild = Math.abs(u * along[l]) > SMALL_U * width || effect > SMALL_EFFECT || bent;
    const own = layers.back[l] + reach ** 2 * layers.forward[l] + 2 * reach * layers.joint[l];
    shift +=
      a[l] * r.mean[l] + b[l] * r.var[l] + (layers.backMean[l] + u * along[l] - layers.back[l] / 2) / width;
    noise += wild ? Infinity : own / width;
    reach = a[l] + slope[l] * reach;
    u = layers.kick[l] + u * layers.grip[l];
    [shifts[l], vars[l]] = [shift, noise + reach ** 2 * r.var[l]];
  }
  return { mean: shifts, var: vars };
}

/**
 * What independent weights of excess kurtosis kappa change in the law of Gaussian ones: mean and variance of
 * ln |g_l|^2 relative to the top, and of ln q_l (vgtheory.theory.width.cumulants).
 */
export function cumulantChange(layers, kappa, width) {
  const depth = layers.logQ.length;
  const zeros = () => new Float64Array(depth);
  const change = { grad: zeros(), gradVar: zeros(), q: zeros(), qVar: zeros() };
  if (!kappa) return change;
  const [ratio, share] = [kappa / width, 1 / width];
  const { rho, slope, a, b, kick, along } = layers;
  const above = (l) => (l + 1 < depth ? rho[l + 1] : 1);
  const ofX = (l) => 1 + layers.forward[l] / (above(l) > 0 ? above(l) : 1) ** 2;
  const ofInput = (l) => (l === 0 ? 3 : ofX(l - 1));
  const ofG = (l) => (l + 1 < depth ? layers.back[l] + 1 : 3);
  const bent = (l) => (ratio * ofInput(l) * rho[l] ** 2) / 3;
  let [mean, v, held] = [0, 0, true];
  const [factor, factorVar] = [zeros(), zeros()];
  for (let l = 0; l < depth; l++) {
    const tie = l + 2 < depth ? (ratio / 2) * kick[l + 1] * along[l] : 0;
    const inside = l + 1 < depth;
    const noise = inside ? (share * ratio * ofG(l + 1) * ofG(l)) / 3 : 0;
    factor[l] = inside ? a[l] * mean + (b[l] + a[l] ** 2 / 2) * bent(l) + tie - noise / 2 : 0;
    const small = Math.max(ofX(l), ofG(l)) * Math.abs(ratio) < 1;
    factorVar[l] = inside ? (small ? noise : Infinity) : 0;
    held = held && small;
    change.qVar[l] = v + share * ratio * ofInput(l) * rho[l] ** 2;
    change.q[l] = mean - change.qVar[l] / 2;
    mean = slope[l] * mean + layers.bend[l] * bent(l);
    v = slope[l] ** 2 * v + share * bent(l) * ofX(l) * above(l) ** 2;
  }
  if (!held) change.qVar.fill(Infinity);
  for (let l = depth - 1; l >= 0; l--) {
    change.grad[l] = factor[l] + (l + 1 < depth ? change.grad[l + 1] : 0);
    change.gradVar[l] = factorVar[l] + (l + 1 < depth ? change.gradVar[l + 1] : 0);
  }
  return change;
}
