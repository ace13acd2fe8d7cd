// Finite width, Gaussian weights: sums along the chain of ln M, as vgtheory.theory.width.accumulation computes them.
// M is the mean square of a layer's input. Functions of ln M live on a grid and are carried down from the top.
// The generators pause after every layer, so that a page that runs them can answer in between.

import { POINTS, RULE, STENCIL, stencil, stepOf } from "./links.js";

const [FLAT, LEAST, SEEN] = [0.02, 1e-6, 1e-10];
/** Largest part of ln |g|^2 that may have grown out of one component of the gradient. */
export const MOST_HELD = 2;

/** The grid's distribution at an input of unit mean square. */
function start() {
  const place = new Float64Array(POINTS);
  const shares = new Float64Array(STENCIL);
  place.set(shares, stencil(0, shares, 0));
  return place;
}

/** Distribution over the grid at layers 1 ... size; `nodes` outcomes of each point. */
function* visitsOf(first, share, nodes, size) {
  const visits = [start()];
  for (let layer = 1; layer < size; layer++) {
    const [here, next] = [visits[layer - 1], new Float64Array(POINTS)];
    for (let p = 0; p < POINTS; p++) {
      if (here[p] === 0) continue;
      for (let n = 0; n < nodes; n++) {
        const weight = nodes === 1 ? here[p] : here[p] * RULE[n];
        const [at, to] = [nodes * p + n, first[nodes * p + n]];
        for (let k = 0; k < STENCIL; k++) next[to + k] += weight * share[6 * at + k];
      }
    }
    visits.push(next);
    yield;
  }
  return visits;
}

const dot = (a, b) => {
  let total = 0;
  for (let p = 0; p < POINTS; p++) total += a[p] * b[p];
  return total;
};

/** Largest share of the grid's own variance in that of a sum for it to be subtracted. */
const [SMEARED, TINY, LOOSE] = [1e-5, 1e-6, 1e-4];

/**
 * Mean and variance, by number of layers from the top (or from layer 1, of the sum of `reward`), that the grid gives where
 * nothing scatters: its own errors.
 */
function* errorsOf(certain, visits, reward = certain.grad, isFromBelow = false) {
  const depth = visits.length;
  const [means, vars] = [new Float64Array(depth), new Float64Array(depth)];
  let mean = new Float64Array(POINTS);
  for (let count = 0; count < depth; count++) {
    const here = visits[isFromBelow ? 0 : depth - 1 - count];
    const total = dot(here, mean);
    let v = 0;
    for (let p = 0; p < POINTS; p++) v += here[p] * (mean[p] - total) ** 2;
    [means[count], vars[count]] = [total, v];
    const next = new Float64Array(POINTS);
    for (let p = 0; p < POINTS; p++) {
      let moved = reward[p];
      for (let k = 0; k < STENCIL; k++) moved += certain.share[6 * p + k] * mean[certain.first[p] + k];
      next[p] = moved;
    }
    mean = next;
    yield;
  }
  return { mean: means, var: vars };
}

/** The chain of ln M of one network: the effect of a layer, and where the layers 1 ... depth are on the grid. */
export function* walk(net, width, depth) {
  const step = stepOf(net, width);
  const certain = yield* visitsOf(step.certain.first, step.certain.share, 1, depth);
  const ofLengths = yield* errorsOf(step.certain, certain, step.certain.q, true);
  const isSmeared = ofLengths.var.some((each) => each > LOOSE);
  return { step, certain, isSmeared, visits: yield* visitsOf(step.first, step.share, 3, depth) };
}

/** Mean of ln q at layers 1 ... depth relative to layer 1, less its value at infinite width, which is `logQ` where the grid smears that. */
export function lengthMeans({ step, visits, certain, isSmeared }, logQ) {
  const means = new Float64Array(visits.length);
  for (let l = 1; l < means.length; l++) {
    const sure = isSmeared ? logQ[l] - logQ[l - 1] : dot(certain[l - 1], step.certain.q);
    means[l] = means[l - 1] + dot(visits[l - 1], step.q) - sure;
  }
  return means;
}

