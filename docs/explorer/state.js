// What the reader has chosen, and the address's hash that holds the whole of it.

import { activationNames, formatNames, weightNames } from "./tables.js";

export const BOUNDS = { sigmaW: [0.05, 20], sigmaB: [0, 5], depth: [2, 1000], width: [16, 4096], seed: [1, 999999] };
export const DEFAULT = {
  activation: "tanh",
  sigmaW: 1.5,
  sigmaB: 0.1,
  depth: 50,
  width: 256,
  format: "float16",
  weights: "gaussian",
  seed: 1,
};
const NAMES = { sigmaW: "sigma_w", sigmaB: "sigma_b" };
const WHOLE = ["depth", "width", "seed"];

/** A number within its bounds, or the default where there is none. */
export function bounded(key, value) {
  const number = Number(value);
  if (value === "" || value === null || !Number.isFinite(number)) return DEFAULT[key];
  const [low, high] = BOUNDS[key];
  const inside = Math.min(Math.max(number, low), high);
  return WHOLE.includes(key) ? Math.round(inside) : Number(inside.toPrecision(10));
}

/** The numbers of a choice that lie beyond their bounds, by their names. */
export function beyond(choice) {
  return Object.entries(BOUNDS)
    .filter(([key, [low, high]]) => choice[key] !== "" && (Number(choice[key]) < low || Number(choice[key]) > high))
    .map(([key]) => key);
}

/** The state that a hash describes; what it leaves out, or misspells, has its default. Its numbers may lie beyond their bounds. */
export function fromHash(hash) {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  const choices = { activation: activationNames(), format: formatNames(), weights: weightNames() };
  const state = {};
  for (const key of Object.keys(DEFAULT)) {
    const value = asked.get(NAMES[key] ?? key);
    if (key in choices) state[key] = choices[key].includes(value) ? value : DEFAULT[key];
    else state[key] = value === null || value === "" || !Number.isFinite(Number(value)) ? DEFAULT[key] : Number(value);
  }
  return state;
}

export function toHash(state) {
  return `#${new URLSearchParams(Object.keys(DEFAULT).map((key) => [NAMES[key] ?? key, String(state[key])]))}`;
}
