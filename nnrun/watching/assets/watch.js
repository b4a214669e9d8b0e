"use strict";

// Rows come as they change, points of the chosen runs as they are trained; whatever a run is called is set as text.
const TOKEN = new URLSearchParams(location.search).get("token") ?? "";
const SETTINGS = JSON.parse(document.getElementById("settings").textContent);
const COLUMNS = [
  ["id", "run"], ["status", "status"], ["epochs", "epochs"], ["train_error", "train error"], ["dev_error", "dev error"],
  ["test_error", "test error"], ["seconds", "seconds"], ["created", "created"], ["parent", "parent"],
];
const PALETTE = ["#2a7fc1", "#c7700f", "#1f9470", "#a063b5", "#d0504a", "#8a7d1c", "#3c96a5", "#b5567e"];
const EPOCH = 0, SECONDS = 5;

const at = (id) => document.getElementById(id);
const rows = new Map(); // by id
const curves = new Map(); // points by id, of the chosen runs
let chosen = []; // ids in the order of their choice
let shown = null; // the run that is shown in full
let order = { key: "created", up: false };
let passing = null; // ids that fulfil the filter; null: all
let source = null;

function address(path, query = {}) {
  const found = new URL(path, location.href);
  found.search = "";
  found.searchParams.set("token", TOKEN);
  for (const [name, values] of Object.entries(query)) for (const value of [values].flat()) found.searchParams.append(name, value);
  return found;
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) value === false || made.setAttribute(key, value);
  return made;
}

// ---- the table

function told(key, value) {
  if (value === null || value === undefined) return "–";
  if (key.endsWith("_error")) return value > 10 ? "> 1000%" : (100 * value).toFixed(1) + "%";
  if (key === "seconds") return value < 10 ? value.toFixed(2) : String(Math.round(value));
  if (key === "created") return String(value).slice(0, 16).replace("T", " ");
  return String(value);
}

function compare(a, b) {
  const [x, y] = [a[order.key], b[order.key]];
  const lack = (x === null || x === undefined) - (y === null || y === undefined);
  if (lack) return lack;
  const less = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
  return order.up ? less : -less;
}

function head() {
  const row = element("tr");
  row.append(element("th", "", { "aria-label": "chosen" }));
  for (const [key, title] of COLUMNS) {
    const cell = element("th", undefined, { "aria-sort": order.key === key ? (order.up ? "ascending" : "descending") : "none" });
    const button = element("button", title, { type: "button", "data-key": key });
    button.addEventListener("click", () => {
      order = { key, up: order.key === key ? !order.up : key !== "created" };
      draw();
      document.querySelector(`#runs th button[data-key="${key}"]`).focus();
    });
    cell.append(button);
    row.append(cell);
  }
  return row;
}

function line(run) {
  const row = element("tr", undefined, { "data-id": run.id });
  row.classList.toggle("chosen", chosen.includes(run.id));
  row.classList.toggle("broken", run.status === "unreadable");
  const box = element("input", undefined, { type: "checkbox", "aria-label": `curves of ${run.id}` });
  box.checked = chosen.includes(run.id);
  box.disabled = run.status === "unreadable";
  box.addEventListener("change", () => choose(run.id, box.checked));
  const first = element("td");
  first.append(box);
  row.append(first);
  for (const [key] of COLUMNS) {
    const value = key === "epochs" && run.kind === "search" ? `${run.trials ?? 0} trials` : run[key];
    const cell = element("td", key === "id" ? undefined : told(key, value));
    if (key === "id") {
      cell.className = "name";
      if (chosen.includes(run.id)) cell.append(element("span", "", { class: "swatch", style: `background: ${colour(run.id)}` }));
      const button = element("button", run.id, { type: "button" });
      button.addEventListener("click", () => show(run.id));
      cell.append(button);
    } else if (key === "status") {
      cell.className = run.status;
      if (run.problem) cell.textContent = `unreadable: ${run.problem}`;
    } else if (typeof value === "number") cell.className = "number";
    row.append(cell);
  }
  return row;
}

function draw() {
  const focused = document.activeElement?.closest?.("#runs tr")?.dataset.id;
  const isBox = document.activeElement?.type === "checkbox";
  const kept = [...rows.values()].filter((run) => !passing || passing.has(run.id)).sort(compare);
  const top = element("thead");
  top.append(head());
  const body = element("tbody");
  body.append(...kept.map(line));
  at("runs").replaceChildren(top, body);
  at("found").textContent = kept.length === rows.size ? `${rows.size} runs` : `${kept.length} of ${rows.size} runs`;
  if (focused) {
    const again = [...body.rows].find((row) => row.dataset.id === focused);
    again?.querySelector(isBox ? "input" : "button")?.focus({ preventScroll: true });
  }
}

