// The page: controls, pictures, results in words, and the worker's measured network.

import { Diagram } from "./diagram.js";
import { leastSigmaB, madeCritical } from "./critical.js";
import { chi1, phase, qStar, settlingDepth } from "./fixed_points.js";
import { depthLimit, passLimit } from "./formats.js";
import { FRAMEWORKS, initialiser } from "./initialisers.js";
import { lawParts } from "./laws.js";
import { drawProfile } from "./profile.js";
import { BOUNDS, beyond, bounded, fromHash, toHash } from "./state.js";
import { activation, activationNames, formatNames, load, weightNames } from "./tables.js";
import { DECLINES, WEIGHTS, beyondInWords, digits, firstKnown, keptOf, percent, powerOfTen, settlingInWords, summary, title } from "./words.js";

const MOST_WEIGHTS = 12e6;
const PART = 16; // milliseconds after which the laws of a deep network let the page answer
const [RUN_WIDTH, RUN_DEPTH] = [256, 300];
const WAIT = 150;

const $ = (id) => document.getElementById(id);
let state = null;
let run = null;
let found = null;

/** What a state's signal and gradient settle at. */
function settledOf({ activation: name, sigmaW, sigmaB }) {
  return { chi: chi1(name, sigmaW, sigmaB), phase: phase(name, sigmaW, sigmaB), q: qStar(name, sigmaW, sigmaB) };
}

/** What a generator returns, run in tasks of a few milliseconds each; null if by then `isWanted` says no. */
async function inTasks(parts, isWanted) {
  for (;;) {
    for (const end = performance.now() + PART; performance.now() < end; ) {
      const { done, value } = parts.next();
      if (done) return value;
    }
    await new Promise((go) => setTimeout(go));
    if (!isWanted()) return null;
  }
}

/** The layers lost in each number format. */
function limitsOf(choice, { chi, phase: side }, laws) {
  return formatNames().map((dtype) => ({
    dtype,
    ...passLimit(choice, laws, dtype, choice.width),
    power: side === 0 ? null : depthLimit(Math.sqrt(chi), dtype),
  }));
}

/** Show a state: compute, draw, and write it into the address. The laws of deep networks follow, a few tasks later. */
export function show(choice) {
  const next = Object.fromEntries(
    Object.entries(choice).map(([key, value]) => [key, key in BOUNDS ? bounded(key, value) : value]),
  );
  tell(beyond(choice), next);
  const isNew = !state || toHash({ ...next, format: "" }) !== toHash({ ...state, format: "" });
  state = next;
  if (isNew) run = null;
  found = settledOf(state);
  controls();
  diagram.draw(state);
  settled();
  history.replaceState(null, "", toHash(state));
  document.documentElement.dataset.busy = "true";
  ready = profile();
  if (isNew) measure();
}

let ready = null; // settles once the laws of the last state stand, or another state is shown

/** The second half of `show`: the laws, their picture, and what is said of them. */
async function profile() {
  const mine = found;
  const laws = await inTasks(lawParts(state, state.depth, state.width), () => found === mine);
  if (laws === null) return;
  found = { ...mine, laws, limits: limitsOf(state, mine, laws) };
  drawProfile($("profile"), state, found.laws, run);
  results();
  delete document.documentElement.dataset.busy;
}

/** Say of each number that was asked for beyond its bounds what stands in its place. */
function tell(keys, shown) {
  for (const key of Object.keys(SLIDERS)) $(key).setAttribute("aria-invalid", String(keys.includes(key)));
  $("beyond").textContent = keys.map((key) => beyondInWords(key, BOUNDS[key], shown[key])).join(" ");
}

function change(changes) {
  show({ ...state, ...changes });
}

const SLIDERS = {
  sigmaW: [(x) => x, (x) => Number(x)],
  sigmaB: [(x) => x, (x) => Number(x)],
  depth: [(x) => Math.log2(x), (x) => Math.round(2 ** x)],
  width: [(x) => Math.log2(x), (x) => Math.round(2 ** x)],
};

function controls() {
  for (const key of ["activation", "weights", "format"]) $(key).value = state[key];
  for (const [key, [toSlider]] of Object.entries(SLIDERS)) {
    if (document.activeElement !== $(key)) $(key).value = state[key];
    $(`${key}-slider`).value = toSlider(state[key]);
  }
}

