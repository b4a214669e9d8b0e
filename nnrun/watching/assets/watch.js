// Rows come as they change, points of the chosen runs as they are trained; whatever a run is called is set as text.
const TOKEN = new URLSearchParams(location.search).get("token") ?? "";
const SETTINGS = JSON.parse(document.getElementById("settings").textContent);
const ALL_COLUMNS = [
  ["id", "run"], ["status", "status"], ["epochs", "epochs"], ["best_epoch", "best epoch"], ["train_error", "train error"],
  ["dev_error", "dev error"], ["test_error", "test error"], ["error_is", "error is"], ["dev_loss", "dev loss"], ["dev_rmse", "dev RMSE"],
  ["best_trial", "best trial"], ["seconds", "seconds"], ["created", "created"], ["parent", "parent"], ["nudges", "nudges"],
  ["tags", "tags"], ["note", "note"],
];
const USUAL = ["status", "epochs", "train_error", "dev_error", "test_error", "seconds", "created", "parent"];
const KEPT = "nnrun.watch.columns"; // in the browser, for the next time
const WORTH = 1.02; // charts of one run are drawn anew when it has grown by so much

const at = (id) => document.getElementById(id);
const rows = new Map(); // by id
const curves = new Map(); // generation and points by id, of the chosen runs
let chosen = []; // ids in the order of their choice
let shown = null; // the run that is shown in full
let order = { key: "created", up: false };
let passing = null; // ids that fulfil the filter; null: all
let source = null;
let columns = new Set(keptColumns());
let areAlike = true; // whether all errors count each row alike: else it is said of each what it is

function keptColumns() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? USUAL;
  } catch {
    return USUAL;
  }
}

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

