// All cells of all runs: filtered, sorted, and each opened in full.
import { choice, el, search } from "./dom.js";
import { filtered, sorted } from "./data.js";
import { openCell } from "./dialog.js";
import { pick } from "./pick.js";
import { address, read, write } from "./state.js";
import { table } from "./table.js";

const FILTERS = { run: "run", machine: "machine", subject: "subject", name: "workload", pass: "pass", dtype: "type", verdict: "verdict" };
const SEARCHED = ["name", "workload", "subject", "machine", "run", "verdict", "model", "op"];

/** Show the view in `root`; return what ends it. */
export function cellsView(root, store) {
  const { cells, count } = store, state = read();
  const columns = [
    { key: "name", isFigure: false }, { key: "subject", isFigure: false }, { key: "median_ns", isFigure: true },
    { key: "ratio_to_fastest", isFigure: true }, { key: "times_limit", isFigure: true }, { key: "requested_bytes", isFigure: true },
    { key: "verdict", isFigure: false }, { key: "run", isFigure: false }, { key: "machine", isFigure: false },
  ].map((column) => ({ ...column, title: cells[column.key].title || column.key, help: cells[column.key].help,
    draw: cells[column.key].text }));
  const chosen = Object.fromEntries(Object.keys(FILTERS).map((key) => [key, state.getAll(key)]));
  let words = state.get("words") ?? "", sort = [state.get("sort") ?? "", state.get("falling") === "1"];
  if (!columns.some((column) => column.key === sort[0])) sort = ["", false];
  let order = ordered();
  const total = el("p", { class: "count", role: "status" });
  const shown = table({
    label: "Cells", name: "cells", columns, role: (row) => cells.role.text(row),
    onopen: (row) => open(row), onsort: (key, isFalling) => resort(key, isFalling),
  });

  function ordered() {
    return sort[0] ? sorted(cells[sort[0]], count, sort[1]) : store.newestFirst;
  }

  function resort(key, isFalling) {
    sort = [key, isFalling];
    order = ordered();
    write({ sort: key, falling: isFalling ? "1" : null }, { quietly: true });
    apply();
  }

  function apply() {
    const begin = performance.now();
    const wanted = Object.keys(FILTERS).filter((key) => chosen[key].length).map((key) => [cells[key], chosen[key]]);
    const rows = filtered(order, wanted, words.toLowerCase().split(/\s+/).filter(Boolean), SEARCHED.map((key) => cells[key]));
    shown.show(rows, sort);
    total.textContent = `${rows.length.toLocaleString("en")} of ${count.toLocaleString("en")} cells`;
    performance.measure("filter", { start: begin, end: performance.now() });
  }

  function open(row) {
    write({ open: [store.index.runs[cells.runs[row]].key, cells.workload.text(row), cells.subject.text(row)] });
    openCell(store, row, () => write({ open: null }, { quietly: true }));
  }

  const picks = Object.entries(FILTERS).filter(([key]) => cells[key].texts.length > 1).map(([key, label]) =>
    pick(label, store.choices(key), chosen[key], (texts) => {
      chosen[key] = texts;
      write({ [key]: texts }, { quietly: true });
      apply();
    }));
  const form = el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
    search("words", words, (text) => {
      words = text;
      write({ words: text }, { quietly: true });
      apply();
    }),
    picks,
    choice("sort", [["", "newest first"], ...columns.map((column) => [column.key, column.title])], sort[0],
      (key) => resort(key, false), "narrow-only"),
    el("a", { class: "clear", href: address({ view: "cells" }, "") }, "clear"));
  root.replaceChildren(el("h2", { class: "unseen" }, "Cells"), form, total, shown.element,
    el("p", { class: "caption" }, columns.filter((column) => column.help).map((column) => [
      el("strong", {}, column.title), `: ${column.help} `]).flat()));
  apply();
  const opened = state.getAll("open");
  if (opened.length === 3) {
    const row = store.find(...opened);
    if (row >= 0) openCell(store, row, () => write({ open: null }, { quietly: true }));
  }
  return () => shown.end();
}
