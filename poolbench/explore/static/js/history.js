// The history of a cell over runs, and of a subject over releases or revisions, with the changes that poolbench found.
import { chart } from "./chart.js";
import { choice, command, el, list } from "./dom.js";
import { load } from "./data.js";
import { historyOf } from "./dialog.js";
import { address, read, write } from "./state.js";

/** Show the view in `root`; return what ends it. */
export function historyView(root, store) {
  let end = () => {}, isOver = false;
  root.replaceChildren(el("h2", {}, "History"), el("p", { class: "missing" }, "Loading …"));
  (store.history ??= load("data/history.json")).then((found) => { if (!isOver) show(found); }, (error) => {
    store.history = null;
    root.replaceChildren(el("h2", {}, "History"), el("p", { class: "warning" }, error.message));
  });

  function show(found) {
    const state = read(), named = state.get("points");
    const places = [["", "cells over runs"], ...found.histories.map((one) => [one.key, `${one.key} on ${one.machine}`])];
    const what = choice("history of", places, named ?? "", (key) => { write({ points: key, of: null }); again(); });
    const body = el("div");
    root.replaceChildren(el("h2", {}, "History"), found.histories.length ? el("div", { class: "filters" }, what) : "", body);
    const chosen = found.histories.find((one) => one.key === named);
    if (chosen) ofPoints(body, chosen);
    else ofCells(body, found);
  }

  function again() {
    end();
    end = () => {};
    store.history.then((found) => { if (!isOver) show(found); });
  }

  function ofCells(body, found) {
    const { cells } = store, of = read().getAll("of");
    let row = of.length === 3 ? store.find(...of) : -1;
    const asked = row >= 0;
    if (!asked) row = store.longest(found.changes.map((change) => change.series));
    if (row < 0) {
      body.replaceChildren(el("p", { class: "missing" }, "There is no run yet: 'poolbench compare' makes one."));
      return;
    }
    const go = (next) => {
      write({ of: [store.index.runs[cells.runs[next]].key, cells.workload.text(next), cells.subject.text(next)] });
      again();
    };
    const same = (keys) => (other) => keys.every((key) => cells[key].codes[other] === cells[key].codes[row]);
    const options = (key, fixed) => {
      const seen = new Map();
      for (const other of store.latestRows) if (fixed(other)) seen.set(cells[key].text(other), other);
      return [...seen].sort(([one], [other]) => (one < other ? -1 : 1)).map(([text, other]) => [String(other), text]);
    };
    const picker = (label, key, fixed, text = key) => {
      const found = options(key, fixed), now = cells[key].text(row);
      return choice(label, found.map(([other, one]) => [other, one]), found.find(([, one]) => one === now)?.[0], (other) => go(Number(other)));
    };
    const rows = store.ofSeries(cells.series[row]), limit = cells.times_limit;
    const changes = found.changes.filter((change) => change.series === cells.series[row]);
    const place = (run) => rows.findIndex((other) => cells.runs[other] === run);
    const plot = el("div", { class: "chart", role: "img", "aria-label": `Times the limit over ${rows.length} runs; the table below has the figures` });
    const again_ = el("div");
    body.replaceChildren(
      el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
        picker("machine", "machine", () => true),
        picker("workload", "name", same(["machine"])),
        picker("subject", "subject", same(["machine", "name"]))),
      el("p", { class: "subtitle" }, el("code", {}, cells.workload.text(row))),
      changes.length ? el("div", { class: "answer small" }, changes.map((change) => el("p", {}, change.text)))
        : el("p", {}, rows.length < 2 ? "One run alone has this cell: there is nothing yet to find a change in." : `No change over these ${rows.length} runs is sure.`),
      el("p", { class: "caption" }, "Times the limit, which stood in the same blocks, with its interval; a dashed line is a change. Runs were not interleaved with one another: a change is a place to measure again, not a verdict."),
      plot,
      plain(["run", "began", cells.median_ns.title, limit.title, cells.verdict.title],
        rows.map((other) => [el("a", { href: address({ view: "cells", run: store.index.runs[cells.runs[other]].key, words: cells.workload.text(other) }, "") }, store.index.runs[cells.runs[other]].key),
          store.index.runs[cells.runs[other]].started_at.slice(0, 16).replace("T", " "), cells.median_ns.text(other), limit.text(other), cells.verdict.text(other)]).reverse()),
      el("h3", {}, "Measure it again"), again_,
      el("h3", {}, `All changes over runs: ${found.changes.length}`),
      found.changes.length ? el("ul", { class: "plain changes" }, found.changes.map((change) => {
        const other = store.latestOf(change.series);
        return el("li", {}, el("a", { href: historyOf(store, other) }, `${cells.subject.text(other)} on ${cells.name.text(other)}`), " ", change.text);
      })) : el("p", { class: "missing" }, "There are none."));
    end = chart(plot, {
      labels: days(rows.map((other) => store.index.runs[cells.runs[other]].started_at)),
      values: rows.map((other) => limit.numbers[other]), low: rows.map((other) => limit.low[other]), high: rows.map((other) => limit.high[other]),
      changes: changes.map((change) => [place(change.before), place(change.after)]), title: limit.title,
    });
    const last = rows.at(-1), run = cells.runs[last];
    (store.full[run] ??= load(`data/rows/${run}.json`)).then(
      (full) => again_.replaceChildren(command(full.rows[last - store.begins[run]].command)),
      (error) => { delete store.full[run]; again_.replaceChildren(el("p", { class: "warning" }, error.message)); });
  }

  function ofPoints(body, one) {
    const id = read().get("workload"), shown = one.workloads.find((workload) => workload.id === id) ?? one.workloads[0];
    const plot = el("div", { class: "chart", role: "img", "aria-label": `${one.title}; the table below has the figures` });
    const cells = one.points.map((_, place) => shown?.cells[place] ?? null);
    body.replaceChildren(
      el("p", {}, one.title),
      el("div", { class: "answer small" }, one.sentences.map((text) => el("p", {}, text))),
      el("div", { class: "filters" }, choice("workload", one.workloads.map((workload) => [workload.id, workload.name]), shown?.id,
        (next) => { write({ workload: next }); again(); })),
      plot,
      plain(["point", "time over the anchor’s", "note"], one.points.map((point, place) => [point.label, cells[place]?.text ?? "–", cells[place]?.note || point.detail])),
      list(one.notes) ?? "",
      el("h3", {}, "Measure what is missing, and again beside changes"), command(one.command));
    end = chart(plot, {
      labels: one.points.map((point) => point.label),
      values: cells.map((cell) => cell?.ratio ?? NaN), low: cells.map((cell) => cell?.low ?? NaN), high: cells.map((cell) => cell?.high ?? NaN),
      changes: one.changes.filter((change) => !change.workloads.length || change.workloads.includes(shown?.id) || shown?.isMean).map((change) => [change.before, change.after]),
      title: "time over the anchor’s",
    });
  }

  return () => { isOver = true; end(); };
}

/** Return what tells moments apart: their days, and the times of day where days repeat. */
function days(moments) {
  const short = moments.map((moment) => moment.slice(0, 10));
  return new Set(short).size === short.length ? short : moments.map((moment) => moment.slice(5, 16).replace("T", " "));
}

function plain(titles, rows) {
  return el("div", { class: "scroll", tabindex: 0 }, el("table", {},
    el("thead", {}, el("tr", {}, titles.map((title) => el("th", { scope: "col" }, title)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, place) => el(place ? "td" : "th", place ? {} : { scope: "row" }, cell)))))));
}
