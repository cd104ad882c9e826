// Marks of rows and images, kept in this browser and exported as CSV and as a file of `Marks`.
"use strict";
(() => {
  const KEY = `similarity_lab.report.${document.documentElement.dataset.report}`;
  const MARKS_FORMAT = 1;  // of similarity_lab.relevance.marks.Marks
  const notice = document.getElementById("no-storage");

  let storage = null;
  let memory = { sites: {}, images: {} };
  function forget() {
    storage = null;
    notice.textContent = "This browser does not keep data of this page: marks are lost when it is closed. Export them first.";
    notice.hidden = false;
  }
  try {
    storage = window.localStorage;
    storage.setItem(`${KEY}.test`, "1");
    storage.removeItem(`${KEY}.test`);
  } catch {
    forget();
  }

  // The state is read anew before each change, since another tab may have changed it.
  const asObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
  function read() {
    if (!storage) return memory;
    try {
      const { sites, images } = asObject(JSON.parse(storage.getItem(KEY)));
      return { sites: asObject(sites), images: asObject(images) };
    } catch {
      return { sites: {}, images: {} };
    }
  }
  function change(edit) {
    const state = read();
    edit(state);
    memory = state;
    try {
      if (storage) storage.setItem(KEY, JSON.stringify(state));
    } catch {
      forget();
    }
    render();
  }

  const rows = [...document.querySelectorAll("[data-key]")];
  const controls = [];  // a function each, that shows the state
  function render() {
    const state = read();
    for (const row of rows) row.dataset.mark = state.sites[row.dataset.key]?.mark || "";
    for (const show of controls) show(state);
  }
  function clone(id, label) {
    const group = document.getElementById(id).content.firstElementChild.cloneNode(true);
    group.setAttribute("aria-label", label);
    return group;
  }

  function addRowControl(row) {
    const { key, site, url } = row.dataset;
    const group = clone("mark-row", `Mark ${site}`);
    const buttons = [...group.querySelectorAll("button")];
    const note = group.querySelector("input");
    note.setAttribute("aria-label", `Note on ${site}`);
    function edit(update) {
      change(({ sites }) => {
        const entry = { ...{ mark: "", note: "" }, ...sites[key], ...update, site, url };
        if (entry.mark || entry.note) sites[key] = { ...entry, time: new Date().toISOString() };
        else delete sites[key];
      });
    }
    for (const button of buttons) {
      button.addEventListener("click", () => {
        edit({ mark: button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.mark });
      });
    }
    note.addEventListener("change", () => edit({ note: note.value.trim() }));
    controls.push(({ sites }) => {
      const entry = sites[key] || {};
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.mark === entry.mark));
      if (document.activeElement !== note) note.value = entry.note || "";
      group.dataset.note = entry.note || "";  // printed
    });
    row.querySelector(".mark-column").append(group);
    controls.at(-1)(read());
  }

  // Thousands of rows: each gets its buttons when it comes into view, or is printed with a mark.
  const waiting = new Map();  // cell → row
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) equip(target);
  }, { rootMargin: "1000px" });
  function equip(cell) {
    const row = waiting.get(cell);
    if (!row) return;
    waiting.delete(cell);
    observer.unobserve(cell);
    addRowControl(row);
  }

  function addImageControl(card) {
    const { sha256, path, target } = card.dataset;
    const id = `${target}\n${sha256}`;
    const group = clone("mark-image", `Does the image show ${target}?`);
    const buttons = [...group.querySelectorAll("button")];
    for (const button of buttons) {
      button.addEventListener("click", () => {
        const isPressed = button.getAttribute("aria-pressed") === "true";
        change(({ images }) => {
          if (isPressed) delete images[id];
          else images[id] = { target, sha256, shows: button.dataset.shows === "true", path };
        });
      });
    }
    controls.push(({ images }) => {
      const shows = images[id] ? String(images[id].shows) : "";
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.shows === shows));
    });
    card.querySelector(".pair").after(group);
  }

  // Excel recognises UTF-8 by the first character; a cell must not begin like a formula.
  const csvCell = (value) => {
    const inner = value.replace(/([;\t\r\n])(?=[\s\p{C}]*[=+\-@＝＋－＠])/gu, "$1'");
    const text = /^[\t\r\n]|^[\s\p{C}]*[=+\-@＝＋－＠]/u.test(inner) ? `'${inner}` : inner;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  function download(name, type, parts) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(parts, { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const heads = [...document.querySelectorAll("thead th[data-sort]")].slice(1);
  const targets = heads.map((head) => head.dataset.target);
  const cellsOf = (row) => [...row.querySelectorAll("td.cell")];

  function exportCsv() {
    const { sites } = read();
    const lines = [["site", "url", "mark", "note", "time", ...targets.flatMap((name) => [`${name}: decision`, `${name}: value`])]];
    for (const row of rows) {
      const entry = sites[row.dataset.key];
      if (!entry) continue;
      const decisions = cellsOf(row).flatMap((cell) => [cell.dataset.decision, cell.dataset.value || ""]);
      lines.push([row.dataset.site, row.dataset.url, entry.mark, entry.note, entry.time, ...decisions]);
    }
    download("marks.csv", "text/csv", ["\ufeff", lines.map((line) => `${line.map(csvCell).join(",")}\r\n`).join("")]);
  }

  // What a person said of an image counts more than what was said of its row.
  function exportMarks() {
    const { sites, images } = read();
    const all = new Map();
    for (const row of rows) {
      if (sites[row.dataset.key]?.mark !== "good") continue;
      cellsOf(row).forEach((cell, index) => {
        const { sha256, path } = cell.dataset;
        const target = targets[index];
        if (sha256) all.set(`${target}\n${sha256}`, { target, sha256, shows: true, path });
      });
    }
    for (const [id, mark] of Object.entries(images)) all.set(id, mark);
    const marks = [...all.values()];
    download("marks.json", "application/json", [`${JSON.stringify({ format: MARKS_FORMAT, marks }, null, 1)}\n`]);
  }

  document.querySelectorAll("li[data-sha256]").forEach(addImageControl);
  document.querySelectorAll(".mark-column, .actions").forEach((each) => { each.hidden = false; });
  for (const row of rows) {
    const cell = row.querySelector(".mark-column");
    waiting.set(cell, row);
    observer.observe(cell);
  }
  window.addEventListener("beforeprint", () => {
    const { sites } = read();
    for (const [cell, row] of [...waiting]) if (sites[row.dataset.key]) equip(cell);
  });
  document.getElementById("export-csv")?.addEventListener("click", exportCsv);
  document.getElementById("export-marks").addEventListener("click", exportMarks);
  window.addEventListener("storage", (event) => { if (event.key === KEY) render(); });
  window.addEventListener("pageshow", render);
  render();
})();
