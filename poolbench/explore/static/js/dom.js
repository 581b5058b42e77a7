// Elements from plain values. Texts come from anybody's results: they are only ever set as text, never as markup.

/** Return a new element: props are attributes, on… handlers, or properties that start with a dot; children texts or nodes. */
export function el(name, props = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.startsWith(".")) element[key.slice(1)] = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return a new SVG element. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/** Return a labelled choice of one of `options`, pairs of value and text. */
export function choice(label, options, value, onchange, extra = "") {
  const select = el("select", { onchange: () => onchange(select.value) });
  for (const [key, text] of options) select.append(el("option", { value: key, ".selected": key === value }, text));
  return el("label", { class: extra || null }, `${label} `, select);
}

/** Return a search field that tells of its words while one types. */
export function search(label, value, oninput) {
  const input = el("input", { type: "search", autocomplete: "off", placeholder: "any of the row’s words", ".value": value,
    oninput: () => oninput(input.value) });
  return el("label", {}, `${label} `, input);
}

/** Return a command with a button that copies it. */
export function command(text) {
  const button = el("button", { type: "button", class: "copy", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code); // no clipboard here: it is selected, to be copied by hand
    }
  } }, "copy");
  const code = el("code", {}, text);
  return el("div", { class: "command-line" }, el("pre", { tabindex: 0 }, code), button);
}

/** Return a list of sentences; null where there is none. */
export function list(texts) {
  return texts.length ? el("ul", { class: "plain" }, texts.map((text) => el("li", {}, text))) : null;
}
