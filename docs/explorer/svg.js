// Small helpers for pictures.

const SPACE = "http://www.w3.org/2000/svg";

/** An element of SVG with attributes and children (nodes or text). */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Round numbers that divide an interval into about `count` parts. */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? rough;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

/** Path through points; a point that is not finite breaks it. */
export function path(points) {
  let text = "";
  let open = false;
  for (const [x, y] of points) {
    const known = Number.isFinite(x) && Number.isFinite(y);
    if (known) text += `${open ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    open = known;
  }
  return text;
}

/** Axes with labels: `x` and `y` are { low, high, at, label, format? }, `at` maps a value to a place. */
export function axes(box, x, y) {
  const group = svg("g", { class: "axes" });
  const shown = (axis, value) => (axis.format ? axis.format(value) : String(value).replace("-", "\u2212"));
  for (const value of x.ticks ?? ticks(x.low, x.high, Math.max(2, Math.round((box.right - box.left) / 90)))) {
    group.append(svg("line", { x1: x.at(value), x2: x.at(value), y1: box.bottom, y2: box.bottom + 4 }));
    group.append(svg("text", { x: x.at(value), y: box.bottom + 17, "text-anchor": "middle" }, shown(x, value)));
  }
  for (const value of ticks(y.low, y.high, Math.max(2, Math.round((box.bottom - box.top) / 45)))) {
    group.append(svg("line", { x1: box.left - 4, x2: box.left, y1: y.at(value), y2: y.at(value) }));
    group.append(svg("text", { x: box.left - 7, y: y.at(value) + 4, "text-anchor": "end" }, shown(y, value)));
  }
  const frame = { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top };
  group.append(svg("rect", { ...frame, class: "frame" }));
  group.append(svg("text", { x: (box.left + box.right) / 2, y: box.bottom + 35, "text-anchor": "middle" }, x.label));
  const turn = `translate(13 ${(box.top + box.bottom) / 2}) rotate(-90)`;
  group.append(svg("text", { transform: turn, "text-anchor": "middle" }, y.label));
  return group;
}
