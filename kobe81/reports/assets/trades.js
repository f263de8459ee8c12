"use strict";
// The list of trades: sorted by any column, filtered by symbol, 200 rows at a time; choosing one shows its prices.

const PAGE_ROWS = 200;

const COLUMNS = [
  { name: "symbol", title: "Symbol", text: String },
  { name: "side", title: "Side", text: String },
  { name: "signal_date", title: "Signal", show: format.date },
  { name: "entry_date", title: "Entry", show: format.date },
  { name: "entry_price", title: "at", show: format.price },
  { name: "exit_date", title: "Exit", show: format.date },
  { name: "exit_price", title: "at", show: format.price },
  { name: "qty", title: "Qty", show: (value) => format.number(value, Number.isInteger(value) ? 0 : 4) },
  { name: "stop", title: "Stop", show: format.price },
  { name: "score", title: "Score", show: format.number },
  { name: "net_pnl", title: "Net P&L", show: (value) => format.money(value, 2), signed: true },
  { name: "return", title: "Return", show: (value) => format.signed(value, 2), signed: true },
  { name: "mae", title: "MAE", show: format.percent },
  { name: "mfe", title: "MFE", show: format.percent },
  { name: "bars_held", title: "Bars", show: (value) => format.number(value, 0) },
  { name: "exit_reason", title: "Reason", text: String },
];

/** Fills a section's list and returns choose(row), which shows the prices of a trade and marks its row. */
function tradeList(host, section) {
  const price = priceChart(host.querySelector(".price-chart"), host.querySelector(".price-caption"), section);
  const columns = COLUMNS.filter((column) => column.name in section.trades);
  const state = { sort: "entry_date", descending: true, symbol: "", limit: PAGE_ROWS, chosen: null };
  const refresh = () => fillRows(host, section, columns, state, price, choose);
  const choose = (row) => {
    state.chosen = row;
    price.show(row);
    for (const node of host.querySelectorAll("tbody tr")) select(node, state);
  };
  fillHead(host, columns, state, refresh);
  connectControls(host, state, refresh);
  refresh();
  choose(ordered(section.trades, state)[0]);
  return choose;
}

function select(node, state) {
  node.setAttribute("aria-selected", Number(node.dataset.row) === state.chosen);
}

function fillHead(host, columns, state, refresh) {
  host.querySelector("thead").replaceChildren(element("tr", {}, ...columns.map((column) => {
    const button = element("button", { type: "button" }, column.title);
    button.addEventListener("click", () => {
      state.descending = state.sort === column.name ? !state.descending : !column.text;
      state.sort = column.name;
      refresh();
    });
    return element("th", { scope: "col", "data-column": column.name, ...(column.text && { class: "text" }) }, button);
  })));
}

function connectControls(host, state, refresh) {
  const connect = (selector, event, change) => host.querySelector(selector).addEventListener(event, (e) => {
    change(e.target);
    refresh();
  });
  const restart = (change) => Object.assign(state, { limit: PAGE_ROWS }, change);
  connect(".symbol-filter", "input", (box) => restart({ symbol: box.value.trim().toUpperCase() }));
  connect(".more", "click", () => { state.limit += PAGE_ROWS; });
}

function fillRows(host, section, columns, state, price, choose) {
  const rows = ordered(section.trades, state);
  const shown = rows.slice(0, state.limit);
  const nodes = shown.map((row) => tableRow(section.trades, columns, row, state, price, choose));
  host.querySelector("tbody").replaceChildren(...nodes);
  const [some, all] = [shown.length, rows.length].map((count) => format.number(count, 0));
  host.querySelector(".count").textContent = `${some} of ${all} shown`;
  host.querySelector(".more").hidden = shown.length === rows.length;
  for (const head of host.querySelectorAll("thead th")) {
    const direction = state.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", head.dataset.column === state.sort ? direction : "none");
  }
}

/** The rows that pass the filter, sorted; the undefined last, equals in the order of the file. */
function ordered(trades, state) {
  const values = trades[state.sort];
  const sign = state.descending ? -1 : 1;
  const passes = (row) => trades.symbol[row].toUpperCase().includes(state.symbol);
  const compare = (a, b) => {
    if (absent(values[a]) || absent(values[b])) return absent(values[a]) - absent(values[b]);
    return values[a] < values[b] ? -sign : values[a] > values[b] ? sign : 0;
  };
  return values.map((_, row) => row).filter(passes).sort(compare);
}

function tableRow(trades, columns, row, state, price, choose) {
  const node = element("tr", { tabindex: "0", "data-row": row,
    ...(price.has(row) ? { title: "Show the prices around this trade" } : { class: "chartless" }) });
  select(node, state);
  node.append(...columns.map((column) => tableCell(column, trades[column.name][row])));
  node.addEventListener("click", () => choose(row));
  node.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(row); });
  return node;
}

function tableCell(column, value) {
  const cell = element("td", {}, column.text ? String(value ?? "–") : absent(value) ? "–" : column.show(value));
  if (column.text) cell.className = "text";
  if (column.signed && value !== 0 && !absent(value)) cell.className = value > 0 ? "gain" : "loss";
  return cell;
}
