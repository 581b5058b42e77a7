// A row in full: a dialog, which Escape closes.
import { command, el } from "./dom.js";
import { load } from "./data.js";
import { address } from "./state.js";

/** Show `children` under a heading; `onclose` is called when the dialog is gone. */
export function dialog(title, children, onclose = () => {}) {
  const box = el("dialog", { "aria-label": title, onclose: () => { box.remove(); onclose(); },
    onclick: (event) => { if (event.target === box) box.close(); } },
    el("form", { method: "dialog", class: "dialog-head" }, el("h2", {}, title), el("button", { "aria-label": "close" }, "close")),
    children);
  document.body.append(box);
  box.showModal();
  return box;
}

/** Show a cell in full: what its run's table has of it, and how it is measured again. */
export async function openCell(store, row, onclose) {
  const { cells } = store, run = cells.runs[row];
  const facts = el("dl", {}, el("dt", {}, "workload"), el("dd", {}, el("code", {}, cells.workload.text(row))),
    el("dt", {}, "run"), el("dd", {}, `${store.index.runs[run].key} on ${store.index.runs[run].machine}`));
  const rest = el("div", {}, el("p", { class: "missing" }, "Loading …"));
  dialog(`${cells.subject.text(row)} on ${cells.name.text(row)}`, [facts, rest], onclose);
  try {
    const full = (store.full[run] ??= load(`data/rows/${run}.json`));
    const { titles, rows } = await full, found = rows[row - store.begins[run]];
    found.values.forEach((value, place) => {
      if (value && titles[place] !== "subject") facts.append(el("dt", {}, titles[place]), el("dd", {}, value));
    });
    rest.replaceChildren(
      found.reason ? el("p", {}, found.reason) : "",
      el("h3", {}, "Measure it again"), command(found.command),
      el("p", {}, el("a", { href: historyOf(store, row) }, "Its history over runs")),
    );
  } catch (error) {
    delete store.full[run];
    rest.replaceChildren(el("p", { class: "warning" }, String(error.message)));
  }
}

/** Return the address of a cell's history. */
export function historyOf(store, row) {
  const { cells } = store;
  return address({ view: "history", of: [store.index.runs[cells.runs[row]].key, cells.workload.text(row), cells.subject.text(row)] }, "");
}