let drawing = false;
function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    draw();
  });
}

function colour(id) {
  return PALETTE[chosen.indexOf(id) % PALETTE.length];
}

async function filter() {
  const conditions = at("filter").value.trim().split(/\s+/).filter(Boolean);
  if (!conditions.length) passing = null;
  else {
    const answer = await fetch(address("selected", { filter: conditions }));
    if (!answer.ok) {
      at("found").textContent = await answer.text();
      return;
    }
    passing = new Set(await answer.json());
  }
  draw();
}

// ---- curves

function choose(id, on) {
  chosen = on ? [...chosen, id] : chosen.filter((other) => other !== id);
  if (!on) curves.delete(id);
  listen();
  draw();
  plotSoon();
}

// An exponentially weighted average, its bias towards 0 corrected: v ← βv + (1 − β)x, told is v / (1 − β^t).
function smooth(values, beta) {
  let v = 0, weight = 1;
  return values.map((x) => {
    if (x === null) return null;
    v = beta * v + (1 - beta) * x;
    weight *= beta;
    return v / (1 - weight);
  });
}

function traces() {
  const first = Number(at("what").value), beta = Number(at("beta").value), seconds = at("over").value === "seconds";
  return chosen.flatMap((id) => {
    const points = curves.get(id) ?? [];
    const x = points.map((point) => point[seconds ? SECONDS : EPOCH]);
    return [[first, "train", "dot"], [first + 1, "dev", "solid"]].map(([column, part, dash]) => ({
      type: "scatter", mode: points.length < 2 ? "markers" : "lines", name: `${part} ${id}`.replaceAll("<", "&lt;"),
      x, y: smooth(points.map((point) => point[column]), beta), line: { color: colour(id), dash, width: part === "dev" ? 2 : 1.3 },
    }));
  });
}

let plotting = false;
function plotSoon() {
  at("curves").hidden = !chosen.length;
  if (plotting || !chosen.length) return;
  plotting = true;
  setTimeout(async () => {
    plotting = false;
    await plotly();
    const error = at("what").value === "3";
    const yaxis = { title: { text: error ? "error" : "loss" }, type: at("log").checked ? "log" : "linear", automargin: true };
    if (error) yaxis.tickformat = "~%";
    const xaxis = { title: { text: at("over").value === "seconds" ? "seconds of training" : "epoch" }, automargin: true };
    Plotly.react(at("chart"), traces(), { xaxis, yaxis, template: template(), uirevision: "kept" }, CONFIG);
  }, 150);
}

const CONFIG = { responsive: true, displaylogo: false, showSendToCloud: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };

function template() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: value("--line"), linecolor: value("--line"), zerolinecolor: value("--line") };
  return { layout: {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", xaxis: axis, yaxis: axis,
    font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: value("--ink") },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, margin: { l: 8, r: 12, t: 8, b: 8 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: value("--quiet"), activecolor: value("--ink") }, hovermode: "closest",
    hoverlabel: { bgcolor: value("--card"), font: { color: value("--ink") } },
  } };
}

let loading = null;
function plotly() {
  loading ??= new Promise((done) => {
    const script = element("script", undefined, { src: address("charts.js") });
    script.nonce = document.querySelector("script[nonce]").nonce;
    script.addEventListener("load", done);
    document.head.append(script);
  });
  return loading;
}

// ---- one run

async function show(id) {
  shown = id;
  await detail();
  at("detail").scrollIntoView({ block: "start" });
  at("detail-title").setAttribute("tabindex", "-1");
  at("detail-title").focus({ preventScroll: true });
}

let took = 0; // milliseconds of the last time
async function detail() {
  const began = performance.now();
  const answer = await fetch(address("run", { id: shown }));
  if (!answer.ok) return void (at("detail").hidden = true);
  const found = await answer.json();
  took = performance.now() - began;
  if (found.id !== shown) return;
  at("detail").hidden = false;
  at("detail-title").textContent = found.id;
  at("verdict").textContent = found.problem ?? found.verdict;
  at("symptoms").replaceChildren(...found.symptoms.map((text) => element("li", text)));
  at("config").textContent = found.config.join("\n");
  at("logged").textContent = found.log.join("\n");
  at("commands").replaceChildren(...found.commands.map(command));
  acts(rows.get(shown));
  await draw_charts(found.charts);
}

