// Sorts and filters the table of index.html. Without it the table stands there, ranked.
"use strict";
(() => {
  const table = document.getElementById("sites");
  const body = table.tBodies[0];
  const form = document.querySelector(".filters");
  const [find, decision, target] = ["find", "decision", "target"].map((id) => document.getElementById(id));
  const count = document.getElementById("count");
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  // The page is read once; afterwards rows are moved and hidden, never looked into.
  const rows = Array.from(body.rows, (row, rank) => ({
    row, rank,
    text: plain(row.cells[0].textContent),
    keys: Array.from(row.cells, (cell) => cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value)),
  }));

  function compare(a, b) {
    if (a === "" || b === "") return 0;
    return typeof a === "number" ? a - b : words.compare(a, b);
  }

  function sort(head, direction) {
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    const at = head.cellIndex;
    const sign = direction === "ascending" ? 1 : -1;
    rows.sort((a, b) =>
      (a.keys[at] === "") - (b.keys[at] === "") ||  // what is not known stays last
      sign * compare(a.keys[at], b.keys[at]) || a.rank - b.rank);
    const all = document.createDocumentFragment();
    for (const { row } of rows) all.append(row);
    body.append(all);
  }

  function filter() {
    const wanted = plain(find.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { row, text } of rows) {
      const keep = (!decision.value || row.dataset.decision === decision.value) &&
        (!target || !target.value || row.dataset.target === target.value) &&
        wanted.every((word) => text.includes(word));
      row.hidden = !keep;
      shown += keep;
    }
    count.textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  }

  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const turned = { ascending: "descending", descending: "ascending" };
      sort(head, turned[head.getAttribute("aria-sort")] || button.dataset.first);
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  window.addEventListener("pageshow", filter);  // a browser that comes back keeps what was typed
  form.hidden = false;
  filter();
})();
