// Phase diagram: chi_1 over sigma_w and sigma_b, the critical line, the names of the areas, and a point to drag.

import { critical } from "./critical.js";
import { chi1 } from "./fixed_points.js";
import { BOUNDS } from "./state.js";
import { axes, svg } from "./svg.js";

const [COLUMNS, ROWS] = [60, 40];
const [LEFT, RIGHT, TOP, BOTTOM] = [48, 14, 12, 44];
const JUMP = 0.02;
const SLICE = 8; // milliseconds of work on a new grid before the page is let go
const grids = new Map();

/** Largest sigma_w and sigma_b to show: the unbiased critical scale well inside, and the point. */
export function reachOf(state) {
  const scales = critical(state.activation, 0).map((each) => each.sigmaW);
  const wanted = Math.max(4, 1.4 * Math.min(...scales.filter((scale) => scale < 14), 10));
  const most = scales.length ? wanted : 4;
  return {
    sigmaW: Math.min(Math.max(Math.ceil(most), Math.ceil(state.sigmaW * 1.05)), BOUNDS.sigmaW[1]),
    sigmaB: Math.min(Math.max(3, Math.ceil(state.sigmaB * 1.05)), BOUNDS.sigmaB[1]),
  };
}

/** ln chi_1 on a grid from (0.05, 0) to the reach, and where it changes its sign between neighbours, row by row. */
function* gridOf(activation, reach) {
  const low = BOUNDS.sigmaW[0];
  const w = Array.from({ length: COLUMNS }, (_, i) => low + ((reach.sigmaW - low) * i) / (COLUMNS - 1));
  const b = Array.from({ length: ROWS }, (_, j) => (reach.sigmaB * j) / (ROWS - 1));
  const at = (sigmaW, sigmaB) => Math.log(chi1(activation, sigmaW, sigmaB));
  const logs = [];
  for (const sigmaB of b) {
    logs.push(w.map((sigmaW) => at(sigmaW, sigmaB)));
    yield;
  }
  return { w, b, logs, segments: yield* segments(w, b, logs, at) };
}

/** Pieces of the lines on which chi_1 passes through 1, or jumps over it, one or two in each cell of the grid. */
function* segments(w, b, logs, at) {
  const kept = new Map();
  const crossing = (i, j, k, l) => {
    const id = `${i} ${j} ${k} ${l}`;
    if (!kept.has(id)) kept.set(id, crossed([w[i], b[j]], [w[k], b[l]], logs[j][i], logs[l][k], at));
    return kept.get(id);
  };
  const found = [];
  for (let j = 0; j + 1 < b.length; j++) {
    for (let i = 0; i + 1 < w.length; i++) {
      const edges = [[i, j, i + 1, j], [i, j, i, j + 1], [i + 1, j, i + 1, j + 1], [i, j + 1, i + 1, j + 1]];
      const points = edges.map((edge) => crossing(...edge)).filter((each) => each !== null);
      for (let k = 0; k + 1 < points.length; k += 2) found.push([points[k], points[k + 1]]);
    }
    yield;
  }
  return found;
}

/** Point between two at which ln chi_1 changes its sign, by bisection; null if it does not. */
function crossed(from, to, low, high, at) {
  if (!(low * high < 0) && !(low < 0 && high === 0) && !(low === 0 && high < 0)) return null;
  let [a, c, atA, atC] = [0, 1, low, high];
  const place = (share) => [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])];
  for (let step = 0; step < 14; step++) {
    const middle = (a + c) / 2;
    const value = at(...place(middle));
    if (value < 0 === atA < 0) [a, atA] = [middle, value];
    else [c, atC] = [middle, value];
  }
  return { place: place((a + c) / 2), jump: Math.abs(atC - atA) > JUMP };
}

/** A place for words of a half size in pixels: the grid's point of one sign that is farthest from all others and the frame. */
function farthest({ w, b, logs }, isIn, box, half) {
  const [dx, dy] = [(box.right - box.left) / COLUMNS / half[0], (box.bottom - box.top) / ROWS / half[1]];
  let [best, found] = [0, null];
  for (let j = 2; j < ROWS; j += 3) {
    for (let i = 3; i < COLUMNS; i += 3) {
      if (!isIn(logs[j][i])) continue;
      let near = Math.min(j * dy, (ROWS - 1 - j) * dy, i * dx, (COLUMNS - 1 - i) * dx);
      for (let l = 0; l < ROWS && near > best; l += 2) {
        for (let k = 0; k < COLUMNS; k += 2) {
          if (!isIn(logs[l][k])) near = Math.min(near, Math.max(Math.abs(k - i) * dx, Math.abs(l - j) * dy));
        }
      }
      if (near > best) [best, found] = [near, [w[i], b[j]]];
    }
  }
  return best >= 1 ? found : null;
}

export class Diagram {
  /** `moved` is called with sigma_w and sigma_b whenever the point is dragged. */
  constructor(canvas, overlay, moved) {
    Object.assign(this, { canvas, overlay, moved, drawn: "" });
    overlay.addEventListener("pointerdown", (event) => this.drag(event, true));
    overlay.addEventListener("pointermove", (event) => this.drag(event, false));
    for (const end of ["pointerup", "pointercancel"]) overlay.addEventListener(end, () => (this.held = false));
    overlay.addEventListener("keydown", (event) => this.key(event));
  }

  drag(event, begins) {
    if (begins) {
      this.held = true;
      this.overlay.setPointerCapture(event.pointerId);
      this.overlay.focus();
    }
    if (!this.held) return;
    event.preventDefault();
    const place = this.overlay.getBoundingClientRect();
    const { box, reach } = this;
    const across = (event.clientX - place.left - box.left) / (box.right - box.left);
    const up = (box.bottom - (event.clientY - place.top)) / (box.bottom - box.top);
    const inside = (share) => Math.min(Math.max(share, 0), 1);
    this.moved(inside(across) * reach.sigmaW, inside(up) * reach.sigmaB);
  }