/**
 * Sums along the chain for inputs of unit mean square and a top gradient independent of the weights: mean and variance
 * of ln |g_l|^2 relative to the top, less the mean at infinite width (`exact`), and `held`. The grid's own errors are
 * those of that mean on the grid; where the length runs away from a fixed point the grid smears it.
 */
export function* gradSums({ step, visits, certain }, exact) {
  const depth = visits.length;
  const errors = yield* errorsOf(step.certain, certain);
  const seen = [];
  for (let p = 0; p < POINTS; p++) if (visits.some((place) => Math.abs(place[p]) > SEEN)) seen.push(p);
  const chain = new Chain(step, seen);
  const found = { mean: new Float64Array(depth), var: new Float64Array(depth), held: new Float64Array(depth) };
  let most = -Infinity;
  for (let count = 0; count < depth; count++) {
    const layer = depth - 1 - count;
    const law = chain.over(visits[layer]);
    most = Math.max(most, law.held);
    found.mean[layer] = law.mean;
    found.var[layer] = law.var;
    found.held[layer] = most;
    if (layer > 0) chain.down();
    yield;
  }
  const isSmeared = errors.var.some((each, count) => each > SMEARED * found.var[depth - 1 - count] + TINY);
  for (let layer = 0; layer < depth; layer++) {
    const count = depth - 1 - layer;
    found.mean[layer] -= isSmeared ? exact[layer] : errors.mean[count];
    found.var[layer] = Math.max(found.var[layer] - (isSmeared ? 0 : errors.var[count]), 0);
  }
  return found;
}

const [MEAN, VAR, T2, T4, TIE, HELD, FIELDS] = [0, 1, 2, 3, 4, 5, 6];

/** Functions of ln M at one layer: mean and variance of the sum above, moments of t, their tie to the sum, and `held`. */
class Chain {
  constructor(step, seen) {
    this.step = step;
    this.seen = seen;
    this.state = new Float64Array(FIELDS * POINTS);
    this.rows = new Float64Array(FIELDS * POINTS);
    this.given = new Float64Array(8);
    this.normal = new Float64Array(8 * POINTS);
    for (let p = 0; p < POINTS; p++) {
      this.state[FIELDS * p + T2] = 1;
      this.state[FIELDS * p + T4] = 3;
      answer(step.pull[p], step.keep[p], step.fresh[p], 1, 3, this.normal, 8 * p);
    }
  }

  /** Mean, variance and `held` under a distribution over the grid. */
  over(place) {
    let [mean, held, v] = [0, 0, 0];
    for (const p of this.seen) {
      mean += place[p] * this.state[FIELDS * p + MEAN];
      held += place[p] * this.state[FIELDS * p + HELD];
    }
    for (const p of this.seen) {
      v += place[p] * (this.state[FIELDS * p + VAR] + (this.state[FIELDS * p + MEAN] - mean) ** 2);
    }
    return { mean, var: v, held };
  }

  /** What a layer reads off the layer above: the state, with c^2 in place of t^2. */
  readAbove() {
    const { omega } = this.step;
    for (let p = 0; p < POINTS; p++) {
      const [at, free, w] = [FIELDS * p, 1 - omega[p], omega[p]];
      const { state, rows } = this;
      rows[at + MEAN] = state[at + MEAN];
      rows[at + VAR] = state[at + VAR];
      rows[at + T2] = free + w * state[at + T2];
      rows[at + T4] = 3 * free * free + 6 * free * w * state[at + T2] + w * w * state[at + T4];
      rows[at + TIE] = w * state[at + TIE];
      rows[at + HELD] = state[at + HELD];
    }
  }

  /** From the layer above to this one. */
  down() {
    this.readAbove();
    for (const p of this.seen) this.downAt(p);
  }

