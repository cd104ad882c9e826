// Sorts and filters the table of index.html. Without scripts the table keeps its original order.
"use strict";
(() => {
  const table = document.getElementById("sites");
  const body = table.tBodies[0];
  const form = document.querySelector(".filters");
  const [find, decision, target] = ["find", "decision", "target"].map((id) => document.getElementById(id));
  const count = document.getElementById("count");
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const normalise = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  // The cells are read once; sorting and filtering only move and hide rows.
  const rows = Array.from(body.rows, (row, rank) => ({
    row, rank,
    text: normalise(row.cells[0].textContent),
    keys: Array.from(row.cells, (cell) => cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value)),
  }));

  function compare(a, b) {
    if (a === "" || b === "") return 0;
    return typeof a === "number" ? a - b : collator.compare(a, b);
  }

  function sort(head, direction) {
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    const column = head.cellIndex;
    const sign = direction === "ascending" ? 1 : -1;
    rows.sort((a, b) =>
      (a.keys[column] === "") - (b.keys[column] === "") ||  // empty cells stay last
      sign * compare(a.keys[column], b.keys[column]) || a.rank - b.rank);
    const sorted = document.createDocumentFragment();
    for (const { row } of rows) sorted.append(row);
    body.append(sorted);
  }

  function filter() {
    const words = normalise(find.value).split(/\s+/).filter(Boolean);
    let visible = 0;
    for (const { row, text } of rows) {
      const keep = (!decision.value || row.dataset.decision === decision.value) &&
        (!target || !target.value || row.dataset.target === target.value) &&
        words.every((word) => text.includes(word));
      row.hidden = !keep;
      visible += keep;
    }
    count.textContent = visible === rows.length ? `${visible} rows` : `${visible} of ${rows.length} rows`;
  }

  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const opposite = { ascending: "descending", descending: "ascending" };
      sort(head, opposite[head.getAttribute("aria-sort")] || button.dataset.first);
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  window.addEventListener("pageshow", filter);  // browsers restore form values on back navigation
  form.hidden = false;
  filter();
})();
