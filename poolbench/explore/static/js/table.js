// A table of any length that draws only the rows that can be seen. The arrow keys move, Enter opens.
import { el } from "./dom.js";

const SPARE = 8; // rows above and below what can be seen, so that scrolling shows no gap
const PRINTED = 500;
const NARROW = matchMedia("(max-width: 700px)");
let tables = 0;

/**
 * Return a table: `columns` are {key, title, help, isFigure, draw(row)}, where draw gives a text or a node; `role(row)`
 * is a class; `onopen(row)` and `onsort(key, isFalling)` say what to do; `heights` are a row's pixels, wide and narrow.
 */
export function table({ label, columns, name, role = () => "", onopen, onsort, heights = [34, 58] }) {
  const prefix = `table-${++tables}`;
  const heads = columns.map((column) => el("div", {
    role: "columnheader", class: `cell c-${column.key}${column.isFigure ? " figure" : ""}`, title: column.help || null,
  }, onsort ? el("button", { type: "button", tabindex: -1, onclick: () => sortBy(column.key) }, column.title) : column.title));
  const head = el("div", { role: "row", class: "vhead", "aria-rowindex": 1 }, heads);
  const body = el("div", { role: "rowgroup", class: "vbody" });
  const none = el("p", { class: "missing none", hidden: true }, "No row is like that.");
  const box = el("div", {
    role: "grid", class: `vtable ${name}`, tabindex: 0, "aria-label": label,
    onscroll: draw, onkeydown: onkey, onclick: onclick, onfocus: () => draw(),
  }, head, body, none);
  let rows = new Uint32Array(0), active = 0, sort = ["", false], drawn = new Map(), isPrinting = false, firstDrawn = -1;

  function sortBy(key) {
    onsort(key, sort[0] === key ? !sort[1] : false);
  }

  function height() {
    return heights[NARROW.matches ? 1 : 0];
  }

  function draw() {
    const each = height(), seen = Math.ceil(box.clientHeight / each) + 1;
    const top = Math.max(Math.floor(box.scrollTop / each) - SPARE, 0);
    const end = isPrinting ? Math.min(rows.length, PRINTED) : Math.min(top + seen + 2 * SPARE, rows.length);
    const begin = isPrinting ? 0 : Math.min(top, end);
    for (const [place, element] of drawn) {
      if (place < begin || place >= end) { element.remove(); drawn.delete(place); }
    }
    for (let place = begin; place < end; place++) {
      if (drawn.has(place)) continue;
      const element = line(place);
      drawn.set(place, element);
      if (place < firstDrawn) body.prepend(element); else body.append(element);
    }
    firstDrawn = begin;
    for (const [place, element] of drawn) element.setAttribute("aria-selected", String(place === active));
    if (rows.length) box.setAttribute("aria-activedescendant", `${prefix}-${active}`);
    else box.removeAttribute("aria-activedescendant");
  }

  function line(place) {
    const row = rows[place];
    const element = el("div", { role: "row", id: `${prefix}-${place}`, class: `vrow ${role(row)}`,
      "aria-rowindex": place + 2, ".place": place },
      columns.map((column) => el("div", { role: "gridcell",
        class: `cell c-${column.key}${column.isFigure ? " figure" : ""}` }, column.draw(row))));
    element.style.transform = `translateY(${place * height()}px)`;
    return element;
  }

  function cut() { // paper has no end to scroll to: it says what it leaves out
    if (isPrinting && rows.length > PRINTED) box.dataset.cut = `The first ${PRINTED} of ${rows.length.toLocaleString("en")} rows: filters choose which.`;
    else delete box.dataset.cut;
  }

  function redraw() {
    for (const element of drawn.values()) element.remove();
    drawn = new Map();
    firstDrawn = -1;
    none.hidden = rows.length > 0;
    body.style.height = `${rows.length * height()}px`;
    draw();
  }

  function show(place) {
    active = Math.max(0, Math.min(place, rows.length - 1));
    const each = height(), top = active * each, room = box.clientHeight - head.offsetHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + each > box.scrollTop + room) box.scrollTop = top + each - room;
    draw();
  }

  function onkey(event) {
    if (event.target !== box) return;
    const page = Math.max(Math.floor(box.clientHeight / height()) - 2, 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      show(active + steps[event.key]);
    } else if (event.key === "Enter" && rows.length && onopen) {
      event.preventDefault();
      onopen(rows[active]);
    }
  }

  function onclick(event) {
    const element = event.target.closest(".vrow");
    if (!element || event.target.closest("a, button") || !onopen) return;
    active = element.place;
    draw();
    onopen(rows[active]);
  }

  const life = new AbortController();
  NARROW.addEventListener("change", redraw, { signal: life.signal });
  addEventListener("resize", draw, { signal: life.signal });
  addEventListener("beforeprint", () => { isPrinting = true; cut(); draw(); }, { signal: life.signal });
  addEventListener("afterprint", () => { isPrinting = false; cut(); redraw(); }, { signal: life.signal });

  return {
    element: box,
    end: () => life.abort(),
    /** Show `order`, the rows from the first on, and mark the column that they are sorted by. */
    show(order, [key, isFalling] = sort) {
      rows = order;
      sort = [key, isFalling];
      active = 0;
      columns.forEach((column, place) => {
        if (column.key === key) heads[place].setAttribute("aria-sort", isFalling ? "descending" : "ascending");
        else heads[place].removeAttribute("aria-sort");
      });
      box.setAttribute("aria-rowcount", String(rows.length + 1));
      box.scrollTop = 0;
      redraw();
    },
  };
}
