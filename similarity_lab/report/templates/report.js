// Sorts and filters the tables of index.html. Without scripts they keep their original order.
"use strict";
(() => {
  const form = document.querySelector(".filters");
  const [find, decision, target] = ["find", "decision", "target"].map((id) => document.getElementById(id));
  const count = document.getElementById("count");
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const normalise = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  // The cells are read once; sorting and filtering only move and hide rows.
  const read = (row, rank) => ({
    row, rank,
    text: normalise(row.cells[0].textContent),
    keys: Array.from(row.cells, (cell) => cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value)),
  });
  const sections = Array.from(document.querySelectorAll("section[data-target]"), (section) => {
    const table = section.querySelector("table");
    const groups = Array.from(table.tBodies, (body) => ({
      body, rows: Array.from(body.querySelectorAll("tr:not(.group)"), read),
    }));
    return { section, table, groups };
  });

  function compare(a, b) {
    if (a === "" || b === "") return 0;
    return typeof a === "number" ? a - b : collator.compare(a, b);
  }

  // Rows stay in their group: sites without evidence and failed ones come last in every order.
  function sort({ table, groups }, head, direction) {
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    const column = head.cellIndex;
    const sign = direction === "ascending" ? 1 : -1;
    for (const { body, rows } of groups) {
      rows.sort((a, b) =>
        (a.keys[column] === "") - (b.keys[column] === "") ||  // empty cells stay last
        sign * compare(a.keys[column], b.keys[column]) || a.rank - b.rank);
      const sorted = document.createDocumentFragment();
      for (const { row } of rows) sorted.append(row);
      body.append(sorted);
    }
  }

  function filter() {
    const words = normalise(find.value).split(/\s+/).filter(Boolean);
    let visible = 0, total = 0;
    for (const { section, groups } of sections) {
      const before = visible;
      for (const { body, rows } of groups) {
        const first = visible;
        for (const { row, text } of rows) {
          const keep = (!decision.value || row.dataset.decision === decision.value) &&
            (!target || !target.value || section.dataset.target === target.value) &&
            words.every((word) => text.includes(word));
          row.hidden = !keep;
          visible += keep;
        }
        total += rows.length;
        body.hidden = visible === first;
      }
      section.hidden = sections.length > 1 && visible === before;
    }
    count.textContent = visible === total ? `${visible} rows` : `${visible} of ${total} rows`;
  }

  for (const section of sections) {
    for (const button of section.table.tHead.querySelectorAll("button")) {
      button.addEventListener("click", () => {
        const head = button.closest("th");
        const opposite = { ascending: "descending", descending: "ascending" };
        sort(section, head, opposite[head.getAttribute("aria-sort")] || button.dataset.first);
      });
    }
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  window.addEventListener("pageshow", filter);  // browsers restore form values on back navigation
  form.hidden = false;
  filter();
})();
