// Picture of the gradient over the layers: the law with its band, infinite width, a format's limits, and a measured run.

import { format } from "./tables.js";
import { axes, path, svg } from "./svg.js";
import { DECLINES, firstKnown } from "./words.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [58, 14, 12, 44];
const MOST = 1e6;
const LN10 = Math.LN10;

/** Lowest and highest power of ten to show: the bands and lines, 0, at least one power, and a margin. */
function rangeOf(rows) {
  let [low, high] = [0, 0];
  for (const row of rows) {
    for (const value of row) {
      if (!Number.isFinite(value) || Math.abs(value) > MOST) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  const missing = Math.max(1 - (high - low), 0) / 2;
  [low, high] = [low - missing, high + missing];
  const margin = 0.06 * (high - low);
  return [low - margin, high + margin];
}

/** Draw into an SVG element; `run` is a worker's answer with the law of its own size, or null. */
export function drawProfile(element, state, laws, run) {
  const { width, height } = element.getBoundingClientRect();
  const box = { left: LEFT, right: Math.max(width, 240) - RIGHT, top: TOP, bottom: Math.max(height, 180) - BOTTOM };
  const depth = state.depth;
  const from = firstKnown(laws);
  const decades = (values) => Array.from(values, (value) => value / LN10);
  const mean = decades(laws.mean).fill(NaN, 0, from);
  const low = mean.map((value, l) => value - laws.std[l] / LN10);
  const high = mean.map((value, l) => value + laws.std[l] / LN10);
  const infinite = decades(laws.infinite);
  const measured = run?.logGrad ? decades(run.logGrad) : [];
  const [least, most] = rangeOf([low, high, infinite, measured]);
  const x = { low: 1, high: depth, at: (l) => box.left + ((l - 1) / (depth - 1)) * (box.right - box.left) };
  const y = { low: least, high: most, at: (v) => box.bottom - ((v - least) / (most - least)) * (box.bottom - box.top) };
  const clamped = (v) => Math.min(Math.max(y.at(v), -1e4), 1e4);
  const line = (values, first = 1) => path(values.map((v, l) => [x.at(l + first), clamped(v)]));
  const clip = svg("clipPath", { id: "profile-clip" }, svg("rect", rectangle(box)));
  const inside = svg("g", { "clip-path": "url(#profile-clip)" }, ...limits(state.format, box, y));
  inside.append(svg("line", { class: "zero", x1: box.left, x2: box.right, y1: y.at(0), y2: y.at(0) }));
  const band = [...high.map((v, l) => [l, v]).slice(from), ...low.map((v, l) => [l, v]).slice(from).reverse()];
  inside.append(svg("path", { class: "band", d: `${path(band.map(([l, v]) => [x.at(l + 1), clamped(v)]))}Z` }));
  inside.append(svg("path", { class: "infinite", d: line(infinite) }));
  inside.append(svg("path", { class: "law", d: line(mean) }));
  if (run && run.capped) inside.append(svg("path", { class: "own", d: line(decades(run.laws.mean).fill(NaN, 0, firstKnown(run.laws)), depthOffset(run, depth)) }));
  inside.append(...markers(measured, x, y, depthOffset(run, depth), box));
  if (from > 0) inside.append(declined(box, x, from));
  x.ticks = layerTicks(depth, box);
  x.label = "layer (1 is next to the input)";
  y.label = "log₁₀ |gradient|, layer over top";
  element.setAttribute("viewBox", `0 0 ${box.right + RIGHT} ${box.bottom + BOTTOM}`);
  element.replaceChildren(clip, inside, axes(box, x, y));
}

/** A run of fewer layers is drawn from the top down. */
const depthOffset = (run, depth) => (run ? depth - run.net.depth + 1 : 1);

const rectangle = (box) => ({ x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top });

function layerTicks(depth, box) {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 250].find((each) => depth / each <= (box.right - box.left) / 60) ?? 250;
  const found = [1];
  for (let l = step; l <= depth; l += step) if (l > 1 && l - 1 >= step / 2) found.push(l);
  return found;
}

/** Where typical entries are 0 or infinite in a format, for a gradient whose entries at the top have size 1. */
function limits(name, box, y) {
  const { zero, overflow } = format(name);
  const found = [];
  const right = box.right - 6;
  for (const [edge, word] of [[zero / LN10, "zero"], [overflow / LN10, "infinite"]]) {
    const at = y.at(edge);
    if (at <= box.top + 2 || at >= box.bottom - 2) continue;
    const below = word === "zero";
    const size = { y: below ? at : box.top, height: below ? box.bottom - at : at - box.top };
    found.push(svg("rect", { class: "lost", x: box.left, width: box.right - box.left, ...size }));
    const place = { x: right, y: below ? Math.min(at + 14, box.bottom - 4) : at - 5, "text-anchor": "end", class: "note" };
    found.push(svg("text", place, `${word} in ${name}`));
  }
  return found;
}

function markers(values, x, y, first, box) {
  const step = Math.max(1, Math.ceil(values.length / ((box.right - box.left) / 7)));
  const found = [];
  for (let l = values.length - 1; l >= 0; l -= step) {
    const at = y.at(values[l]);
    if (Number.isFinite(at)) found.push(svg("circle", { class: "run", cx: x.at(l + first).toFixed(1), cy: at.toFixed(1), r: 2.6 }));
  }
  return found;
}

function declined(box, x, from) {
  const right = x.at(Math.max(from, 1));
  const place = { x: box.left + 8, y: box.top + 18, class: "note" };
  return svg(
    "g",
    {},
    svg("rect", { class: "declined", x: box.left, y: box.top, width: Math.max(right - box.left, 2), height: box.bottom - box.top }),
    svg("text", place, DECLINES),
  );
}