  downAt(p) {
    const { step, rows, state, normal, given } = this;
    const [pull, keep, fresh] = [step.pull[p], step.keep[p], step.fresh[p]];
    const toT2 = step.t2[p] / normal[8 * p + ANSWER_T2];
    const toT4 = (3 * step.t2[p] ** 2) / normal[8 * p + ANSWER_T4];
    const [gain0, gainVar0] = [normal[8 * p], normal[8 * p + 1]];
    const { total, apart, ahead, t2, own } = scratch;
    let [meanTotal, meanAhead, meanT2, meanT4, newVar, held] = [0, 0, 0, 0, 0, 0];
    for (let n = 0; n < 3; n++) {
      let [mean, v, c2, c4, tie, kept] = [0, 0, 0, 0, 0, 0];
      const base = 3 * p + n;
      for (let k = 0, at = FIELDS * step.first[base]; k < STENCIL; k++, at += FIELDS) {
        const share = step.share[6 * base + k];
        mean += share * rows[at];
        v += share * rows[at + 1];
        c2 += share * rows[at + 2];
        c4 += share * rows[at + 3];
        tie += share * rows[at + 4];
        kept += share * rows[at + 5];
      }
      c2 = Math.max(c2, LEAST);
      answer(pull, keep, fresh, c2, c4, given, 0);
      const gain = given[0] - gain0;
      t2[n] = toT2 * given[3];
      ahead[n] = mean;
      total[n] = mean + step.logY[base] + gain;
      own[n] = toT2 * given[6] + (1 - toT2) * given[3] + toT2 * given[4] * tie;
      meanTotal += RULE[n] * total[n];
      meanAhead += RULE[n] * ahead[n];
      meanT2 += RULE[n] * t2[n];
      meanT4 += RULE[n] * toT4 * given[5];
      newVar += RULE[n] * (v + step.rest[p] + given[1] - gainVar0 + 2 * given[2] * tie);
      held += RULE[n] * (gain + (kept * keep * c2) / (keep * c2 + fresh + LEAST));
    }
    const newT2 = Math.max(meanT2, LEAST);
    let newTie = 0;
    for (let n = 0; n < 3; n++) {
      apart[n] = total[n] - meanTotal;
      newVar += RULE[n] * apart[n] ** 2;
      newTie += RULE[n] * (own[n] + step.t2X[3 * p + n] * t2[n] * (ahead[n] - meanAhead) + (t2[n] - newT2) * apart[n]);
    }
    const at = FIELDS * p;
    state[at + MEAN] = meanTotal;
    state[at + VAR] = Math.max(newVar, 0);
    state[at + T2] = newT2;
    state[at + T4] = Math.max(meanT4, (1 + FLAT) * newT2 ** 2);
    state[at + TIE] = newTie;
    state[at + HELD] = step.rough[p] + held;
  }
}

const [ANSWER_T2, ANSWER_T4] = [3, 5];
const scratch = Object.fromEntries(["total", "apart", "ahead", "t2", "own"].map((key) => [key, new Float64Array(3)]));

/**
 * Response to a c^2 of this mean and mean square, by the two-point rule of a gamma variable. Written from `at` on: the
 * gain's mean, variance and slope; the mean of t^2 and its slope; the mean of t^4; the covariance of gain and t^2.
 */
function answer(pull, keep, fresh, mean, square, into, at) {
  const shape = mean ** 2 / Math.max(square - mean ** 2, FLAT * mean ** 2);
  const scale = mean / shape;
  const root = Math.sqrt(1 + shape);
  let [gain, gain2, gainSlope, t2, t2Slope, t4, joint] = [0, 0, 0, 0, 0, 0, 0];
  for (let sign = -1; sign <= 1; sign += 2) {
    const steep = sign / (2 * root);
    const c2 = scale * (root * root + sign * root);
    const c2Slope = scale * (1 + steep);
    const weight = (1 - sign / root) / 2;
    const weightSlope = steep / (root * root) / 2;
    const growth = 1 + pull * (c2 - 1);
    const log = Math.log(growth);
    const kept = (keep * c2) / growth;
    const gained = fresh / growth;
    const both = kept + gained;
    gain += weight * log;
    gain2 += weight * log * log;
    gainSlope += (pull / growth) * c2Slope * weight + log * weightSlope;
    t2 += weight * both;
    t2Slope += ((keep - pull * both) / growth) * c2Slope * weight + both * weightSlope;
    t4 += weight * (kept * kept + 6 * kept * gained + 3 * gained * gained);
    joint += weight * log * both;
  }
  into[at] = gain;
  into[at + 1] = gain2 - gain * gain;
  into[at + 2] = gainSlope / scale;
  into[at + 3] = t2;
  into[at + 4] = t2Slope / scale;
  into[at + 5] = t4;
  into[at + 6] = joint - gain * t2;
}
