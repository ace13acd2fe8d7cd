// The activations of the table: phi and its derivative, as vgtheory.activations.nonlinearities has them.

const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.6732632423543772;
const RATE = 1.5957691216057308;
const CUBIC = 0.044715;

const sigmoid = (h) => (h >= 0 ? 1 / (1 + Math.exp(-h)) : Math.exp(h) / (1 + Math.exp(h)));
const sigmoidSlope = (h) => {
  const decay = Math.exp(-Math.abs(h));
  return decay / (1 + decay) ** 2;
};
const softplus = (h) => Math.max(h, 0) + Math.log1p(Math.exp(-Math.abs(h)));
const clip = (h, low, high) => Math.min(Math.max(h, low), high);

/** Distribution function of a standard normal variable, to 1e-15: a continued fraction, and a series near 0. */
export function ndtr(x) {
  const size = Math.abs(x);
  if (size > 38) return x > 0 ? 1 : 0;
  const density = Math.exp((-size * size) / 2) / Math.sqrt(2 * Math.PI);
  let tail = 0;
  if (size > 3) {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / (size + fraction);
    tail = density / (size + fraction);
  } else {
    let [term, total] = [size, size];
    for (let k = 3; term > 1e-17 * total; k += 2) total += term *= (size * size) / k;
    tail = 0.5 - density * total;
  }
  return x > 0 ? 1 - tail : tail;
}
const normalDensity = (h) => Math.exp((-h * h) / 2) / Math.sqrt(2 * Math.PI);
const erf = (h) => 2 * ndtr(h * Math.SQRT2) - 1;

const mishSlope = (h) => {
  const e = Math.exp(-Math.abs(h));
  const right = (e ** 2 * (1 + e)) / (1 + 2 * e + 2 * e ** 2) ** 2;
  const left = (e * (1 + e)) / (2 + 2 * e + e ** 2) ** 2;
  return Math.tanh(softplus(h)) + 4 * h * (h > 0 ? right : left);
};
const tanhSlope = (h) => {
  const decay = Math.exp(-2 * Math.abs(h));
  return (4 * decay) / (1 + decay) ** 2;
};
const geluTanhSlope = (h) => {
  const inner = RATE * (h + CUBIC * h ** 3);
  return sigmoid(inner) + h * sigmoidSlope(inner) * RATE * (1 + 3 * CUBIC * h * h);
};

export const functions = {
  linear: { phi: (h) => h, dphi: () => 1 },
  relu: { phi: (h) => Math.max(h, 0), dphi: (h) => (h > 0 ? 1 : 0) },
  leaky_relu: { phi: (h) => (h > 0 ? h : 0.01 * h), dphi: (h) => (h > 0 ? 1 : 0.01) },
  tanh: { phi: Math.tanh, dphi: tanhSlope },
  erf: { phi: erf, dphi: (h) => (2 / Math.sqrt(Math.PI)) * Math.exp(-h * h) },
  sigmoid: { phi: sigmoid, dphi: sigmoidSlope },
  gelu: { phi: (h) => h * ndtr(h), dphi: (h) => ndtr(h) + h * normalDensity(h) },
  silu: { phi: (h) => h * sigmoid(h), dphi: (h) => sigmoid(h) + h * sigmoidSlope(h) },
  softplus: { phi: softplus, dphi: sigmoid },
  elu: { phi: (h) => (h > 0 ? h : Math.expm1(h)), dphi: (h) => (h > 0 ? 1 : Math.exp(h)) },
  selu: {
    phi: (h) => SELU_SCALE * (h > 0 ? h : SELU_ALPHA * Math.expm1(h)),
    dphi: (h) => SELU_SCALE * (h > 0 ? 1 : SELU_ALPHA * Math.exp(h)),
  },
  sin: { phi: Math.sin, dphi: Math.cos },
  hard_tanh: { phi: (h) => clip(h, -1, 1), dphi: (h) => (Math.abs(h) < 1 ? 1 : 0) },
  hard_sigmoid: { phi: (h) => clip(h + 3, 0, 6) / 6, dphi: (h) => (Math.abs(h) < 3 ? 1 / 6 : 0) },
  hard_swish: {
    phi: (h) => (h * clip(h + 3, 0, 6)) / 6,
    dphi: (h) => (Math.abs(h) < 3 ? (2 * h + 3) / 6 : h > 0 ? 1 : 0),
  },
  mish: { phi: (h) => h * Math.tanh(softplus(h)), dphi: mishSlope },
  softsign: { phi: (h) => h / (1 + Math.abs(h)), dphi: (h) => 1 / (1 + Math.abs(h)) ** 2 },
  arctan: { phi: Math.atan, dphi: (h) => 1 / (1 + h * h) },
  relu_squared: { phi: (h) => Math.max(h, 0) ** 2, dphi: (h) => 2 * Math.max(h, 0) },
  relu6: { phi: (h) => clip(h, 0, 6), dphi: (h) => (h > 0 && h < 6 ? 1 : 0) },
  abs: { phi: Math.abs, dphi: Math.sign },
  gaussian: { phi: (h) => Math.exp(-h * h), dphi: (h) => -2 * h * Math.exp(-h * h) },
  gelu_tanh: { phi: (h) => h * sigmoid(RATE * (h + CUBIC * h ** 3)), dphi: geluTanhSlope },
  cube: { phi: (h) => h ** 3, dphi: (h) => 3 * h * h },
};
