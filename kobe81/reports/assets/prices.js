"use strict";
// The bars around the listed trades, unpacked from what reports/prices.py packed.

/** Those of a section: has(row) of the trades, and around(row), a promise of the bars; the first unpacks them all. */
function priceStore({ run, length, unit, bytes }) {
  const total = length.reduce((sum, bars) => sum + bars, 0);
  let unpacked = null;
  return {
    has: (row) => run[row] !== null,
    async around(row) {
      unpacked ??= inflate(bytes).then((stream) => integers(stream, 5 * total));
      const numbers = await unpacked;
      const first = length.slice(0, run[row]).reduce((sum, bars) => sum + bars, 0);
      const columns = [0, 1, 2, 3, 4].map((column) => numbers.subarray(column * total + first));
      return barsOf(columns, length[run[row]], unit[run[row]]);
    },
  };
}

async function inflate(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The numbers of a stream of zigzag varints: 0, 1, 2, 3 stand for 0, -1, 1, -2. */
function integers(stream, count) {
  const numbers = new Float64Array(count);
  for (let i = 0, at = 0; i < count; i++) {
    let [value, scale, byte] = [0, 1, 128];
    for (; byte > 127; scale *= 128) {
      byte = stream[at++];
      value += (byte & 127) * scale;
    }
    numbers[i] = value % 2 ? -(value + 1) / 2 : value / 2;
  }
  return numbers;
}

/** The bars of a run, [{ date, open, high, low, close }]: dates in days, prices zero where a bar has none. */
function barsOf([steps, gaps, bodies, above, below], count, unit) {
  let [date, close] = [0, 0];
  return Array.from({ length: count }, (_, i) => {
    const open = close + gaps[i];
    date += steps[i];
    close = open + bodies[i];
    return { date, open: open * unit, high: (Math.max(open, close) + above[i]) * unit,
      low: (Math.min(open, close) - below[i]) * unit, close: close * unit };
  });
}
