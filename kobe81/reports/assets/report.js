"use strict";
// Puts the charts into their places, and keeps them right when the page is resized, printed or changes its theme.

const { sections } = JSON.parse(document.getElementById("data").textContent);

const PLOTS = { years: plotYears, histogram: plotHistogram, held: plotHeld, excursion: plotExcursion,
  promise: plotPromise, parameters: plotParameters };

const choosers = [...document.querySelectorAll("[data-trades]")].reduce((found, host) => {
  found[host.dataset.trades] = tradeList(host, sections[host.dataset.trades]);
  return found;
}, {});

/** A dot was chosen far above the list: show the trade, then bring its prices into view. */
function chooseAndShow(index, row) {
  choosers[index](row);
  document.querySelector(`[data-trades="${index}"]`).scrollIntoView({ behavior: "smooth" });
}

for (const host of document.querySelectorAll('[data-plot="equity"]')) plotEquity(host, sections[host.dataset.section]);
for (const host of document.querySelectorAll('[data-plot="comparison"]')) plotComparison(host, sections);

// SVG plots are drawn for the width they have, so that their letters keep one size.
const widths = new Map();
const resized = new ResizeObserver((changes) => {
  for (const { target } of changes) if (widths.get(target) !== target.clientWidth) drawPlot(target);
});

function drawPlot(host) {
  widths.set(host, host.clientWidth);
  const index = host.dataset.section;
  PLOTS[host.dataset.plot](host, sections[index], (row) => chooseAndShow(index, row));
}

for (const host of document.querySelectorAll("[data-plot]")) {
  if (!(host.dataset.plot in PLOTS)) continue;
  drawPlot(host);
  resized.observe(host);
}

const repaint = () => timeCharts.forEach((entry) => entry.paint());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

// Paper is light and needs its pictures at once: canvases are copied in light colours before the browser lays out the
// pages, because a chart repaints only with the next frame, which would be too late.
window.addEventListener("beforeprint", () => {
  document.documentElement.dataset.theme = "light";
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  repaint();
  for (const { chart, host } of timeCharts) {
    const picture = chart.takeScreenshot(true);
    picture.className = "paper";
    host.append(picture);
  }
});

window.addEventListener("afterprint", () => {
  delete document.documentElement.dataset.theme;
  document.querySelectorAll(".paper").forEach((picture) => picture.remove());
  repaint();
});
