"use strict";
// A small plotting kit in SVG: linear axes, bars, dots, steps. SVG follows the page's colours and prints sharp.

const PLOT = { height: 240, left: 52, right: 12, top: 10, bottom: 38 };

/** Round numbers covering [low, high], about `count` of them. */
function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw * (1 - 1e-9));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** [low, high] of the values and of `also`, with a margin, never empty. */
function extent(values, also = [], margin = 0.04) {
  const known = [...values.filter((value) => !absent(value)), ...also];
  const low = known.reduce((a, b) => Math.min(a, b), Infinity);
  const high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!(low <= high)) return [0, 1];
  const pad = high > low ? (high - low) * margin : Math.abs(high) * 0.1 || 1;
  return [low - pad, high + pad];
}

/**
 * An empty plot as wide as its host.
 * x, y: { range, ticks, text(tick), label }. Returns { svg, x(value), y(value) } with both scales in pixels.
 */
function axes(host, x, y, height = PLOT.height) {
  const width = Math.max(host.clientWidth, 240);
  const svg = svgElement("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img" });
  const right = width - PLOT.right;
  const bottom = height - PLOT.bottom;
  const scale = (range, from, to) => (value) => from + ((value - range[0]) / (range[1] - range[0])) * (to - from);
  const plot = { svg, width, left: PLOT.left, right, top: PLOT.top, bottom,
    x: scale(x.range, PLOT.left, right), y: scale(y.range, bottom, PLOT.top) };
  for (const tick of y.ticks) drawTickY(plot, plot.y(tick), y.text(tick));
  for (const tick of x.ticks) drawTickX(plot, plot.x(tick), x.text(tick));
  drawLabels(plot, x.label, y.label, height);
  return plot;
}

function drawTickY(plot, y, text) {
  plot.svg.append(
    svgElement("line", { class: "grid-line", x1: plot.left, x2: plot.right, y1: y, y2: y }),
    svgElement("text", { x: plot.left - 6, y: y + 4, "text-anchor": "end" }, text),
  );
}

function drawTickX(plot, x, text) {
  plot.svg.append(svgElement("text", { x, y: plot.bottom + 15, "text-anchor": "middle" }, text));
}

function drawLabels(plot, xLabel, yLabel, height) {
  const middle = (plot.left + plot.right) / 2;
  plot.svg.append(svgElement("text", { x: middle, y: height - 5, "text-anchor": "middle" }, xLabel));
  if (!yLabel) return;
  const y = (plot.top + plot.bottom) / 2;
  plot.svg.append(svgElement("text",
    { x: 11, y, "text-anchor": "middle", transform: `rotate(-90 11 ${y})` }, yLabel));
}

/** A straight line between two points given in data units. */
function segment(plot, name, [x1, y1], [x2, y2]) {
  plot.svg.append(svgElement("line",
    { class: name, x1: plot.x(x1), y1: plot.y(y1), x2: plot.x(x2), y2: plot.y(y2) }));
}

/** A bar from zero to `value`, between from and to on the x axis, blue above zero and orange below. */
function bar(plot, from, to, value, gain, text) {
  const zero = plot.y(0);
  const end = plot.y(value);
  const rect = svgElement("rect", { class: gain ? "gain" : "loss", x: plot.x(from) + 0.5, y: Math.min(zero, end),
    width: Math.max(plot.x(to) - plot.x(from) - 1, 0.5), height: Math.abs(end - zero) });
  rect.addEventListener("pointermove", (event) => tip.show(event, text));
  rect.addEventListener("pointerleave", () => tip.hide());
  plot.svg.append(rect);
}

/**
 * A dot per point { x, y, gain, text, choose }. All dots of a colour are one path, a zero-length stroke each, because
 * thousands of elements would make the page slow; the pointer finds the nearest by distance.
 */
function dots(plot, points) {
  const placed = points.map((point) => ({ ...point, left: plot.x(point.x), top: plot.y(point.y) }));
  for (const gain of [true, false]) {
    const d = placed.filter((p) => p.gain === gain).map((p) => `M${p.left.toFixed(1)} ${p.top.toFixed(1)}h0`).join("");
    const size = points.length < 150 ? "few" : "many";
    plot.svg.append(svgElement("path", { class: `dots ${size} ${gain ? "gain" : "loss"}`, d }));
  }
  followPointer(plot, placed);
}

function followPointer(plot, placed) {
  const halo = svgElement("circle", { class: "halo", r: 5, visibility: "hidden" });
  plot.svg.append(halo);
  plot.svg.addEventListener("pointermove", (event) => {
    const point = nearest(plot, placed, event);
    if (!point) return hide();
    furnish(halo, { cx: point.left, cy: point.top, visibility: "visible" }, []);
    tip.show(event, point.text);
  });
  const hide = () => { halo.setAttribute("visibility", "hidden"); tip.hide(); };
  plot.svg.addEventListener("pointerleave", hide);
  plot.svg.classList.toggle("choosable", placed.some((point) => point.choose));
  plot.svg.addEventListener("click", (event) => nearest(plot, placed, event)?.choose?.());
}

/** The point within 14 pixels of the pointer that is closest to it. */
function nearest(plot, placed, event) {
  const box = plot.svg.getBoundingClientRect();
  const scale = plot.width / box.width;
  const left = (event.clientX - box.left) * scale;
  const top = (event.clientY - box.top) * scale;
  const distance = (point) => Math.hypot(point.left - left, point.top - top);
  let best = null;
  let least = 14;
  for (const point of placed) {
    const far = distance(point);
    if (far < least) [best, least] = [point, far];
  }
  return best;
}

/** A stepped line through one value per whole number of the x axis. Gaps where a value is missing. */
function steps(plot, values) {
  const path = values.map((value, i) => absent(value) ? ""
    : `${i === 0 || absent(values[i - 1]) ? "M" : "L"}${plot.x(i - 0.5)} ${plot.y(value)}H${plot.x(i + 0.5)}`).join("");
  plot.svg.append(svgElement("path", { class: "step", d: path }));
}