/** What the signal and the gradient settle at, and the code, in words and numbers. */
function settled() {
  const { chi, q } = found;
  $("chi").textContent = digits(chi);
  $("factor").textContent = digits(Math.sqrt(chi));
  $("q").textContent = q === 0 ? "0 (shrinks without end)" : q === Infinity ? "infinite (grows without end)" : digits(q);
  $("settling").textContent = settlingInWords(q, settlingDepth(state.activation, state.sigmaW, state.sigmaB));
  const picture = `Phase diagram of ${title(state.activation)}. The point is at sigma_w ${digits(state.sigmaW)}, sigma_b ${digits(state.sigmaB)}.`;
  $("diagram").setAttribute("aria-label", `${picture} Arrow keys move it by 0.01, with Shift by 0.1.`);
  code();
}

/** The laws in words and numbers. */
function results() {
  const { laws, limits } = found;
  $("summary").textContent = summary(state, found);
  const declines = firstKnown(laws) > 0;
  const decades = (log) => digits(log / Math.LN10);
  $("size").textContent = declines ? DECLINES : `${decades(laws.mean[0])} ± ${decades(laws.std[0])}`;
  $("infinite").textContent = decades(laws.infinite[0]);
  $("kept").textContent = percent(keptOf(laws));
  $("limits").replaceChildren(...limits.map((limit) => row(limit, laws)));
  $("profile").setAttribute("aria-label", `Gradient over the layers. ${$("summary").textContent}`);
}

function row({ dtype, forward, backward, power }, laws) {
  const from = firstKnown(laws);
  const layer = backward === null ? null : state.depth - backward;
  let back = layer === null ? "kept" : `layer ${layer} (${backward} below the top)`;
  if (from > 0 && (layer === null || layer <= from)) back = DECLINES;
  const cells = [forward === null ? "kept" : `layer ${forward}`, back, power === null ? "never" : `${power.toLocaleString("en")} layers`];
  const line = document.createElement("tr");
  if (dtype === state.format) line.className = "chosen";
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = dtype + (dtype === state.format ? " (chosen)" : "");
  line.append(head, ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  return line;
}

function code() {
  const framework = document.querySelector("input[name=framework]:checked").value;
  $("code").textContent = initialiser(framework, state);
}

/** Move to the nearest critical network, and say what was done. */
function makeCritical() {
  const name = title(state.activation);
  const made = madeCritical(state.activation, state.sigmaB);
  if (made === null) {
    const least = leastSigmaB(state.activation);
    const reason = Number.isNaN(least) ? "none with sigma_b up to 4 keeps a signal of stable size" : "inputs of unit size never settle there";
    $("made").textContent = `No critical scale exists for ${name}: ${reason}. Nothing was changed.`;
    return;
  }
  const words = {
    same: `Critical at sigma_w = ${digits(made.sigmaW, 6)} with this sigma_b.`,
    unbiased: `With these biases ${name} has no stable critical scale. Without biases it has one: sigma_w = ${digits(made.sigmaW, 6)}, sigma_b = 0.`,
    biased: `${title(name)} is critical only with biases, from sigma_b = ${digits(made.least ?? 0)} on: sigma_w = ${digits(made.sigmaW, 6)}, sigma_b = ${digits(made.sigmaB)}.`,
  };
  change({ sigmaW: made.sigmaW, sigmaB: made.sigmaB });
  const drift = "Here the squared gradient's factor tends to 1 only as the signal dies away, so the gradient still changes by a power of the depth.";
  $("made").textContent = made.q === 0 ? `${words[made.why]} ${drift}` : words[made.why];
}

/** The measured network's size: the chosen one where it can be drawn in about a second. */
export function runSize({ depth, width }) {
  const layers = Math.min(depth, RUN_DEPTH);
  return { depth: layers, width: Math.min(width, RUN_WIDTH, Math.floor(Math.sqrt(MOST_WEIGHTS / layers))) };
}

let worker = null;
let waiting = null;
let id = 0;

function measure() {
  clearTimeout(waiting);
  id += 1; // an answer still on its way is of another network
  worker?.terminate();
  $("run").textContent = "Drawing a network …";
  waiting = setTimeout(() => {
    worker = new Worker(URL.createObjectURL(new Blob([$("worker").textContent], { type: "text/javascript" })));
    worker.onmessage = ({ data }) => data.id === id && arrived(data);
    const { scalable, degree } = activation(state.activation);
    const { activation: name, sigmaW, sigmaB, weights, seed } = state;
    worker.postMessage({ id, net: { activation: name, scalable, degree, sigmaW, sigmaB, weights, seed, ...runSize(state) } });
  }, WAIT);
}

async function arrived(data) {
  const { net } = data;
  const isWanted = () => data.id === id;
  while (!found.laws) await ready;
  const capped = net.depth !== state.depth || net.width !== state.width;
  const laws = capped ? await inTasks(lawParts(state, net.depth, net.width), isWanted) : found.laws;
  if (laws === null || !isWanted()) return;
  run = { ...data, capped, laws };
  if (found.laws) drawProfile($("profile"), state, found.laws, run); // otherwise they are on their way
  const size = capped ? `, drawn with ${net.depth} layers of width ${net.width} (dotted: the law of this size)` : "";
  if (data.logGrad === null) {
    $("run").textContent = `Network ${net.seed}${size}: its signal left even float64 at layer ${data.lost}, so it has no gradient.`;
    return;
  }
  const ratio = (data.logGrad[0] - run.laws.mean[0]) / run.laws.std[0];
  const apart = Number.isFinite(ratio) && Number.isFinite(run.laws.std[0]) ? `, ${digits(Math.abs(ratio), 2)} standard deviations ${ratio < 0 ? "below" : "above"} its law` : "";
  const value = data.logGrad[0] === -Infinity ? "0: no unit of some layer was active" : powerOfTen(data.logGrad[0], 4);
  $("run").textContent = `Network ${net.seed}${size}: the gradient of layer 1 over that of the top is ${value}${apart}.`;
}

async function copy(text, told) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  $("copied").textContent = `${told} copied.`;
}

