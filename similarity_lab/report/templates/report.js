// Sorts and filters the rows of index.html; the address keeps both, so that a view can be sent.
// Without scripts the rows keep their original order.
"use strict";
(() => {
  const tools = document.querySelector(".tools");
  if (!tools) return;
  const form = tools.querySelector(".filters");
  const table = document.querySelector(".grid");
  const more = document.getElementById("more");
  const count = document.getElementById("count");
  const order = document.getElementById("order");
  const fields = ["find", "decision", "target", "mark", "sort"].map((id) => document.getElementById(id)).filter(Boolean);
  const field = Object.fromEntries(fields.map((each) => [each.id, each]));
  const heads = [...table.querySelectorAll("th[data-sort]")];
  const columns = [...table.querySelectorAll("col:not([class])")];
  const FIRST_ROWS = Number(table.dataset.firstRows);
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const normalise = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const inWords = (number) => number.toLocaleString("en");
  let showsAll = false;

  // The cells are read once; sorting and filtering only move and hide rows.
  const read = (row, rank) => {
    const cells = [...row.querySelectorAll("td.cell")];
    return {
      row, rank, cells,
      name: row.querySelector(".name").textContent,
      text: normalise(row.cells[0].textContent),
      values: cells.map((cell) => cell.dataset.value === undefined ? null : Number(cell.dataset.value)),
    };
  };
  const groups = Array.from(table.tBodies, (body) => ({
    body, rows: Array.from(body.querySelectorAll("tr.site"), read),
  }));

  // Rows stay in their group: sites without evidence and failed ones come last in every order.
  function sort() {
    const key = field.sort.value;
    const column = Math.abs(Number(key)) - 1;
    const sign = key.startsWith("-") ? -1 : 1;
    const compare = key === "" ? () => 0
      : key === "site" ? (a, b) => collator.compare(a.name, b.name)
      : (a, b) => (a.values[column] === null) - (b.values[column] === null) || sign * (b.values[column] - a.values[column]);
    for (const { body, rows } of groups) {
      rows.sort((a, b) => compare(a, b) || a.rank - b.rank);
      const sorted = document.createDocumentFragment();
      for (const { row } of rows) sorted.append(row);
      body.append(sorted);
    }
    order.hidden = key !== "";
    for (const head of heads) {
      const isSorted = key !== "" && head.dataset.sort === key.replace("-", "");
      if (!isSorted) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", key === "site" || sign < 0 ? "ascending" : "descending");
    }
  }

  function filter() {
    const words = normalise(field.find.value).split(/\s+/).filter(Boolean);
    const decision = field.decision.value;
    const mark = field.mark.value;
    const target = Number(field.target?.value || 0) - 1;
    let visible = 0, total = 0;
    for (const { body, rows } of groups) {
      const before = visible;
      for (const { row, text, cells } of rows) {
        const shown = target < 0 ? cells : [cells[target]];
        const keep = (!decision || shown.some((cell) => cell.dataset.decision === decision)) &&
          (!mark || (row.dataset.mark || "-") === mark) &&
          words.every((word) => text.includes(word));
        visible += keep;
        row.hidden = !keep;
        row.classList.toggle("later", keep && !showsAll && visible > FIRST_ROWS);
        cells.forEach((cell, index) => { cell.hidden = target >= 0 && index !== target; });
      }
      total += rows.length;
      body.hidden = visible === before;
    }
    heads.slice(1).forEach((head, index) => { head.hidden = columns[index].hidden = target >= 0 && index !== target; });
    more.hidden = showsAll || visible <= FIRST_ROWS;
    more.textContent = `Show all ${inWords(visible)} rows`;
    count.textContent = `${visible === total ? "" : `${inWords(visible)} of `}${inWords(total)} site${total === 1 ? "" : "s"}`;
    count.dataset.view = fields.filter((each) => each !== field.sort && each.value)  // printed
      .map((each) => `${each.labels[0].firstChild.data.trim()}: ${each.selectedOptions?.[0].text ?? each.value}`).join("; ");
  }

  // The address: #find=nuts&decision=relevant&sort=2; a place on the page (#main) is none of ours.
  function toAddress() {
    const params = new URLSearchParams();
    for (const { id, value } of fields) if (value) params.set(id, value);
    const address = params.size ? `#${params}` : location.href.split("#")[0];
    history.replaceState(null, "", address);
  }
  function fromAddress() {
    if (location.hash && !location.hash.includes("=")) return;
    const params = new URLSearchParams(location.hash.slice(1));
    for (const each of fields) {
      each.value = params.get(each.id) || "";
      if (each.selectedIndex === -1) each.value = "";  // not an option of this report
    }
    sort();
    filter();
  }

  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => {
      const key = head.dataset.sort;
      const isSorted = field.sort.value === key;
      field.sort.value = isSorted ? (key === "site" ? "" : `-${key}`) : field.sort.value === `-${key}` ? "" : key;
      sort();
      filter();
      toAddress();
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target === field.sort) sort();
    filter();
    toAddress();
  });
  more.addEventListener("click", () => {
    showsAll = true;
    filter();
  });
  window.addEventListener("hashchange", fromAddress);
  window.addEventListener("beforeprint", () => {
    showsAll = true;
    tools.open = true;  // the count is printed
    filter();
  });
  fromAddress();
  // On phones the fields are folded, unless one of them is set: the first site comes sooner.
  const phone = window.matchMedia("(max-width: 45rem)");
  const fold = () => { tools.open = !phone.matches || fields.some((each) => each.value); };
  phone.addEventListener("change", fold);
  fold();
  tools.hidden = false;
})();
