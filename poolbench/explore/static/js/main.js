// The explorer: load what there is, and show the view that the address names.
import { cellsView } from "./cells.js";
import { compareView } from "./compare.js";
import { columns, load } from "./data.js";
import { el } from "./dom.js";
import { historyView } from "./history.js";
import { runsView } from "./runs.js";
import { read } from "./state.js";
import { open } from "./store.js";

const VIEWS = { cells: ["Cells", cellsView], compare: ["Compare two runs", compareView], history: ["History", historyView], runs: ["Runs", runsView] };
const root = document.getElementById("view"), about = document.getElementById("about");
let end = () => {};

function show(store) {
  const name = read().get("view"), view = Object.hasOwn(VIEWS, name ?? "") ? name : "cells";
  end();
  for (const open of document.querySelectorAll("dialog")) open.remove();
  document.getElementById("views").replaceChildren(...Object.entries(VIEWS).map(([key, [title]]) =>
    el("li", {}, el("a", { href: `#view=${key}`, "aria-current": key === view ? "page" : null }, title))));
  document.title = `${VIEWS[view][0]} – poolbench`;
  end = VIEWS[view][1](root, store);
}

try {
  const [index, raw] = await Promise.all([load("data/index.json"), load("data/cells.json")]);
  if (index.runs.reduce((sum, run) => sum + run.cells, 0) !== raw.rows) {
    throw new Error("They changed in the meantime: load the page again.");
  }
  const store = open(index, raw, columns(raw));
  const machines = new Set(index.runs.map((run) => run.machine)).size;
  about.textContent = `${store.count.toLocaleString("en")} cells of ${index.runs.length.toLocaleString("en")} runs on ${machines} ${machines === 1 ? "machine" : "machines"}${index.problems.length ? `; ${index.problems.length} could not be read (see Runs)` : ""}`;
  show(store);
  addEventListener("hashchange", () => show(store));
  requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("shown")));
} catch (error) {
  about.textContent = "";
  root.replaceChildren(el("p", { class: "warning", role: "alert" }, `The results could not be loaded. ${error.message}`));
}