function fill(select, names, words) {
  select.replaceChildren(...names.map((name) => new Option(words(name), name)));
}

function listen() {
  for (const key of ["activation", "weights", "format"]) {
    $(key).addEventListener("change", () => change({ [key]: $(key).value }));
  }
  for (const [key, [, fromSlider]] of Object.entries(SLIDERS)) {
    $(key).addEventListener("input", () => $(key).value !== "" && change({ [key]: $(key).value }));
    $(key).addEventListener("blur", () => ($(key).value = state[key]));
    $(`${key}-slider`).addEventListener("input", () => change({ [key]: fromSlider($(`${key}-slider`).value) }));
  }
  for (const radio of document.querySelectorAll("input[name=framework]")) radio.addEventListener("change", code);
  $("critical").addEventListener("click", makeCritical);
  $("another").addEventListener("click", () => change({ seed: (state.seed % BOUNDS.seed[1]) + 1 }));
  $("copy-code").addEventListener("click", () => copy($("code").textContent, "Code"));
  $("copy-link").addEventListener("click", () => copy(location.href, "Link"));
  window.addEventListener("hashchange", () => show(fromHash(location.hash)));
  const again = () => {
    diagram.draw(state);
    if (found.laws) drawProfile($("profile"), state, found.laws, run);
  };
  window.addEventListener("resize", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}

load(JSON.parse($("tables").textContent));
fill($("activation"), activationNames(), title);
fill($("weights"), weightNames(), (name) => WEIGHTS[name]);
fill($("format"), formatNames(), (name) => name);
$("frameworks").append(
  ...Object.entries(FRAMEWORKS).map(([key, name], at) => {
    const label = document.createElement("label");
    label.append(Object.assign(document.createElement("input"), { type: "radio", name: "framework", value: key, checked: at === 0 }), ` ${name}`);
    return label;
  }),
);
const diagram = new Diagram($("heat"), $("diagram"), (sigmaW, sigmaB) => {
  $("made").textContent = "";
  change({ sigmaW, sigmaB });
});
listen();
show(fromHash(location.hash));
document.documentElement.dataset.ready = "true";
