// What is loaded, with the look-ups that views share.
import { column } from "./data.js";

/** Return the store of an index and of cells: `raw` as they came, `cells` as columns. */
export function open(index, raw, cells) {
  const count = raw.rows, keys = index.runs.map((run) => run.key);
  cells.run = Object.assign(column({ title: "run", texts: keys, codes: raw.run }), { help: "" });
  const run = cells.run.codes, series = Uint32Array.from(raw.series);
  const begins = new Uint32Array(keys.length).fill(count);
  for (let row = count - 1; row >= 0; row--) begins[run[row]] = row;
  let latest = null;

  function latestRows() { // the last row of each series: rows are in order of time
    if (!latest) {
      latest = new Map();
      for (let row = 0; row < count; row++) latest.set(series[row], row);
    }
    return latest;
  }

  const store = {
    index, count, begins, full: {}, history: null,
    /** The columns, and by row: `runs`, the place of its run in the index, and `series`. */
    cells: { ...cells, runs: run, series },
    /** All rows, those of the newest run first. */
    newestFirst: newestFirst(begins, count),
    /** The row of a run's key, a workload's id and a subject; −1 where there is none. */
    find(key, workload, subject) {
      const place = keys.indexOf(key);
      if (place < 0) return -1;
      for (let row = begins[place]; row < count && run[row] === place; row++) {
        if (cells.workload.text(row) === workload && cells.subject.text(row) === subject) return row;
      }
      return -1;
    },
    ofSeries: (code) => Array.from(series.keys()).filter((row) => series[row] === code),
    latestOf: (code) => latestRows().get(code) ?? -1,
    get latestRows() { return latestRows().values(); },
    /** The last row of the longest series among `codes`, or among all where there is none of these. */
    longest(codes) {
      const lengths = new Map();
      for (const code of series) lengths.set(code, (lengths.get(code) ?? 0) + 1);
      let best = -1;
      for (const code of codes.length ? codes : lengths.keys()) {
        if (best < 0 || lengths.get(code) > lengths.get(best)) best = code;
      }
      return latestRows().get(best) ?? -1;
    },
    choices(key) {
      const texts = [...store.cells[key].texts];
      return key === "run" ? texts.reverse() : texts.sort(new Intl.Collator("en", { numeric: true }).compare);
    },
  };
  return store;
}

function newestFirst(begins, count) {
  const order = new Uint32Array(count);
  let end = count, filled = 0;
  for (let place = begins.length - 1; place >= 0; place--) {
    for (let row = begins[place]; row < end; row++) order[filled++] = row;
    end = Math.min(begins[place], end);
  }
  return order;
}
