// The runs: where and how each was measured, and how to measure it again.
import { command, el, list, search } from "./dom.js";
import { dialog } from "./dialog.js";
import { address, read, write } from "./state.js";
import { table } from "./table.js";

/** Show the view in `root`; return what ends it. */
export function runsView(root, store) {
  const { runs, problems } = store.index;
  let words = read().get("words") ?? "";
  const texts = runs.map((run) => [run.key, run.machine, run.started_at, ...run.subjects].join(" ").toLowerCase());
  const total = el("p", { class: "count", role: "status" });
  const columns = [
    { key: "run", title: "run", draw: (place) => runs[place].key },
    { key: "began", title: "began", draw: (place) => runs[place].started_at.slice(0, 16).replace("T", " ") },
    { key: "machine", title: "machine", draw: (place) => runs[place].machine },
    { key: "subjects", title: "subjects", draw: (place) => runs[place].subjects.join(", ") },
    { key: "count", title: "cells", isFigure: true, draw: (place) => String(runs[place].cells) },
  ];
  const shown = table({ label: "Runs", name: "runs", columns, heights: [34, 82], onopen: open });

  function apply() {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...runs.keys()].reverse().filter((place) => wanted.every((word) => texts[place].includes(word)));
    shown.show(Uint32Array.from(rows));
    total.textContent = `${rows.length} of ${runs.length} runs`;
  }

  function open(place) {
    const run = runs[place], earlier = runs.findLastIndex((other, at) => at < place && other.machine === run.machine);
    dialog(run.key, [
      el("p", {}, el("a", { href: address({ view: "cells", run: run.key }, "") }, `its ${run.cells} cells`),
        earlier >= 0 ? [" · ", el("a", { href: address({ view: "compare", first: runs[earlier].key, second: run.key }, "") }, "beside the run before it on this machine")] : ""),
      list([`${run.subjects.length} subjects: ${run.subjects.join(", ")}`, ...run.about]),
      el("p", { class: "caption" }, run.method),
      run.notes.length ? [el("h3", {}, "Notes"), list(run.notes)] : "",
      el("h3", {}, "Measure it again"), command(run.command),
    ].flat());
  }

  root.replaceChildren(
    el("h2", { class: "unseen" }, "Runs"),
    problems.length ? el("div", { class: "warning", role: "note" }, problems.map((text) => el("p", {}, text))) : "",
    el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
      search("words", words, (text) => { words = text; write({ words: text }, { quietly: true }); apply(); })),
    total, shown.element);
  apply();
  return () => shown.end();
}
