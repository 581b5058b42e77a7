// A filter that takes several values: a summary that unfolds into boxes to tick, made when it is opened first.
import { el } from "./dom.js";

/** Return a filter by `texts`; `chosen` are ticked, `onchange(texts)` is told of each change. */
export function pick(label, texts, chosen, onchange) {
  let ticked = new Set(chosen.filter((text) => texts.includes(text)));
  const summary = el("summary", {}), panel = el("div", { class: "panel" });
  const details = el("details", { class: "pick", ontoggle: fill, onkeydown: (event) => {
    if (event.key === "Escape" && details.open) { details.open = false; summary.focus(); }
  } }, summary, panel);

  function name() {
    const what = ticked.size === 0 ? "all" : ticked.size === 1 ? [...ticked][0] : `${ticked.size} of ${texts.length}`;
    summary.replaceChildren(el("span", { class: "label" }, label), el("span", { class: "value" }, what));
    details.classList.toggle("is-set", ticked.size > 0);
  }

  function tell() {
    name();
    onchange([...ticked]);
  }

  function fill() {
    if (!details.open) return;
    for (const other of document.querySelectorAll("details.pick[open]")) if (other !== details) other.open = false;
    const boxes = texts.map((text) => {
      const box = el("input", { type: "checkbox", ".checked": ticked.has(text), onchange: () => {
        if (box.checked) ticked.add(text); else ticked.delete(text);
        tell();
      } });
      return el("label", { ".words": text.toLowerCase() }, box, el("span", {}, text || "none"));
    });
    const narrow = el("input", { type: "search", placeholder: `find a ${label}`, "aria-label": `find a ${label}`, oninput: () => {
      for (const box of boxes) box.hidden = !box.words.includes(narrow.value.toLowerCase());
    } });
    const all = el("button", { type: "button", onclick: () => {
      ticked = new Set();
      for (const box of boxes) box.querySelector("input").checked = false;
      tell();
    } }, "all");
    panel.replaceChildren(el("div", { class: "panel-head" }, narrow, all), el("div", { class: "boxes", tabindex: -1 }, boxes));
  }

  name();
  return details;
}

addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.pick[open]")) if (!open.contains(event.target)) open.open = false;
});
