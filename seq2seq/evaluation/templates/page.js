"use strict";
// A text that a spreadsheet would compute begins with a quote.
const quoted = (text) => `"${text.replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
const csv = (table) => {
  const lines = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => {
    const record = [];
    for (const cell of row.cells) {
      const name = table.tHead.rows[0].cells[cell.cellIndex].textContent;
      record.push([name, cell.dataset.v]);
      for (const line of cell.querySelectorAll("dd")) {
        const text = line.querySelector("bdi").cloneNode(true), label = line.previousSibling.textContent;
        text.querySelectorAll("del").forEach((missing) => missing.remove());
        record.push([label, quoted(text.textContent)]);
        const errors = [...line.querySelectorAll(".tag")].map((tag) => tag.textContent);
        if (line.className) record.push([`errors of ${label}`, quoted(errors.join(", "))]);
      }
    }
    return record;
  });
  const names = lines.length ? lines[0].map(([name]) => quoted(name)) : [];
  return [names, ...lines.map((line) => line.map(([, value]) => value))].join("\r\n") + "\r\n";
};
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column], text = cell.dataset.v ?? cell.textContent;
    return cell.dataset.v === undefined ? text.toLowerCase() : Number(text);
  };
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    const keyed = rows.map((row, index) => [value(row, column), index, row]);
    keyed.sort((a, b) => (a[0] < b[0] ? -sign : a[0] > b[0] ? sign : a[1] - b[1]));
    body.append(...keyed.map(([, , row]) => row));
  }));
  const tools = table.parentElement.querySelector(".tools");
  if (!tools) continue;
  const input = tools.querySelector("input"), count = tools.querySelector("output");
  let texts;
  const filter = () => {
    texts ??= rows.map((row) => row.textContent.toLowerCase());
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = !words.every((word) => texts[index].includes(word));
      shown += !row.hidden;
    });
    count.textContent = words.length ? `${shown} of ${rows.length} shown` : "";
  };
  input.addEventListener("input", filter);
  tools.querySelector("button").addEventListener("click", () => {
    const link = document.createElement("a");
    // Spreadsheets read UTF-8 only after a byte-order mark.
    link.href = URL.createObjectURL(new Blob(["\ufeff", csv(table)], { type: "text/csv" }));
    link.download = "segments.csv";
    link.click();
  });
  tools.hidden = false;
  addEventListener("hashchange", () => {
    const row = document.getElementById(location.hash.slice(1));
    if (row?.hidden) { input.value = ""; filter(); row.scrollIntoView(); }
  });
}
