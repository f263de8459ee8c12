"use strict";
// The small plots of a section. Each takes its host element and the section's data, and fills the host.

const percentAxis = (range, label, count = 5) =>
  ({ range, label, ticks: ticks(...range, count), text: (tick) => format.percent(tick, decimals(range)) });

/** Decimals that tell a percent axis's ticks apart. */
const decimals = ([low, high]) => (high - low < 0.01 ? 2 : high - low < 0.05 ? 1 : 0);

function plotYears(host, section) {
  const { year, total } = section.years;
  const y = percentAxis(extent(total, [0], 0.08), "");
  const every = Math.ceil(year.length / 16);
  const x = { range: [-0.5, year.length - 0.5], label: "", text: (i) => String(year[i]),
    ticks: year.map((_, i) => i).filter((i) => i % every === 0) };
  const plot = axes(host, x, y);
  total.forEach((value, i) => {
    if (!absent(value)) bar(plot, i - 0.38, i + 0.38, value, value >= 0, `${year[i]}: ${format.signed(value)}`);
  });
  segment(plot, "zero", [x.range[0], 0], [x.range[1], 0]);
  finish(host, plot, `Return per year, ${year[0]} to ${year.at(-1)}`);
}

function plotHistogram(host, section) {
  const { width, first, counts, mean, median } = section.histogram;
  const range = [first * width, (first + counts.length) * width];
  const y = extent(counts, [0], 0.06);
  const plot = axes(host, percentAxis(range, "net return of a trade", 7),
    { range: [0, y[1]], ticks: ticks(0, y[1], 5), text: (tick) => format.number(tick, 0), label: "trades" });
  counts.forEach((count, i) => {
    const from = (first + i) * width;
    bar(plot, from, from + width, count, first + i >= 0, binText(from, width, count, i, counts.length));
  });
  segment(plot, "mark", [mean, 0], [mean, y[1]]);
  plot.svg.append(svgElement("text", { class: "mark-label", x: plot.x(mean) + 5, y: plot.top + 9 },
    `mean ${format.signed(mean, 2)}, median ${format.signed(median, 2)}`));
  finish(host, plot, `Distribution of net returns: mean ${format.signed(mean, 2)}, median ${format.signed(median, 2)}`);
}

function binText(from, width, count, i, bins) {
  const digits = width < 0.001 ? 2 : 1;
  if (i === 0) return `below ${format.signed(from + width, digits)}: ${count} trades`;
  if (i === bins - 1) return `${format.signed(from, digits)} and above: ${count} trades`;
  return `${format.signed(from, digits)} to ${format.signed(from + width, digits)}: ${count} trades`;
}

/** The fraction of a bar by which a dot is set aside, so that trades of equal length do not cover each other. */
const jitter = (row) => ((row * 0.618034) % 1) * 0.7 - 0.35;

function plotHeld(host, section, choose) {
  const held = section.trades.bars_held;
  const high = held.reduce((a, b) => Math.max(a, b), 1);
  const x = { range: [0.4, high + 0.6], label: "bars held", text: String,
    ticks: ticks(1, Math.max(high, 2), Math.min(high, 10)).filter((tick) => Number.isInteger(tick) && tick <= high) };
  const plot = axes(host, x, percentAxis(extent(section.trades.return, [0]), "net return"));
  segment(plot, "zero", [x.range[0], 0], [x.range[1], 0]);
  dots(plot, tradePoints(section, choose, (row) => held[row] + jitter(row)));
  finish(host, plot, `Net return of ${held.length} trades by bars held`);
}

function plotExcursion(host, section, choose) {
  const { mae, return: net } = section.trades;
  const plot = axes(host, percentAxis(extent(mae, [0]), "worst moment while held (MAE)", 6),
    percentAxis(extent(net, [0]), "net return"));
  segment(plot, "zero", [extent(mae, [0])[0], 0], [extent(mae, [0])[1], 0]);
  dots(plot, tradePoints(section, choose, (row) => mae[row]));
  finish(host, plot, `Net return of ${net.length} trades by maximum adverse excursion`);
}

function tradePoints(section, choose, across) {
  const { symbol, entry_date: entry, return: net, exit_reason: reason } = section.trades;
  return net.map((value, row) => ({ x: across(row), y: value, gain: value > 0, choose: () => choose(row),
    text: `${symbol[row]}, entered ${format.date(entry[row])}\n${format.signed(value, 2)} (${reason[row]})` }))
    .filter((point) => !absent(point.x) && !absent(point.y));
}

function plotPromise(host, section) {
  const { split, in_sample: inside, out_of_sample: outside } = section.splits;
  const range = extent([...inside, ...outside], [0]);
  const axis = (label) => ({ range, label, ticks: ticks(...range, 6), text: (tick) => format.number(tick, 1) });
  const plot = axes(host, axis("Sharpe in sample"), axis("Sharpe out of sample"),
    Math.min(host.clientWidth, 520));
  segment(plot, "mark", [range[0], range[0]], [range[1], range[1]]);
  segment(plot, "zero", [range[0], 0], [range[1], 0]);
  segment(plot, "zero", [0, range[0]], [0, range[1]]);
  dots(plot, outside.map((value, i) => ({ x: inside[i], y: value, gain: value > 0,
    text: `split ${split[i]}\nin sample ${format.number(inside[i])}, out of sample ${format.number(value)}` }))
    .filter((point) => !absent(point.x) && !absent(point.y)));
  finish(host, plot, `Out-of-sample against in-sample Sharpe ratio of ${split.length} splits`);
}

/** One figure per parameter that ever changed; those that never did are named in a line. */
function plotParameters(host, section) {
  const { parameters, split } = section.splits;
  const changed = parameters.filter((p) => new Set(p.values).size > 1);
  const constant = parameters.filter((p) => !changed.includes(p));
  host.replaceChildren(...changed.map((parameter) => parameterPlot(host, parameter, split)));
  if (!constant.length && changed.length) return;
  const same = constant.map((p) => `${p.name.replaceAll("_", " ")} ${p.values[0]}`).join(", ");
  const text = constant.length ? `The same in every split: ${same}.`
    : "No parameter was searched: the defaults hold in every split.";
  host.append(element("p", { class: "muted" }, text));
}

function parameterPlot(host, { name, values }, split) {
  const levels = [...new Set(values)].filter((v) => !absent(v)).sort((a, b) => (a < b ? -1 : 1));
  // Levels stand at equal distances: a grid of 10, 20, 30, 55 is four choices, not a scale.
  const y = { range: [-0.6, levels.length - 0.4], label: "", ticks: levels.map((_, i) => i),
    text: (i) => String(levels[i]) };
  const every = Math.ceil(split.length / 12);
  const x = { range: [-0.5, split.length - 0.5], label: "split", text: (i) => String(split[i]),
    ticks: split.map((_, i) => i).filter((i) => i % every === 0) };
  const plot = axes(host, x, y, PLOT.top + PLOT.bottom + 20 * (levels.length + 1));
  steps(plot, values.map((value) => (absent(value) ? null : levels.indexOf(value))));
  plot.svg.setAttribute("aria-label", `Chosen ${name} per split`);
  return element("div", { class: "parameter" }, element("b", {}, name.replaceAll("_", " ")),
    element("span", { class: "muted" }, " " + stability(values)), plot.svg);
}

function stability(values) {
  const changes = values.filter((value, i) => i > 0 && value !== values[i - 1]).length;
  return `changed ${changes} times in ${values.length} splits`;
}

function finish(host, plot, description) {
  plot.svg.setAttribute("aria-label", description);
  host.replaceChildren(plot.svg);
}
