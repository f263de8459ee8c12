"use strict";
// Charts over time, drawn on canvas by Lightweight Charts: equity with drawdown and exposure, strategies head to head.

const LC = LightweightCharts;
const DAY = 86400;

/** Every canvas chart of the page: { chart, host, paint() }. Themes and printing go over this list. */
const timeCharts = [];

/** A chart in a new element under `host`. paint() sets the colours and is called again when the theme changes. */
function timeChart(host, options, paint) {
  const canvas = element("div", { class: "canvas" });
  host.append(canvas);
  const chart = LC.createChart(canvas, { autoSize: true, ...interaction, ...options });
  const entry = { chart, host, paint: () => { chart.applyOptions(theme()); paint(); } };
  timeCharts.push(entry);
  return entry;
}

/** The mouse wheel scrolls the page, as everywhere; pinching or dragging an axis zooms. */
const interaction = {
  // The page's footer carries the attribution and the link that the licence asks for; the logo would bring a style
  // element of its own, which the content security policy forbids.
  layout: { attributionLogo: false },
  handleScroll: { mouseWheel: false, vertTouchDrag: false },
  handleScale: { mouseWheel: false },
  rightPriceScale: { borderVisible: false },
  timeScale: { borderVisible: false, fixLeftEdge: true, fixRightEdge: true, minBarSpacing: 0.01 },
  localization: { locale: "en-US", dateFormat: "yyyy-MM-dd" },
};

function theme() {
  const grid = { color: colour("grid") };
  return {
    layout: {
      background: { type: "solid", color: colour("surface") }, textColor: colour("muted"), fontSize: 11,
      fontFamily: getComputedStyle(document.body).fontFamily,
      panes: { separatorColor: colour("line"), separatorHoverColor: colour("grid"), enableResize: false },
    },
    grid: { vertLines: { ...grid, visible: false }, horzLines: grid },
    crosshair: { mode: LC.CrosshairMode.Magnet },
  };
}

const custom = (formatter, minMove) => ({ type: "custom", formatter, minMove });
const line = { lineWidth: 2, priceLineVisible: false, lastValueVisible: false, crosshairMarkerRadius: 3 };

/** Points of a series; a missing value leaves a gap. */
function points(dates, values) {
  return dates.map((day, i) => absent(values[i]) ? { time: day * DAY } : { time: day * DAY, value: values[i] });
}

/** Lines of money over time, the first on top. curves: [{ name, date, equity, shade }], shade a name of report.css. */
function moneyLines(chart, curves) {
  return curves.toReversed().map((curve) => {
    const series = chart.addSeries(LC.LineSeries, { ...line, lineWidth: curve === curves[0] ? 2 : 1.5,
      priceFormat: custom((value) => format.money(value), 0.01) });
    series.setData(points(curve.date, curve.equity));
    return { ...curve, series, text: (value) => format.money(value) };
  }).toReversed();
}

function plotEquity(host, section) {
  const keys = element("div", { class: "keys" });
  host.replaceChildren(keys);
  const paint = () => { tracks.forEach((t) => t.series.applyOptions(t.style(t))); shadeWindows?.paint(); };
  const entry = timeChart(host, {}, paint);
  const { chart } = entry;
  const curves = [{ name: section.title, ...section.equity, shade: "gain" },
    ...section.benchmarks.map((b, i) => ({ ...b, shade: `bench-${i % 3}` }))];
  const lines = moneyLines(chart, curves).map((t) => ({ ...t, style: (track) => ({ color: colour(track.shade) }) }));
  const tracks = [...lines, drawdownPane(chart, section.equity), exposurePane(chart, section.equity)];
  const shadeWindows = section.splits ? windows(lines[0].series, section.equity.date, section.splits) : null;
  [5, 2, 1].forEach((factor, i) => chart.panes()[i].setStretchFactor(factor));
  equityKeys(keys, entry, tracks, section);
  entry.paint();
  chart.timeScale().fitContent();
}

function drawdownPane(chart, curve) {
  const series = chart.addSeries(LC.BaselineSeries, { ...line, lineWidth: 1, baseValue: { type: "price", price: 0 },
    priceFormat: custom((value) => format.percent(value), 0.0001) }, 1);
  series.setData(points(curve.date, curve.drawdown));
  return { name: "Drawdown", shade: "loss", series, text: (value) => format.percent(value), style: () => ({
    bottomLineColor: colour("loss"), bottomFillColor1: `rgba(${colour("loss-rgb")}, 0.12)`,
    bottomFillColor2: `rgba(${colour("loss-rgb")}, 0.35)` }) };
}

function exposurePane(chart, curve) {
  const series = chart.addSeries(LC.AreaSeries, { ...line, lineWidth: 1,
    priceFormat: custom((value) => format.percent(value, 0), 0.01),
    autoscaleInfoProvider: (original) => fromZero(original()) }, 2);
  series.setData(points(curve.date, curve.exposure));
  return { name: "Exposure", shade: "exposure", series, text: (value) => format.percent(value, 0), style: () => ({
    lineColor: colour("exposure"), topColor: colour("exposure") + "55", bottomColor: colour("exposure") + "22" }) };
}

/** The price range of a series, extended down to zero. */
function fromZero(info) {
  if (info?.priceRange) info.priceRange.minValue = 0;
  return info;
}

