"use strict";
// Sorting and filtering of tables. Without it the page is complete, in the order in which it was written.
for (const table of document.querySelectorAll("table.data")) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const isFigure = head.classList.contains("figure");
      const keys = new Map(rows.map((row) => [row, key(row.cells[column], isFigure)]));
      const sign = rising ? 1 : -1;
      const compare = new Intl.Collator(undefined, { numeric: true }).compare;
      rows.sort((left, right) => {
        const a = keys.get(left), b = keys.get(right);
        if (a === null || b === null) return (a === null) - (b === null); // what is missing comes last either way
        return sign * (isFigure ? a - b : compare(a, b));
      });
      body.append(...rows);
    });
  });
  const form = document.querySelector(`form[data-for="${table.id}"]`);
  if (!form) continue;
  form.hidden = false;
  const count = document.getElementById(`${table.id}-count`);
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const apply = () => {
    const words = form.elements.namedItem("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = Array.from(form.querySelectorAll("select")).filter((choice) => choice.value);
    let shown = 0;
    for (const row of rows) {
      const fits =
        wanted.every((choice) => row.getAttribute(`data-${choice.name}`) === choice.value) &&
        words.every((word) => texts.get(row).includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
}
function key(cell, isFigure) {
  if (isFigure) return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
  return cell.textContent.trim() || null;
}
