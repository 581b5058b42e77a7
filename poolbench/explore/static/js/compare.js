// Two runs side by side, each over its own limit, as poolbench computed them.
import { choice, command, el, list, search, svg } from "./dom.js";
import { columns as typed, filtered, load, sorted, column } from "./data.js";
import { dialog } from "./dialog.js";
import { read, write } from "./state.js";
import { table } from "./table.js";

/** Show the view in `root`; return what ends it. */
export function compareView(root, store) {
  const { runs, pairs } = store.index, state = read();
  const exists = (first, second) => (pairs ? pairs.some(([one, other]) => one === first && other === second) : first < second);
  const place = (key) => runs.findIndex((run) => run.key === key);
  let [first, second] = [place(state.get("first")), place(state.get("second"))];
  if (first > second && second >= 0) [first, second] = [second, first];
  const asked = first >= 0 && second >= 0;
  if (!asked) [first, second] = store.index.usual;
  let shown = { end: () => {} };
  const body = el("div");
  const pickers = el("div", { class: "filters" });

  function choose(one, other) {
    [first, second] = [one, other];
    write({ first: runs[first].key, second: runs[second].key });
    start();
  }

  function start() {
    const label = (run) => [run.key, `${run.started_at.slice(0, 16).replace("T", " ")} · ${run.machine} · ${run.key.slice(-4)}`];
    const seconds = runs.filter((_, other) => runs.some((_, one) => exists(one, other)));
    const firsts = runs.filter((_, one) => exists(one, second));
    if (!seconds.length) {
      root.replaceChildren(el("h2", {}, "Two runs side by side"), el("p", { class: "missing" }, "Fewer than two runs have cells in common: there is nothing to compare."));
      return;
    }
    pickers.replaceChildren(
      choice("first", firsts.map(label).reverse(), runs[first]?.key, (key) => choose(place(key), second)),
      choice("second", seconds.map(label).reverse(), runs[second]?.key, (key) => {
        const other = place(key);
        choose(exists(first, other) ? first : runs.findLastIndex((_, one) => exists(one, other)), other);
      }));
    root.replaceChildren(el("h2", {}, "Two runs side by side"), pickers, body);
    if (!exists(first, second)) {
      body.replaceChildren(el("p", { class: "missing" }, "These two are not part of this site. On a machine with the results, 'poolbench serve' compares any two runs."));
      return;
    }
    body.replaceChildren(el("p", { class: "missing" }, "Loading …"));
    const mine = [first, second];
    load(`data/pairs/${first}-${second}.json`).then((raw) => {
      if (mine[0] === first && mine[1] === second) fill(raw);
    }, (error) => body.replaceChildren(el("p", { class: "warning" }, error.message)));
  }

  function fill(raw) {
    shown.end();
    const cells = typed(raw), now = read();
    cells.workload = column(raw.workload);
    let words = now.get("words") ?? "", isApart = now.get("apart") === "1", sort = [now.get("sort") ?? "", now.get("falling") === "1"];
    const scale = scaleOf(cells.change);
    const keys = ["name", "subject", "first_times_limit", "second_times_limit", "change", "first_time", "second_time"];
    const columns = keys.map((key) => ({
      key, title: cells[key].title, help: cells[key].help, isFigure: Boolean(cells[key].numbers),
      draw: key === "change" ? (row) => change(cells, row, scale) : cells[key].text,
    }));
    if (!keys.includes(sort[0])) sort = ["", false];
    const total = el("p", { class: "count", role: "status" });
    shown = table({
      label: "Both runs", name: "pairs", columns, heights: [34, 78],
      role: (row) => (cells.apart.text(row) === "yes" ? "apart" : "alike"),
      onopen: (row) => dialog(`${cells.subject.text(row)} on ${cells.name.text(row)}`, [
        el("p", {}, el("code", {}, cells.workload.text(row))),
        el("p", {}, "These two were not interleaved. Both in one run give a verdict; this measures the subject again:"),
        command(raw.command[row])]),
      onsort: (key, isFalling) => { sort = [key, isFalling]; write({ sort: key, falling: isFalling ? "1" : null }, { quietly: true }); apply(); },
    });

    function apply() {
      const order = sort[0] ? sorted(cells[sort[0]], raw.rows, sort[1]) : Uint32Array.from({ length: raw.rows }, (_, row) => row);
      const wanted = isApart ? [[cells.apart, ["yes"]]] : [];
      const rows = filtered(order, wanted, words.toLowerCase().split(/\s+/).filter(Boolean), [cells.name, cells.subject, cells.workload]);
      shown.show(rows, sort);
      total.textContent = `${rows.length.toLocaleString("en")} of ${raw.rows.toLocaleString("en")} pairs`;
    }

    const box = el("input", { type: "checkbox", ".checked": isApart, onchange: () => {
      isApart = box.checked;
      write({ apart: isApart ? "1" : null }, { quietly: true });
      apply();
    } });
    body.replaceChildren(
      el("div", { class: "answer small" }, raw.answer.map((text) => el("p", {}, text))),
      el("details", { class: "differences", open: raw.differences.length > 0 && raw.differences.length < 4 },
        el("summary", {}, raw.differences.length ? `What differs between their environments: ${raw.differences.length}` : "Machine, software, revision and method are the same."),
        list(raw.differences)),
      raw.rows ? el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
        search("words", words, (text) => { words = text; write({ words: text }, { quietly: true }); apply(); }),
        el("label", { class: "tick" }, box, el("span", {}, "only what changed: the interval excludes 1"))) : "",
      raw.rows ? total : "", raw.rows ? shown.element : "",
      el("p", { class: "caption" }, `${cells.change.title}: ${cells.change.help}`));
    if (raw.rows) apply();
  }

  start();
  return () => shown.end();
}

/** Return what places a ratio on a bar from 0 to 100: logarithms, with 1 in the middle. */
function scaleOf(one) {
  const ends = [...one.low, ...one.high].filter((value) => value > 0 && Number.isFinite(value)).map((value) => Math.abs(Math.log(value))).sort((a, b) => a - b);
  const widest = Math.max(ends[Math.floor(0.95 * (ends.length - 1))] ?? 0, Math.log(1.1)); // a few wide ones end at the edge
  return (value) => 50 + 50 * Math.max(-1, Math.min(1, Math.log(value) / widest));
}

function change(cells, row, scale) {
  const value = cells.change.numbers[row], low = cells.change.low[row], high = cells.change.high[row];
  const text = el("span", { class: "value" }, cells.change.text(row));
  if (Number.isNaN(value) || !(low > 0) || !(high > 0)) return [text];
  return [svg("svg", { class: "bar", viewBox: "0 0 100 16", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("line", { class: "one", x1: 50, x2: 50, y1: 0, y2: 16 }),
    svg("line", { class: "range", x1: scale(low), x2: Math.max(scale(high), scale(low) + 0.5), y1: 8, y2: 8 }),
    svg("line", { class: "centre", x1: scale(value), x2: scale(value), y1: 3, y2: 13 })), text];
}