/** The legend, which doubles as the read-out under the crosshair, and the range and scale controls. */
function equityKeys(keys, entry, tracks, section) {
  const lines = tracks.filter((track) => track.equity);
  const { chart } = entry;
  const day = element("span", { class: "muted" });
  const values = tracks.map((track) => switchKey(track));
  keys.append(day, ...values.map((v) => v.node));
  if (section.splits) {
    const node = element("span", { class: "key band" }, "Out-of-sample windows");
    node.style.setProperty("--key", "var(--window-other)");
    keys.append(node);
  }
  keys.append(element("span", { class: "range" }, ...ranges(chart, tracks[0].date), logarithm(chart, spread(lines))));
  const last = tracks.map((track) => track.series.data().at(-1)?.value);
  const show = (time, at) => {
    day.textContent = format.date(time / DAY);
    values.forEach((v, i) => { v.value.textContent = " " + tracks[i].text(at(tracks[i], i)); });
  };
  chart.subscribeCrosshairMove((move) => move.time === undefined ? show(tracks[0].date.at(-1) * DAY, (_, i) => last[i])
    : show(move.time, (track) => move.seriesData.get(track.series)?.value));
  show(tracks[0].date.at(-1) * DAY, (_, i) => last[i]);
}

function key(name, shade) {
  const value = element("b");
  const node = element("span", { class: "key" }, name, value);
  node.style.setProperty("--key", `var(--${shade})`);
  return { node, value };
}

/** A key that takes its line off the chart and puts it back: beside a steep benchmark a strategy may look flat. */
function switchKey({ name, shade, series }) {
  const value = element("b");
  const node = element("button", { type: "button", class: "key", "aria-pressed": "true", title: "Show or hide" },
    name, value);
  node.style.setProperty("--key", `var(--${shade})`);
  node.addEventListener("click", () => {
    const visible = node.getAttribute("aria-pressed") === "false";
    node.setAttribute("aria-pressed", visible);
    series.applyOptions({ visible });
  });
  return { node, value };
}

/** How many times the lowest of all equities the highest is. */
function spread(lines) {
  const values = lines.flatMap((track) => track.equity).filter((value) => !absent(value));
  return values.reduce((a, b) => Math.max(a, b), 0) / values.reduce((a, b) => Math.min(a, b), Infinity);
}

/** Buttons that show the last year, the last three, or everything; none where the span is no longer than that. */
function ranges(chart, dates) {
  const last = dates.at(-1);
  const span = (last - dates[0]) / 365.25;
  const button = (text, act) => {
    const node = element("button", { type: "button" }, text);
    node.addEventListener("click", act);
    return node;
  };
  const some = [1, 3].filter((years) => span > years).map((years) => button(`${years} y`, () =>
    chart.timeScale().setVisibleRange({ from: (last - 365.25 * years) * DAY, to: last * DAY })));
  return some.length ? [...some, button("all", () => chart.timeScale().fitContent())] : [];
}

/** The scale's switch, on from the start where the curves span more than five times. */
function logarithm(chart, times) {
  const box = element("input", { type: "checkbox" });
  box.checked = times > 5;
  const apply = () => chart.priceScale("right", 0).applyOptions({
    mode: box.checked ? LC.PriceScaleMode.Logarithmic : LC.PriceScaleMode.Normal });
  box.addEventListener("change", apply);
  apply();
  return element("label", {}, box, " log scale");
}

/** Bands behind the equity, one per test window, in two tints so that neighbours can be told apart. */
function windows(series, dates, { test_start: starts, test_end: ends }) {
  let chart, tints, redraw;
  const edges = starts.map((start, i) => [sessionsBefore(dates, start), sessionsBefore(dates, ends[i] + 1)]);
  const draw = (target) => target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio }) => {
    const centre = (session) => chart.timeScale().logicalToCoordinate(session);
    // From half a session before the first to half a session after the last, so that neighbouring windows touch.
    const half = (centre(1) - centre(0)) / 2;
    edges.forEach((edge, i) => {
      const [from, to] = edge.map((session) => Math.round((centre(session) - half) * horizontalPixelRatio));
      context.fillStyle = tints[i % 2];
      context.fillRect(from, 0, to - from, bitmapSize.height);
    });
  });
  const view = { zOrder: () => "bottom", renderer: () => ({ draw: () => {}, drawBackground: draw }) };
  const paint = () => { tints = [colour("window"), colour("window-other")]; redraw?.(); };
  paint();
  series.attachPrimitive({ paneViews: () => [view],
    attached: (parameters) => { chart = parameters.chart; redraw = parameters.requestUpdate; } });
  return { paint };
}

/** How many of the dates, which increase, lie before `day`. */
function sessionsBefore(dates, day) {
  const at = dates.findIndex((date) => date >= day);
  return at < 0 ? dates.length : at;
}

function plotComparison(host, sections) {
  const keys = element("div", { class: "keys" });
  host.replaceChildren(keys);
  const shades = ["gain", "loss", "bench-1", "bench-2", "bench-0"];
  const curves = sections.filter((s) => s.equity.date.length)
    .map((s, i) => ({ name: s.title, ...s.equity, shade: shades[i % shades.length] }));
  const entry = timeChart(host, {}, () => lines.forEach((t) => t.series.applyOptions({ color: colour(t.shade) })));
  const lines = moneyLines(entry.chart, curves);
  for (const track of lines) {
    const { node, value } = key(track.name, track.shade);
    value.textContent = " " + format.money(track.equity.at(-1));
    keys.append(node);
  }
  entry.paint();
  entry.chart.timeScale().fitContent();
}
