"use strict";
// The prices around one trade: candles, and on them the signal, the entry, the stop, the target and the exit.

const BARS_BEFORE = 40;
const BARS_AFTER = 20;
const NOT_KEPT = "No price chart is kept for this trade, to keep the file small: the best, the worst and the latest " +
  "trades have one.";
const TOO_OLD = "This browser cannot unpack the prices (it has no DecompressionStream, as all have had since 2023): " +
  "open the report in a current one.";

/** The price chart of a section; show(row) draws the trade of that row, or says why it cannot. */
function priceChart(host, caption, section) {
  const store = priceStore(section.prices);
  let [entry, latest] = [null, null];
  return {
    has: store.has,
    async show(row) {
      const asked = latest = {};
      const trade = tradeAt(section.trades, row);
      caption.textContent = describe(trade);
      discard(entry);
      entry = null;
      host.replaceChildren();
      const reason = obstacle(store, row);
      if (reason) return host.append(element("p", { class: "price-missing" }, reason));
      const bars = await store.around(row);
      // Another row may have been chosen while the prices were being unpacked.
      if (asked === latest) entry = drawTrade(host, trade, bars);
    },
  };
}

/** Why there is no chart of a trade; nothing where there is one. */
function obstacle(store, row) {
  if (!store.has(row)) return NOT_KEPT;
  return "DecompressionStream" in window ? "" : TOO_OLD;
}

function discard(entry) {
  if (!entry) return;
  timeCharts.splice(timeCharts.indexOf(entry), 1);
  entry.chart.remove();
}

function tradeAt(trades, row) {
  return Object.fromEntries(Object.entries(trades).map(([name, values]) => [name, values[row]]));
}

function describe(t) {
  const stop = absent(t.stop) ? "" : `, stop at ${format.price(t.stop)}`;
  return `${t.symbol} ${t.side}: signal ${format.date(t.signal_date)}, entered ${format.date(t.entry_date)} at ` +
    `${format.price(t.entry_price)}${stop}; left ${format.date(t.exit_date)} at ${format.price(t.exit_price)} ` +
    `(${t.exit_reason}). ${format.signed(t.return, 2)}, ${format.money(t.net_pnl, 2)}.`;
}

function drawTrade(host, trade, bars) {
  const keys = element("div", { class: "keys" });
  host.append(keys);
  const marks = {};
  // Room beyond the last bar, where the name of a late exit would not fit.
  const timeScale = { ...interaction.timeScale, fixRightEdge: false };
  const entry = timeChart(host, { timeScale }, () => paintTrade(marks, trade));
  const { chart } = entry;
  marks.candles = chart.addSeries(LC.CandlestickSeries, { priceLineVisible: false, lastValueVisible: false,
    priceFormat: custom(format.price, 0.0001) });
  marks.candles.setData(bars.map(candle));
  marks.arrows = LC.createSeriesMarkers(marks.candles, []);
  marks.path = level(chart, trade.entry_date, trade.entry_price, trade.exit_date, trade.exit_price, LC.LineStyle.Solid);
  marks.stop = level(chart, trade.signal_date, trade.stop, trade.exit_date, trade.stop, LC.LineStyle.Dashed);
  marks.target = level(chart, trade.signal_date, trade.target, trade.exit_date, trade.target, LC.LineStyle.Dotted);
  const signal = key("signal", "muted").node;
  signal.classList.add("dot");
  keys.append(signal, key("entry to exit", "ink").node);
  if (marks.stop) keys.append(key("stop", "loss").node);
  if (marks.target) keys.append(key("target", "gain").node);
  entry.paint();
  // The signal's own look-back on the left, what came of it on the right; the rest is there to be dragged in.
  const place = (day) => bars.findIndex((bar) => bar.date === day);
  chart.timeScale().setVisibleLogicalRange({ from: Math.max(place(trade.signal_date) - BARS_BEFORE, 0),
    to: Math.min(place(trade.exit_date) + BARS_AFTER, bars.length + 4) });
  return entry;
}

/** A bar as the chart takes it; one without prices is a gap. */
function candle({ date, ...prices }) {
  return prices.close ? { time: date * DAY, ...prices } : { time: date * DAY };
}

/** A line from one price to another, or null where there is no such price. A single day makes a single point. */
function level(chart, from, start, to, end, lineStyle) {
  if (absent(start) || absent(end)) return null;
  const series = chart.addSeries(LC.LineSeries, { ...line, lineStyle, crosshairMarkerVisible: false,
    pointMarkersVisible: from === to, priceFormat: custom(format.price, 0.0001) });
  const last = { time: to * DAY, value: end };
  series.setData(from < to ? [{ time: from * DAY, value: start }, last] : [last]);
  return series;
}

function paintTrade(marks, trade) {
  const [up, down] = [colour("gain"), colour("loss")];
  marks.candles.applyOptions({ upColor: colour("surface"), downColor: down, borderUpColor: up, borderDownColor: down,
    wickUpColor: up, wickDownColor: down });
  marks.path.applyOptions({ color: colour("ink") });
  marks.stop?.applyOptions({ color: down });
  marks.target?.applyOptions({ color: up });
  marks.arrows.setMarkers(arrows(trade, colour("ink"), colour("muted")));
}

function arrows(trade, ink, muted) {
  const long = trade.side === "long";
  const [under, over] = long ? ["belowBar", "aboveBar"] : ["aboveBar", "belowBar"];
  const [inward, outward] = long ? ["arrowUp", "arrowDown"] : ["arrowDown", "arrowUp"];
  return [
    { time: trade.signal_date * DAY, position: under, shape: "circle", color: muted, size: 0.6 },
    { time: trade.entry_date * DAY, position: under, shape: inward, color: ink, text: "entry" },
    { time: trade.exit_date * DAY, position: over, shape: outward, color: ink, text: `exit: ${trade.exit_reason}` },
  ];
}
