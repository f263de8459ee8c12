"use strict";
// Numbers and dates as text, and elements made from text alone: nothing from the data is ever parsed as HTML.

const format = {
  date: (day) => new Date(day * 864e5).toISOString().slice(0, 10),
  number: (value, digits = 2) => absent(value) ? "–"
    : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−"),
  // Prices under a dollar need their four decimals, the others do not.
  price: (value) => format.number(value, Math.abs(value) < 1 ? 4 : 2),
  money: (value, digits = 0) => absent(value) ? "–"
    : (value < 0 ? "−$" : "$") + format.number(Math.abs(value), digits),
  percent: (value, digits = 1) => absent(value) ? "–" : format.number(100 * value, digits) + "%",
  signed: (value, digits = 1) => (value > 0 ? "+" : "") + format.percent(value, digits),
};

function absent(value) {
  return value === null || value === undefined;
}

/** An element with attributes and children; strings become text. */
function element(name, attributes = {}, ...children) {
  return furnish(document.createElement(name), attributes, children);
}

function svgElement(name, attributes = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** The current value of a colour of report.css, such as "gain". */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

const tip = {
  node: document.getElementById("tip"),
  show(event, text) {
    this.node.textContent = text;
    this.node.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.node;
    this.node.style.left = Math.min(event.clientX + 14, window.innerWidth - width - 8) + "px";
    this.node.style.top = Math.max(event.clientY - height - 10, 8) + "px";
  },
  hide() {
    this.node.hidden = true;
  },
};
