// One random network, run forward and backward in the log domain; the Web Worker runs this file after activations.js.
// Weights are N(0, sigma_w^2 / width) or of another kind of that variance, the input has unit mean square, and the
// gradient at the top is standard normal, as in vgtheory.measure.log_grad_layers.

import { functions } from "./activations.js";

const SHARE = 0.1;
const EDGE = 60;
const CUT = 2;
const CUT_STD = 0.8796256610342398;

/** Random numbers: xoshiro128** from a seed, uniform in (0, 1) and standard normal. */
export class Random {
  constructor(seed) {
    let x = seed >>> 0;
    this.words = Array.from({ length: 4 }, () => {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) >>> 0;
    });
    this.spare = null;
  }

  word() {
    const w = this.words;
    const mixed = Math.imul(w[1], 5);
    const found = Math.imul((mixed << 7) | (mixed >>> 25), 9) >>> 0;
    const shifted = w[1] << 9;
    w[2] ^= w[0];
    w[3] ^= w[1];
    w[1] ^= w[2];
    w[0] ^= w[3];
    w[2] ^= shifted;
    w[3] = (w[3] << 11) | (w[3] >>> 21);
    return found;
  }

  uniform() {
    return (this.word() + 0.5) / 4294967296;
  }

  normal() {
    if (this.spare !== null) {
      const kept = this.spare;
      this.spare = null;
      return kept;
    }
    for (;;) {
      const [x, y] = [2 * this.uniform() - 1, 2 * this.uniform() - 1];
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const radius = Math.sqrt((-2 * Math.log(square)) / square);
      this.spare = radius * y;
      return radius * x;
    }
  }

  /** An entry of mean 0 and variance 1. */
  entry(weights) {
    if (weights === "uniform") return Math.sqrt(3) * (2 * this.uniform() - 1);
    if (weights === "sparse") return this.uniform() < SHARE ? this.normal() / Math.sqrt(SHARE) : 0;
    if (weights !== "truncated_normal") return this.normal();
    for (;;) {
      const z = this.normal();
      if (Math.abs(z) < CUT) return z / CUT_STD;
    }
  }
}

/** A matrix of independent entries of variance 1 / width. */
class Independent {
  constructor(random, width, weights) {
    this.width = width;
    this.entries = new Float32Array(width * width);
    const scale = 1 / Math.sqrt(width);
    for (let k = 0; k < this.entries.length; k++) this.entries[k] = scale * random.entry(weights);
  }

  times(x) {
    const [out, { width, entries }] = [new Float64Array(x.length), this];
    for (let i = 0, at = 0; i < width; i++) {
      let total = 0;
      for (let j = 0; j < width; j++) total += entries[at++] * x[j];
      out[i] = total;
    }
    return out;
  }

  transposedTimes(g) {
    const [out, { width, entries }] = [new Float64Array(g.length), this];
    for (let i = 0, at = 0; i < width; i++) for (let j = 0; j < width; j++) out[j] += entries[at++] * g[i];
    return out;
  }
}

/** A Haar-distributed orthogonal matrix as a product of reflections, of which the k-th moves the last k entries. */
class Orthogonal {
  constructor(random, width) {
    this.last = random.uniform() < 0.5 ? -1 : 1;
    this.mirrors = [];
    for (let size = 2; size <= width; size++) {
      const v = Float64Array.from({ length: size }, () => random.normal());
      const sign = v[0] < 0 ? -1 : 1;
      v[0] += sign * norm(v);
      const length = norm(v);
      this.mirrors.push({ sign: -sign, v: v.map((each) => each / length) });
    }
  }

  reflect({ sign, v }, x) {
    const from = x.length - v.length;
    let along = 0;
    for (let k = 0; k < v.length; k++) along += v[k] * x[from + k];
    for (let k = 0; k < v.length; k++) x[from + k] = sign * (x[from + k] - 2 * along * v[k]);
  }

  times(x) {
    const out = Float64Array.from(x);
    out[out.length - 1] *= this.last;
    for (const mirror of this.mirrors) this.reflect(mirror, out);
    return out;
  }

  transposedTimes(g) {
    const out = Float64Array.from(g);
    for (let k = this.mirrors.length - 1; k >= 0; k--) this.reflect(this.mirrors[k], out);
    out[out.length - 1] *= this.last;
    return out;
  }
}

const rms = (x) => Math.sqrt(x.reduce((total, each) => total + each * each, 0) / x.length);

const norm = (x) => rms(x) * Math.sqrt(x.length);

function ofUnitSize(x) {
  const size = rms(x);
  return x.map((each) => each / size);
}

/**
 * ln |g_l| relative to the top and ln q_l at every layer of one network. `lost` is the layer, from 1, from which the
 * forward pass is no finite number even in double precision; null if it stays finite.
 */
export function measured({ activation, scalable, degree, sigmaW, sigmaB, weights, depth, width, seed }) {
  const { phi, dphi } = functions[activation];
  const random = new Random(seed);
  const [matrices, slopes, logQ] = [[], [], new Float64Array(depth)];
  const draw = () => (weights === "orthogonal" ? new Orthogonal(random, width) : new Independent(random, width, weights));
  let x = ofUnitSize(Float64Array.from({ length: width }, () => random.normal()));
  let scale = 0;
  for (let l = 0; l < depth; l++) {
    const matrix = draw();
    const bias = sigmaB * Math.exp(Math.min(-scale, EDGE));
    const h = matrix.times(x).map((each) => sigmaW * each + (sigmaB > 0 ? bias * random.normal() : 0));
    const grown = rms(h);
    logQ[l] = 2 * (Math.log(grown) + scale);
    if (!Number.isFinite(logQ[l]) && logQ[l] !== -Infinity) return { logGrad: null, logQ, lost: l + 1 };
    const isScaled = scalable && grown > 0;
    if (isScaled) scale += Math.log(grown);
    const unit = isScaled ? h.map((each) => each / grown) : h;
    const seen = degree === 1 ? 0 : Math.min(Math.max(scale, -EDGE), EDGE);
    const [there, back] = [Math.exp(seen), Math.exp(-seen)];
    x = unit.map((each) => phi(each * there) * back);
    matrices.push(matrix);
    slopes.push(unit.map((each) => dphi(each * there)));
  }
  return { logGrad: backward(random, matrices, slopes, sigmaW, width), logQ, lost: null };
}

/** ln |g_l| relative to the top: the gradient is brought to unit size at every layer, and the logs are summed. */
function backward(random, matrices, slopes, sigmaW, width) {
  const logs = new Float64Array(matrices.length);
  let g = ofUnitSize(Float64Array.from({ length: width }, () => random.normal()));
  for (let l = matrices.length - 2; l >= 0; l--) {
    const through = matrices[l + 1].transposedTimes(g).map((each, k) => sigmaW * each * slopes[l][k]);
    const size = rms(through);
    logs[l] = logs[l + 1] + Math.log(size);
    g = size > 0 ? ofUnitSize(through) : through;
  }
  return logs;
}
