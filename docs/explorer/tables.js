// Tables that `python -m docs.explorer` writes: Gaussian expectations of every activation as Chebyshev series over ln q.

let all = null;
const decoded = new Map();

/** Take the tables from their JSON; called once, before anything else is asked. */
export function load(json) {
  all = json;
  decoded.clear();
}

export const activationNames = () => Object.keys(all.activations);
export const weightNames = () => Object.keys(all.weights);
export const formatNames = () => Object.keys(all.formats);
export const format = (name) => all.formats[name];
export const kurtosis = (weights) => all.weights[weights];
export const erfcSeries = () => all.erfc;

/** Facts of one activation, with its curves decoded when first asked for. */
export function activation(name) {
  if (!decoded.has(name)) {
    const { curves, ...facts } = all.activations[name];
    const read = {};
    for (const [key, text] of Object.entries(curves)) {
      read[key] = series(text, key.length === 1 ? all.grid.fine : all.grid.coarse);
    }
    decoded.set(name, { name, ...facts, curves: read });
  }
  return decoded.get(name);
}

/** Series of every panel: the count of its coefficients, then these, as whole numbers of seven bits a byte. */
function series(text, unit) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const panels = [];
  let at = 0;
  while (at < bytes.length) {
    const row = new Float64Array(bytes[at++]);
    for (let k = 0; k < row.length; k++) {
      let value = 0;
      let place = 1;
      for (; bytes[at] > 127; at++, place *= 128) value += (bytes[at] - 128) * place;
      value += bytes[at++] * place;
      row[k] = unit * (value % 2 === 0 ? value / 2 : -(value + 1) / 2);
    }
    panels.push(row);
  }
  return panels;
}

/** Value of a curve at ln q, its first and its second derivative; beyond the panels it is a power of q. */
export function curve(panels, logQ, into = [0, 0, 0]) {
  const { first, width } = all.grid;
  const inside = Math.min(Math.max(logQ, first), first + width * panels.length);
  const index = Math.min(Math.floor((inside - first) / width), panels.length - 1);
  const t = 2 * ((inside - first) / width - index) - 1;
  const row = panels[index];
  let [v, v1, s, s1, b, b1] = [0, 0, 0, 0, 0, 0];
  for (let k = row.length - 1; k >= 1; k--) {
    [b, b1] = [4 * s + 2 * t * b - b1, b];
    [s, s1] = [2 * v + 2 * t * s - s1, s];
    [v, v1] = [row[k] + 2 * t * v - v1, v];
  }
  const rate = 2 / width;
  const beyond = logQ - inside;
  const slope = beyond ? Math.round(2 * rate * (v + t * s - s1)) / 2 : rate * (v + t * s - s1);
  into[0] = (row.length ? row[0] : 0) + t * v - v1 + (beyond ? slope * beyond : 0);
  into[1] = slope;
  into[2] = beyond ? 0 : rate * rate * (2 * s + t * b - b1);
  return into;
}

/** Value of a Chebyshev series at t, from -1 to 1, by Clenshaw's sum. */
export function chebyshev(row, t) {
  const twice = 2 * t;
  let [v, v1] = [0, 0];
  for (let k = row.length - 1; k >= 1; k--) {
    const next = row[k] + twice * v - v1;
    v1 = v;
    v = next;
  }
  return (row.length ? row[0] : 0) + t * v - v1;
}

/** Value of a curve at ln q alone. */
export function value(panels, logQ) {
  const { first, width } = all.grid;
  if (!(logQ >= first && logQ < first + width * panels.length)) return curve(panels, logQ)[0];
  const index = Math.floor((logQ - first) / width);
  return chebyshev(panels[index], 2 * ((logQ - first) / width - index) - 1);
}