function command({ why, command }) {
  const item = element("li", `${why}: `);
  const button = element("button", "copy", { type: "button" });
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(command);
    button.textContent = "copied";
    setTimeout(() => (button.textContent = "copy"), 1500);
  });
  const text = element("pre");
  text.append(element("code", command));
  item.append(button, text);
  return item;
}

async function draw_charts(charts) {
  if (charts.length) await plotly();
  const open = new Map([...at("charts").children].map((figure) => [figure.dataset.title, figure]));
  const figures = charts.map(({ title }) => open.get(title) ?? element("figure", undefined, { "data-title": title }));
  at("charts").replaceChildren(...figures); // before they are drawn, as plotly asks for their size
  charts.forEach(({ title, alt, note, height, data, layout }, i) => {
    const figure = figures[i];
    if (!figure.firstChild) {
      figure.append(element("figcaption"), element("div", undefined, { class: "chart", role: "img", style: `height: ${height}px` }));
      figure.firstChild.append(element("h3", title), element("p", note));
    }
    figure.lastChild.setAttribute("aria-label", alt);
    Plotly.react(figure.lastChild, data, { ...layout, template: template(), uirevision: "kept" }, CONFIG);
  });
}

function acts(run) {
  if (SETTINGS.readOnly || !run || !["running", "paused"].includes(run.status)) return at("acts").replaceChildren();
  if (at("acts").dataset.of === `${run.id} ${run.status}` && at("acts").childElementCount) return;
  at("acts").dataset.of = `${run.id} ${run.status}`;
  const made = (run.status === "paused" ? ["resume", "stop"] : ["pause", "stop"]).map((verb) => {
    const button = element("button", verb, { type: "button" });
    button.addEventListener("click", () => act({ do: verb, id: run.id }));
    return button;
  });
  if (run.kind === "run") {
    const form = element("form");
    const field = element("input", undefined, { type: "text", placeholder: "optimizer.learning_rate=0.001", "aria-label": "a change", size: 32 });
    const note = element("input", undefined, { type: "text", placeholder: "why", "aria-label": "why", size: 18 });
    form.append(field, " ", note, " ", element("button", "nudge", { type: "submit" }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      act({ do: "change", id: run.id, settings: field.value.split(/\s+/).filter(Boolean), note: note.value || null });
    });
    made.push(form);
  }
  at("acts").replaceChildren(...made);
}

async function act(asked) {
  const answer = await fetch(address("act"), {
    method: "POST", headers: { "Content-Type": "application/json", "X-Token": TOKEN }, body: JSON.stringify(asked),
  });
  at("answer").textContent = answer.ok ? `asked for: ${asked.do}; it is taken up at the end of the epoch` : await answer.text();
}

// ---- what comes

function listen() {
  source?.close();
  source = new EventSource(address("stream", { run: chosen }));
  let fresh = true;
  source.addEventListener("open", () => (at("state").textContent = "live"));
  source.addEventListener("error", () => (at("state").textContent = "waiting for nnrun watch"));
  source.addEventListener("rows", (event) => {
    const { rows: changed, gone } = JSON.parse(event.data);
    if (fresh) {
      const known = new Set(changed.map((run) => run.id));
      for (const id of [...rows.keys()]) if (!known.has(id)) rows.delete(id);
      fresh = false;
    }
    for (const run of changed) rows.set(run.id, run);
    for (const id of gone) {
      rows.delete(id);
      chosen = chosen.filter((other) => other !== id);
    }
    drawSoon();
    if (shown && changed.some((run) => run.id === shown)) detailSoon();
    if (passing) filterSoon();
  });
  source.addEventListener("curve", (event) => {
    const { id, from, points } = JSON.parse(event.data);
    curves.set(id, [...(curves.get(id) ?? []).slice(0, from), ...points]);
    plotSoon();
  });
}

function soon(call, wait) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      call();
    }, wait());
  };
}
const detailSoon = soon(detail, () => Math.max(1000, 10 * took)); // a search of many trials takes a while
const filterSoon = soon(filter, () => 1000);

function themes() {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)"), button = at("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const tell = () => {
    button.textContent = isDark() ? "Light theme" : "Dark theme";
    plotSoon();
    if (shown) detailSoon();
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });
  dark.addEventListener("change", tell);
  tell();
}

at("folder").textContent = SETTINGS.folder;
at("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  filter();
});
at("filter").addEventListener("input", soon(filter, () => 400));
for (const id of ["what", "over", "log"]) at(id).addEventListener("change", plotSoon);
at("beta").addEventListener("input", () => {
  at("beta-told").textContent = at("beta").value;
  plotSoon();
});
themes();
listen();