// A screen reader reads out what is set here, though it were the same again.
function announce(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

// As a shell has them, so that commands can be pasted; blanks in brackets belong to a word too.
function wordsOf(text) {
  const found = [];
  let word = null, quote = null, depth = 0;
  for (const sign of `${text} `) {
    const isQuote = quote ? sign === quote : `'"`.includes(sign);
    if (!quote) depth = Math.max(0, depth + "[{".includes(sign) - "]}".includes(sign));
    if (isQuote) quote = quote ? null : sign;
    if (isQuote && !depth) word ??= "";
    else if (quote || depth || !/\s/.test(sign)) word = (word ?? "") + sign;
    else if (word !== null) {
      found.push(word);
      word = null;
    }
  }
  return [...found, ...(word === null ? [] : [word.trim()])].filter((each) => each !== "--set"); // what nothing closes goes to the end
}

// Where nobody answers, the answer says so.
function ask(path, query, options) {
  return fetch(address(path, query), options).catch(() => new Response("nnrun watch does not answer; it may have ended", { status: 503 }));
}

// ---- the table

function told(run, key) {
  const value = run.told?.[key] ?? run[key];
  if (value === null || value === undefined) return "–";
  if (key === "seconds") return value < 10 ? value.toFixed(2) : String(Math.round(value));
  if (key === "created") return String(value).slice(0, 16).replace("T", " ");
  return Array.isArray(value) ? value.join(", ") : String(value);
}

// What a run is sorted by: an instant, whatever the clock of its place showed, and the trials or members that its line tells.
function rank(run, key) {
  if (key === "created" && run.created) return Date.parse(run.created);
  return key !== "epochs" ? run[key] : run.kind === "search" ? run.trials ?? 0 : run.members ?? run.epochs;
}

function compare(a, b) {
  const [x, y] = [a, b].map((run) => rank(run, order.key));
  const lack = (x === null || x === undefined) - (y === null || y === undefined);
  if (lack) return lack;
  const less = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
  return order.up ? less : -less;
}

function visible() {
  return ALL_COLUMNS.filter(([key]) => key === "id" || columns.has(key) || (key === "error_is" && !areAlike));
}

function offerColumns() {
  at("column-boxes").replaceChildren(...ALL_COLUMNS.slice(1).map(([key, title]) => {
    const label = element("label"), box = element("input", undefined, { type: "checkbox" });
    box.checked = columns.has(key);
    box.addEventListener("change", () => {
      box.checked ? columns.add(key) : columns.delete(key);
      try {
        localStorage.setItem(KEPT, JSON.stringify([...columns]));
      } catch {} // they hold until the page is closed
      draw();
    });
    label.append(box, ` ${title}`);
    return label;
  }));
}

function drawHead() {
  const made = JSON.stringify([order, visible()]), top = at("runs").tHead ?? at("runs").createTHead();
  if (top.dataset.made === made) return;
  top.dataset.made = made;
  const row = element("tr");
  row.append(element("th", "", { "aria-label": "chosen", scope: "col" }));
  for (const [key, title] of visible()) {
    const cell = element("th", undefined, { scope: "col", "aria-sort": order.key === key ? (order.up ? "ascending" : "descending") : "none" });
    const button = element("button", title, { type: "button", "data-key": key });
    button.addEventListener("click", () => {
      order = { key, up: order.key === key ? !order.up : key !== "created" };
      draw();
      document.querySelector(`#runs th button[data-key="${key}"]`).focus();
    });
    cell.append(button);
    row.append(cell);
  }
  top.replaceChildren(row);
}

// Lines are made anew where what they show has changed; of a thousand runs few have.
const lines = new Map();
function line(run, depth) {
  const state = JSON.stringify([run, depth, chosen.includes(run.id) && strokeOf(run.id), [...columns], areAlike]);
  const before = lines.get(run.id);
  if (before?.state === state) return before.row;
  const row = madeLine(run, depth);
  lines.set(run.id, { state, row });
  return row;
}

function madeLine(run, depth) {
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
  for (const [key] of visible()) {
    const cell = key === "id" ? element("th", undefined, { scope: "row" }) : element("td", told(run, key));
    if (key === "id") {
      cell.className = "name";
      if (depth) cell.style.paddingLeft = `${0.6 + 1.2 * depth}rem`;
      if (chosen.includes(run.id)) cell.append(element("span", "", { class: "swatch", style: strokeOf(run.id) }));
      const button = element("button", run.id, { type: "button" });
      button.addEventListener("click", () => show(run.id));
      cell.append(button);
    } else if (key === "status") {
      cell.className = run.status;
      if (run.problem) {
        cell.textContent = `unreadable: ${run.problem}`;
        cell.colSpan = visible().length - 1;
        cell.classList.add("problem");
        row.append(cell);
        break;
      }
    } else if (typeof run[key] === "number") cell.className = "number";
    row.append(cell);
  }
  return row;
}

// In their order; children behind their parents where that is wished, with how deep they stand.
function ordered(kept) {
  if (!at("tree").checked) return kept.map((run) => [run, 0]);
  const children = new Map([[null, []], ...kept.map((run) => [run.id, []])]);
  for (const run of kept) (children.get(run.parent) ?? children.get(null)).push(run);
  const found = [], seen = new Set();
  const add = (run, depth) => {
    if (seen.has(run.id)) return;
    seen.add(run.id);
    found.push([run, depth]);
    for (const child of children.get(run.id)) add(child, depth + 1);
  };
  for (const run of children.get(null)) add(run, 0);
  for (const run of kept) add(run, 0); // whose parents are each other's, in damaged files
  return found;
}

function draw() {
  const focused = document.activeElement?.closest?.("#runs tr")?.dataset.id;
  const isBox = document.activeElement?.type === "checkbox";
  const kept = [...rows.values()].filter((run) => !passing || passing.has(run.id)).sort(compare);
  areAlike = [...rows.values()].every((run) => (run.error_is ?? "plain") === "plain");
  drawHead();
  offerEnsemble();
  const body = at("runs").tBodies[0] ?? at("runs").createTBody();
  ordered(kept).forEach(([run, depth], i) => {
    const wanted = line(run, depth), there = body.rows[i];
    if (there?.dataset.id === run.id) there === wanted || there.replaceWith(wanted);
    else body.insertBefore(wanted, there ?? null);
  });
  while (body.rows.length > kept.length) body.lastElementChild.remove();
  announce("found", `${kept.length === rows.size ? "" : `${kept.length} of `}${rows.size} run${rows.size === 1 ? "" : "s"}`);
  if (focused && !body.contains(document.activeElement)) {
    const again = [...body.rows].find((row) => row.dataset.id === focused);
    again?.querySelector(isBox ? "input" : "button")?.focus({ preventScroll: true });
  }
}

// ↑ and ↓ go from run to run, / to the filter, Escape back to the table.
function walk(event) {
  const here = document.activeElement, isText = here?.matches?.("input[type=text], select");
  const line = here?.closest?.("#runs tbody tr");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !isText) at("filter").focus();
  else if (event.key === "Escape" && here !== document.body) (document.querySelector("#runs tbody tr.chosen input") ?? document.querySelector("#runs tbody input:enabled"))?.focus();
  else if (line && ["ArrowDown", "ArrowUp"].includes(event.key)) {
    const next = event.key === "ArrowDown" ? line.nextElementSibling : line.previousElementSibling;
    (next?.querySelector(here.type === "checkbox" ? "input:enabled" : "button") ?? next?.querySelector("button"))?.focus();
  } else return;
  event.preventDefault();
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

async function filter() {
  const conditions = wordsOf(at("filter").value);
  if (!conditions.length) passing = null;
  else {
    const answer = await ask("selected", { filter: conditions });
    if (!answer.ok) {
      announce("found", await answer.text());
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
  listenSoon();
  drawSoon();
  plotSoon();
  compareSoon();
}

// An ensemble of what is chosen, once all of it is done; a button that stays the same keeps the focus.
function offerEnsemble() {
  const place = at("together"), isDone = (run) => run?.kind === "run" && run.status === "done";
  const ids = !SETTINGS.readOnly && chosen.length > 1 && chosen.every((id) => isDone(rows.get(id))) ? chosen : [];
  if (place.dataset.ids === ids.join()) return;
  place.dataset.ids = ids.join();
  const button = element("button", `ensemble of these ${ids.length}`, { type: "button" });
  button.addEventListener("click", () => act({ do: "ensemble", ids }, at("together-answer")));
  place.replaceChildren(...(ids.length ? [button] : []));
}

async function compareChosen() {
  const asked = chosen.join();
  at("differences").replaceChildren();
  if (chosen.length < 2) return;
  const answer = await ask("differences", { run: chosen });
  if (!answer.ok || asked !== chosen.join()) return;
  const { runs, settings } = await answer.json();
  const top = element("tr"), head = element("thead"), body = element("tbody");
  top.append(...["setting", ...runs].map((title) => element("th", title, { scope: "col" })));
  head.append(top);
  body.append(...Object.entries(settings).map(([key, values]) => {
    const row = element("tr");
    row.append(element("th", key, { scope: "row" }), ...values.map((value) => element("td", value)));
    return row;
  }));
  const caption = element("caption", body.rows.length ? "Where their configs differ" : "Their configs are the same");
  at("differences").replaceChildren(caption, ...(body.rows.length ? [head, body] : []));
}

// A library, which is loaded where something needs it.
const loading = new Map();
function library(path) {
  if (!loading.has(path)) loading.set(path, new Promise((done) => {
    const script = element("script", undefined, { src: address(path) });
    script.nonce = document.querySelector("script[nonce]").nonce;
    script.addEventListener("load", done);
    document.head.append(script);
  }));
  return loading.get(path);
}

// ---- one run

async function show(id) {
  if (id !== shown) at("answer").textContent = ""; // which was another run's
  shown = id;
  const title = at("detail-title"), scroll = () => at("detail").scrollIntoView({ block: "start" });
  let top;
  await detail(() => { // before the charts: who types by then must not lose the focus to the title
    scroll();
    title.setAttribute("tabindex", "-1");
    title.focus({ preventScroll: true });
    top = scrollY;
  });
  if (scrollY === top && document.activeElement === title) scroll(); // of a large window the page was too short before
}

const UNTOLD = { system: "", symptoms: [], config: [], log: [], commands: [], charts: [] }; // of a run that nobody tells of
let took = 0; // milliseconds of the last time
let charted = {}; // what the charts are of
function isWorth(run) {
  const grown = (key) => (run?.[key] ?? 0) >= Math.max(1 + (charted[key] ?? 0), WORTH * (charted[key] ?? 0));
  return !run || charted.id !== run.id || charted.status !== run.status || charted.best_trial !== run.best_trial || grown("epochs") || grown("trials");
}

async function detail(onceTold) {
  const began = performance.now(), run = rows.get(shown), worth = isWorth(run);
  const answer = await ask("run", { id: shown, charts: worth ? "1" : "0" });
  if (answer.status === 404) return void (at("detail").hidden = true);
  const found = answer.ok ? await answer.json() : { ...UNTOLD, id: shown, problem: await answer.text() };
  took = performance.now() - began;
  if (found.id !== shown) return;
  at("detail").hidden = false;
  at("detail-title").textContent = found.id;
  at("verdict").textContent = found.problem ?? found.verdict;
  at("system").textContent = found.system;
  at("save").href = address("report", { id: found.id });
  at("symptoms").replaceChildren(...found.symptoms.map((text) => element("li", text)));
  at("config").textContent = found.config.join("\n");
  at("logged").textContent = found.log.join("\n");
  at("commands").replaceChildren(...found.commands.map(command));
  acts(rows.get(shown));
  onceTold?.();
  if (!worth) return;
  charted = answer.ok ? { ...run } : {};
  await drawCharts(found.charts);
  took = performance.now() - began;
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

async function drawCharts(charts) {
  if (charts.length) await library("plotly.js");
  const open = new Map([...at("charts").children].map((figure) => [figure.dataset.title, figure]));
  const figures = charts.map(({ title }) => open.get(title) ?? element("figure", undefined, { "data-title": title }));
  if (figures.length !== open.size || figures.some((figure, i) => figure !== at("charts").children[i])) { // else what has the focus keeps it
    at("charts").replaceChildren(...figures); // before they are drawn, as plotly asks for their size
  }
  charts.forEach(({ title, alt, note, height, least_width, data, layout }, i) => {
    const figure = figures[i];
    if (!figure.firstChild) {
      const frame = element("div", undefined, least_width ? { class: "scroll", role: "region", "aria-label": title } : {});
      frame.append(element("div", undefined, { class: "chart", role: "img" }));
      figure.append(element("figcaption"), frame);
      figure.firstChild.append(element("h3", title), element("p"));
    }
    const place = figure.querySelector(".chart");
    figure.querySelector("figcaption p").textContent = note; // a figure may have been another run's, or of fewer epochs
    const size = `height: ${height}px; min-width: ${least_width}px;`, fits = place.style.cssText === size || !place.data;
    place.style.cssText = size;
    place.setAttribute("aria-label", alt);
    drawChart(place, data, { ...layout, uirevision: charted.id });
    if (!fits) fit(place);
  });
}

// What the run can be asked for. A form that stays the same keeps its words and the focus; of a button that is gone the
// focus goes to the first one.
function acts(run) {
  const place = at("acts"), before = place.querySelector("form"), hadFocus = place.contains(document.activeElement);
  if (SETTINGS.readOnly || !run) return place.replaceChildren();
  if (place.dataset.of === `${run.id} ${run.status}` && place.childElementCount) return;
  place.dataset.of = `${run.id} ${run.status}`;
  const verbs = { running: ["pause", "stop"], paused: ["resume", "stop"], interrupted: ["resume"], failed: ["resume"] };
  const make = run.kind !== "run" ? null : ["running", "paused"].includes(run.status) ? nudge : run.epochs ? rewind : null;
  const made = (verbs[run.status] ?? []).map((verb) => {
    const isChanged = verb === "resume" && make === rewind; // what goes on is another one then, which has no such form
    const button = element("button", verb, { type: "button", title: isChanged ? "from its last epoch on; with a change, as a child run" : "" });
    button.addEventListener("click", () => act({ do: verb, id: run.id, settings: isChanged ? changeIn(place) : [] }));
    return button;
  });
  const of = make && `${run.id} ${make.name}`, stays = of !== null && before?.dataset.of === of;
  for (const child of [...place.children]) if (!stays || child !== before) child.remove();
  place.prepend(...made);
  if (make && !stays) {
    place.append(make(run));
    place.lastChild.dataset.of = of;
  }
  if (hadFocus && !place.contains(document.activeElement)) place.querySelector("button")?.focus();
}

function field(label, placeholder, size, value = "") {
  return element("input", undefined, { type: "text", placeholder, "aria-label": label, size, value });
}

function form(verb, fields, asked) {
  const made = element("form");
  made.append(...fields.flatMap((each) => [each, " "]), element("button", verb, { type: "submit" }));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    act(asked());
  });
  return made;
}

const SETTING = "optimizer.learning_rate=0.001", CHANGE = "a change";

function changeIn(form) {
  return wordsOf(form.querySelector(`[aria-label="${CHANGE}"]`).value);
}

function nudge(run) {
  const change = field(CHANGE, SETTING, 32), note = field("why", "why", 18);
  return form("nudge", ["change", change, "because", note], () => ({ do: "change", id: run.id, settings: wordsOf(change.value), note: note.value || null }));
}

function rewind(run) {
  const to = field("the epoch to go on from: best, last, or its number", "epoch", 6, "best"), change = field(CHANGE, SETTING, 32);
  return form("rewind", ["go on from", to, "with", change], () => ({ do: "rewind", id: run.id, to: to.value.trim(), settings: wordsOf(change.value) }));
}

async function act(asked, place = at("answer")) {
  place.textContent = "…";
  const answer = await ask("act", {}, {
    method: "POST", headers: { "Content-Type": "application/json", "X-Token": TOKEN }, body: JSON.stringify(asked),
  });
  place.textContent = answer.ok ? (await answer.json()).told : await answer.text();
}

// ---- what comes

at("state").textContent = "connecting";
let look = 0; // how far the rows have come
function listen() {
  source?.close();
  if (document.hidden) return; // a browser has six connections to a server, whatever the number of its tabs
  const from = chosen.map((id) => (curves.has(id) ? `${curves.get(id).generation}:${curves.get(id).points.at(-1)?.[LINE] ?? 0}` : "none"));
  source = new EventSource(address("stream", { look, run: chosen, from }));
  source.addEventListener("open", () => announce("state", "live"));
  source.addEventListener("error", ({ target }) => { // one that is refused does not ask again
    announce("state", target.readyState === EventSource.CLOSED ? "not served any more: open the address that nnrun watch printed last" : "waiting for nnrun watch");
  });
  source.addEventListener("rows", (event) => {
    const { look: now, whole, rows: changed, gone } = JSON.parse(event.data);
    look = now;
    if (whole) rows.clear();
    for (const run of changed) rows.set(run.id, run);
    gone.forEach(forget);
    drawSoon();
    const isOther = changed.some((run) => run.id === shown);
    if (isOther && at("detail-title").textContent === shown) acts(rows.get(shown)); // what it can be asked for does not wait
    if (gone.includes(shown) || isOther) detailSoon();
    if (passing) filterSoon();
  });
  source.addEventListener("curve", (event) => {
    const { id, generation, points } = JSON.parse(event.data);
    if (!chosen.includes(id)) return;
    const before = curves.get(id);
    const last = before?.generation === generation ? before.points.at(-1)?.[LINE] ?? 0 : 0;
    const fresh = points.filter((point) => point[LINE] > last); // a stream that was broken off tells some again
    curves.set(id, { generation, points: bounded([...(last ? before.points : []), ...fresh]) });
    plotSoon();
  });
}

function forget(id) {
  for (const map of [rows, lines]) map.delete(id);
  if (chosen.includes(id)) choose(id, false);
}

// So many points are kept of a curve, as on the server.
const MOST = 4000;
function bounded(points) {
  if (points.length <= MOST) return points;
  const x = points.map((point) => point[LINE]), y = points.map((point) => point[2] ?? point[1]);
  return thinned(x, y, MOST / 2, [-Infinity, Infinity]).map((i) => points[i]);
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
const detailSoon = soon(detail, () => Math.min(10_000, Math.max(1000, 20 * took))); // a search of many trials takes a while
const filterSoon = soon(filter, () => 1000);
const listenSoon = soon(listen, () => 30), compareSoon = soon(compareChosen, () => 60);

at("folder").textContent = SETTINGS.folder;
at("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  filter();
});
at("filter").addEventListener("input", soon(filter, () => 400));
at("tree").addEventListener("change", draw);
document.addEventListener("keydown", walk);
document.addEventListener("visibilitychange", listen);
offerColumns();
curvesBegin();
themes(() => {
  if (!chosen.length) return;
  graph?.setSize(sizeOf(at("chart"))); // before what is printed, for which nobody waits
  plot();
});
listen();
