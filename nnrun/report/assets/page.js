
"use strict";

// Charts are drawn when they come near the window, so that a long page opens as fast as a short one; before printing,
// all are.
function drawOnApproach() {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const waiting = new Set(document.querySelectorAll("[data-chart]"));
  const tell = () => (document.documentElement.dataset.waiting = String(waiting.size));
  const draw = (place) => {
    if (!waiting.delete(place)) return;
    const { data, layout } = charts[Number(place.dataset.chart)];
    drawChart(place, data, layout);
    tell();
  };
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((each) => each.isIntersecting)) {
        near.unobserve(entry.target);
        draw(entry.target);
      }
    },
    { rootMargin: "600px" },
  );
  tell();
  const isLanes = (place) => charts[Number(place.dataset.chart)].data[0]?.type === "parcoords";
  for (const place of waiting) if (isLanes(place)) laneLine(place); // so that the page is as high as with all drawn
  waiting.forEach((place) => near.observe(place));
  addEventListener("beforeprint", () => [...waiting].forEach(draw));
}

// Cells say in data-value what they are sorted by, where that is not what they show; empty ones come last.
function keyOf(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(text);
  return text === "" || Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
  return typeof a === "number" ? -1 : 1;
}

function sort(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const up = heads[column].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head, i) => head.setAttribute("aria-sort", i === column ? (up ? "ascending" : "descending") : "none"));
  const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
  rows.sort(([a], [b]) => (a === "" || b === "" || up ? compare(a, b) : compare(b, a)));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

function offerSorting() {
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, column));
      head.append(button);
      head.setAttribute("aria-sort", "none");
    });
  }
}

themes(() => {});
offerSorting();
if (document.querySelector("[data-chart]")) drawOnApproach();