  key(event) {
    const step = event.shiftKey ? 0.1 : 0.01;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    this.moved(this.state.sigmaW + step * move[0], this.state.sigmaB + step * move[1]);
  }

  draw(state) {
    const { width, height } = this.overlay.getBoundingClientRect();
    const box = { left: LEFT, right: Math.max(width, 240) - RIGHT, top: TOP, bottom: Math.max(height, 180) - BOTTOM };
    const reach = this.held ? this.reach : reachOf(state);
    Object.assign(this, { state, reach, box });
    const style = getComputedStyle(this.canvas);
    const colours = ["--ground", "--vanish", "--explode"].map((name) => style.getPropertyValue(name).trim());
    const id = [state.activation, reach.sigmaW, reach.sigmaB, width, height, ...colours].join(" ");
    if (id !== this.drawn) {
      this.drawn = id;
      clearTimeout(this.later);
      const key = `${state.activation} ${reach.sigmaW} ${reach.sigmaB}`;
      this.background(grids.get(key), box, colours);
      if (!grids.has(key)) this.work(gridOf(state.activation, reach), (grid) => {
        grids.set(key, grid);
        this.background(grid, box, colours);
        this.point.setAttribute("transform", this.transform());
      });
    }
    this.point.setAttribute("transform", this.transform());
  }

  /** Work in slices, so that the page answers meanwhile, until the generator is `done`; another background ends it. */
  work(generator, done) {
    this.overlay.setAttribute("aria-busy", "true");
    const slice = () => {
      const began = performance.now();
      while (performance.now() - began < SLICE) {
        const next = generator.next();
        if (next.done) return done(next.value);
      }
      this.later = setTimeout(slice);
    };
    this.later = setTimeout(slice);
  }

  transform() {
    const at = this.placeOf(this.state.sigmaW, this.state.sigmaB);
    return `translate(${at[0]} ${at[1]})`;
  }

  placeOf(sigmaW, sigmaB) {
    const { box, reach } = this;
    const across = Math.min(sigmaW / reach.sigmaW, 1);
    const up = Math.min(sigmaB / reach.sigmaB, 1);
    return [box.left + across * (box.right - box.left), box.bottom - up * (box.bottom - box.top)];
  }

  /** Colours, lines and names, which do not depend on the point; the axes alone where the grid is still to come. */
  background(grid = { segments: [] }, box, colours) {
    this.colour(grid, box, colours);
    this.overlay.setAttribute("aria-busy", String(!grid.logs));
    const x = { low: 0, high: this.reach.sigmaW, at: (w) => this.placeOf(w, 0)[0], label: "σ_w, spread of the weights" };
    const y = { low: 0, high: this.reach.sigmaB, at: (b) => this.placeOf(0, b)[1], label: "σ_b, spread of the biases" };
    const lines = { false: "", true: "" };
    for (const ends of grid.segments) {
      const [from, to] = ends.map(({ place }) => this.placeOf(...place).map((each) => each.toFixed(1)).join(" "));
      lines[ends[0].jump || ends[1].jump] += `M${from}L${to}`;
    }
    this.point = svg("g", { class: "point" }, svg("circle", { r: 9 }), svg("circle", { r: 2.5, class: "heart" }));
    this.overlay.setAttribute("viewBox", `0 0 ${box.right + RIGHT} ${box.bottom + BOTTOM}`);
    this.overlay.replaceChildren(
      axes(box, x, y),
      svg("path", { class: "critical", d: lines.false }),
      svg("path", { class: "jump", d: lines.true }),
      ...(grid.logs ? this.names(grid) : []),
      this.point,
    );
  }

  names(grid) {
    const areas = [
      [(log) => log < -1e-6, "ordered", "gradients vanish"],
      [(log) => log > 1e-6, "chaotic", "gradients explode"],
    ];
    const found = [];
    for (const [isIn, name, meaning] of areas) {
      const whole = farthest(grid, isIn, this.box, [62, 24]);
      const place = whole ?? farthest(grid, isIn, this.box, [36, 14]);
      if (!place) continue;
      const [x, y] = this.placeOf(...place);
      const middle = { x, "text-anchor": "middle" };
      found.push(svg("text", { ...middle, y: whole ? y - 2 : y + 5, class: "area" }, name));
      if (whole) found.push(svg("text", { ...middle, y: y + 14 }, meaning));
    }
    return found;
  }

  colour(grid, box, [ground, vanish, explode]) {
    const { canvas } = this;
    canvas.width = COLUMNS;
    canvas.height = ROWS;
    if (!grid.logs) return;
    const low = this.placeOf(BOUNDS.sigmaW[0], 0)[0];
    const place = { left: low, top: box.top, width: box.right - low, height: box.bottom - box.top };
    for (const [key, value] of Object.entries(place)) canvas.style[key] = `${value}px`;
    const [mid, ...ends] = [ground, vanish, explode].map((hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)));
    const image = new ImageData(COLUMNS, ROWS);
    for (let j = 0; j < ROWS; j++) {
      for (let i = 0; i < COLUMNS; i++) {
        const log = grid.logs[j][i];
        const strength = Number.isNaN(log) ? 0 : Math.min(Math.abs(log) / 2, 1) ** 0.5;
        const end = ends[log < 0 ? 0 : 1];
        const at = 4 * ((ROWS - 1 - j) * COLUMNS + i);
        for (let k = 0; k < 3; k++) image.data[at + k] = mid[k] + strength * (end[k] - mid[k]);
        image.data[at + 3] = 255;
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }
}
