"use strict";

// The page's colours, as plotly wants them: one template that all charts share.
function template() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: value("--line"), linecolor: value("--line"), zerolinecolor: value("--line"), ticks: "" };
  const bar = { outlinewidth: 0, thickness: 12, title: { side: "right" } };
  return {
    layout: {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: value("--ink") },
      xaxis: axis,
      yaxis: axis,
      hoverlabel: { bgcolor: value("--card"), bordercolor: value("--quiet"), font: { color: value("--ink") }, align: "left" },
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom" },
      margin: { l: 8, r: 12, t: 8, b: 8, pad: 0 },
      hovermode: "closest",
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", // a finger on a chart scrolls the page
      coloraxis: { colorbar: bar },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: value("--quiet"), activecolor: value("--ink") },
    },
  };
}

// Colours by the system or by the button; on paper those of the light theme, and charts as wide as it is.
function themes(redraw) {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)"), button = document.getElementById("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const show = () => {
    if (button) button.textContent = isDark() ? "Light theme" : "Dark theme"; // a frame has none
    for (const place of document.querySelectorAll(".js-plotly-plot")) fit(place);
    redraw();
  };
  const set = (key, value) => (value === undefined ? delete root.dataset[key] : (root.dataset[key] = value));
  let before;
  addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    set("theme", "light");
    set("paper", "");
    show();
  });
  addEventListener("afterprint", () => {
    set("theme", before);
    set("paper", undefined);
    show();
  });
  if (button) button.hidden = false;
  button?.addEventListener("click", () => {
    set("theme", isDark() ? "light" : "dark");
    show();
  });
  dark.addEventListener("change", show);
  show();
  let width = innerWidth, last;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // as a telephone's bar comes and goes
    width = innerWidth;
    clearTimeout(last); // plotly's own answer comes 100 ms after the last one
    last = setTimeout(() => document.querySelectorAll(".js-plotly-plot").forEach(fit), 200);
  });
}

// As large as its place. In a new width the lines of a legend are others, for which plotly makes room the second time.
function fit(place) {
  const look = { template: template() };
  Plotly.relayout(place, { ...look, autosize: true });
  if (place.querySelector(".legend")) Plotly.relayout(place, look);
}

// A chart stays in its page: plotly.js would offer to send it to a server.
const CONFIG = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};

function drawChart(place, data, layout) {
  const isLanes = data[0]?.type === "parcoords", isNew = !place.classList.contains("js-plotly-plot"), of = layout.uirevision;
  if (isLanes) data = [laid(place, data[0], of)];
  else if (isNew || views.get(place).of !== of) views.set(place, { of, ends: {} });
  const keys = isLanes ? LANE_KEYS : POINT_KEYS;
  place.setAttribute("aria-label", `${(place.getAttribute("aria-label") ?? "").replace(keys, "").trim()} ${keys}`);
  const drawn = Plotly.react(place, data, { ...layout, template: template() }, CONFIG);
  if (isNew) isLanes ? lanesBegin(place) : pointsBegin(place);
  if (isLanes) tellLane(place);
  else if (Object.keys(views.get(place).ends).length) Plotly.relayout(place, views.get(place).ends);
  return drawn;
}

// ---- all other charts, which are moved and zoomed, and whose points are told, as if by mouse

const POINT_KEYS = "Arrows move, plus and minus zoom, with Shift up and down upright, 0 shows all. n and p tell one point after another, c those of another line, h hides its line or shows it.";
// What a key does to the ends of an axis, in shares of its span.
const MOVES = {
  ArrowLeft: ["x", -0.1, -0.1], ArrowRight: ["x", 0.1, 0.1], "+": ["x", 0.1, -0.1], "=": ["x", 0.1, -0.1], "-": ["x", -0.125, 0.125],
  ArrowUp: ["y", 0.1, 0.1], ArrowDown: ["y", -0.1, -0.1], "Shift ArrowUp": ["y", 0.1, -0.1], "Shift ArrowDown": ["y", -0.125, 0.125],
};
const views = new WeakMap(); // by place: the ends that somebody has moved to by keyboard, which stay whatever comes anew, and what they are of

function moveOf({ key, shiftKey }) {
  return MOVES[shiftKey && key.startsWith("Arrow") ? `Shift ${key}` : key];
}

function pointsBegin(place) {
  const at = { line: null, step: 0 }; // which point is told
  place.tabIndex = 0;
  place.setAttribute("role", "application");
  place.addEventListener("blur", () => at.line === null || Plotly.Fx.unhover(place));
  place.closest("figure").append(Object.assign(document.createElement("p"), { className: "told", role: "status" }));
  place.on("plotly_relayout", () => { // by mouse, after keys
    const known = views.get(place), axis = (end) => place._fullLayout[end.replace(".range", "")];
    known.ends = Object.fromEntries(Object.keys(known.ends).filter((end) => !axis(end).autorange).map((end) => [end, [...axis(end).range]]));
  });
  place.addEventListener("keydown", (event) => {
    const { key } = event, move = moveOf(event);
    if (event.target !== place || event.ctrlKey || event.metaKey || event.altKey) return;
    if (move) moveView(place, ...move);
    else if (key === "0") showAllOf(place);
    else if (key === "h" && at.line !== null) place.querySelectorAll(".legend .traces").forEach((name) => name.__data__[0].trace.index === at.line && press(name));
    else if ("npc".includes(key)) tellPoint(place, at, key);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

// As plotly has it, so that logarithms, dates and axes upside down move alike.
function moveView(place, letter, by, to) {
  const ends = {};
  for (const [name, axis] of Object.entries(place._fullLayout).filter(([name, axis]) => name.startsWith(`${letter}axis`) && !axis.fixedrange)) {
    const [low, high] = axis.range.map(axis.r2l), span = high - low;
    ends[`${name}.range`] = [low + by * span, high + to * span].map((end) => axis.l2r(end));
  }
  Plotly.Fx.unhover(place); // it would stay where the point was
  Object.assign(views.get(place).ends, ends);
  Plotly.relayout(place, ends);
}

function showAllOf(place) {
  Plotly.Fx.unhover(place);
  views.get(place).ends = {};
  place.querySelector('.modebar-btn[data-title="Reset axes"]')?.click();
}

// A name in the legend, as by mouse.
function press(name) {
  for (const kind of ["mousedown", "mouseup"]) name.querySelector(".legendtoggle").dispatchEvent(new MouseEvent(kind, { bubbles: true }));
}

function tellPoint(place, at, key) {
  const told = [...place.data.keys()].filter((i) => pointsOf(place.data[i]).length);
  if (!told.length) return;
  const isOther = key === "c" || !told.includes(at.line);
  if (isOther) at.line = told[(told.indexOf(at.line) + 1) % told.length];
  const points = pointsOf(place.data[at.line]), step = isOther ? 0 : key === "n" ? 1 : -1;
  at.step = Math.min(Math.max(at.step + step, 0), points.length - 1);
  Plotly.Fx.hover(place, [{ curveNumber: at.line, ...whereOf(place.data[at.line], points[at.step]) }]);
  setTimeout(() => (place.closest("figure").querySelector(".told").textContent = toldIn(place)), 60); // plotly draws one in 50
}

// How plotly finds a point: of a heat map it knows no cell by its number, but by its values.
function whereOf({ type, x, y }, point) {
  if (type !== "heatmap") return { pointNumber: point };
  const [row, column] = point, value = (values, i) => (typeof values?.[i] === "number" ? values[i] : i);
  return { xval: value(x, column), yval: value(y, row) };
}

// What is told, line by line, as a screen reader has it.
function toldIn(place) {
  const lines = (text) => (text.querySelector(".line") ? [...text.querySelectorAll(".line")] : [text]).map((line) => line.textContent.trim());
  return [...place.querySelectorAll(".hoverlayer text")].flatMap(lines).filter(Boolean).join(", ");
}

// Places of the points of a line that say something, from left to right; of the cells of a heat map, row by row.
function pointsOf({ type, x, y, z, hoverinfo, visible }) {
  if (hoverinfo === "skip" || visible === false) return [];
  if (type === "heatmap") return [...z.keys()].flatMap((row) => [...z[row].keys()].map((column) => [row, column]));
  if (!x || !y) return [];
  const found = [...x.keys()].filter((i) => x[i] !== null && y[i] !== null);
  return found.every((i) => typeof x[i] === "number") ? found.sort((i, j) => x[i] - x[j]) : found;
}

// ---- parallel coordinates, whose axes are brushed and moved by mouse, by finger and by keyboard

const LANE_KEYS = "Left and right choose an axis, up and down move the least that is kept there, with Shift the most, Shift with left and right moves the axis, Escape keeps all again.";
const lanes = new WeakMap(); // by place: the trace as it came, the order of its axes, what is kept on each, and which one is chosen

// The trace as it is to be drawn: whatever comes anew, what somebody has done to it stays.
function laid(place, trace, of) {
  if (!lanes.has(place) || lanes.get(place).of !== of) lanes.set(place, { of, order: [], kept: new Map(), chosen: null });
  const state = lanes.get(place), byName = new Map(trace.dimensions.map((lane) => [lane.name, lane]));
  state.trace = trace;
  state.order = [...new Set([...state.order.filter((name) => byName.has(name)), ...byName.keys()])];
  const dimensions = state.order.map((name) => {
    const lane = byName.get(name), label = name === state.chosen ? `<b>▸ ${lane.label}</b>` : lane.label;
    return { ...lane, label, ...(state.kept.has(name) && { constraintrange: state.kept.get(name) }) };
  });
  return { ...trace, dimensions, uirevision: false }; // plotly would remember by the places of axes, which move
}

// Below the chart: what is kept.
function laneLine(place) {
  const figure = place.closest("figure");
  if (!figure.querySelector(".lane")) figure.append(Object.assign(document.createElement("p"), { className: "quiet lane" }));
  return figure.querySelector(".lane");
}

function lanesBegin(place) {
  place.tabIndex = 0;
  place.setAttribute("role", "application");
  const line = laneLine(place);
  place.addEventListener("touchstart", hold, { passive: false, capture: true });
  place.addEventListener("keydown", steerLanes);
  place.addEventListener("focus", () => line.setAttribute("role", "status")); // not each trial that comes is to be read out
  place.addEventListener("blur", () => line.removeAttribute("role"));
  place.addEventListener("focus", () => place.matches(":focus-visible") && !lanes.get(place).chosen && chooseLane(place, 0));
  place.on("plotly_restyle", () => { // by mouse
    const state = lanes.get(place), { dimensions } = place.data[0];
    state.order = dimensions.map((lane) => lane.name);
    state.kept = new Map(dimensions.filter((lane) => lane.constraintrange?.length).map((lane) => [lane.name, lane.constraintrange]));
    tellLane(place);
  });
}

// A finger on an axis, or on its name, drags it; anywhere else it scrolls the page.
function hold(event) {
  if (event.target.closest(".axis-brush, .axis-title")) event.preventDefault();
}

// What is kept on an axis, from place to place: a mouse may keep several stretches of it.
function stretches({ name, range }, kept) {
  const found = kept.get(name) ?? range;
  return Array.isArray(found[0]) ? found : [found];
}

// The first and the last step of an axis in a stretch; a mouse may have kept an end where there is none.
function stepsKept({ steps }, [low, high]) {
  const inside = [...steps.keys()].filter((i) => steps[i][0] >= low - 1e-6 && steps[i][1] <= high + 1e-6);
  return inside.length ? [inside[0], inside.at(-1)] : low > 0.5 ? [steps.length - 1, steps.length - 1] : [0, 0];
}

function stretchTold(lane, stretch) {
  const [first, last] = stepsKept(lane, stretch), lacks = lane.steps[first][2] === "–" && last > first;
  const low = lane.steps[first + lacks][2], high = lane.steps[last][2];
  return (lacks ? "– or " : "") + (low === high ? low : `${low} to ${high}`);
}

function passes(lane, kept, i) {
  return stretches(lane, kept).some(([low, high]) => lane.values[i] >= low - 1e-6 && lane.values[i] <= high + 1e-6);
}

function tellLane(place) {
  const { trace, kept, chosen } = lanes.get(place), all = trace.dimensions[0].values.length;
  const brushed = trace.dimensions.filter((lane) => kept.has(lane.name)), lane = trace.dimensions.find(({ name }) => name === chosen);
  const count = [...Array(all).keys()].filter((i) => brushed.every((one) => passes(one, kept, i))).length;
  const told = (lane) => `${lane.name}: ${stretches(lane, kept).map((each) => stretchTold(lane, each)).join(" and ")}`;
  const shown = [...(lane ? [lane] : []), ...brushed.filter((one) => one !== lane)];
  laneLine(place).textContent = [...shown.map(told), `${brushed.length ? `${count} of ` : ""}${all} trials`].join(", ");
}

function chooseLane(place, i) {
  const state = lanes.get(place);
  state.chosen = state.order[Math.min(Math.max(i, 0), state.order.length - 1)];
  lanesSoon(place);
}

function moveLane(place, by) {
  const { order, chosen } = lanes.get(place), from = order.indexOf(chosen), to = from + by;
  if (to >= 0 && to < order.length) [order[from], order[to]] = [order[to], order[from]];
  lanesSoon(place);
}

// Moves one end of what is kept on the chosen axis by a step; of all that it has, one step stays.
function narrowLane(place, isUpper, by) {
  const { trace, kept, chosen } = lanes.get(place), lane = trace.dimensions.find(({ name }) => name === chosen), end = lane.steps.length - 1;
  const parts = stretches(lane, kept);
  let first = stepsKept(lane, parts[0])[0], last = stepsKept(lane, parts.at(-1))[1];
  if (isUpper) last = Math.min(Math.max(last + by, first), end);
  else first = Math.min(Math.max(first + by, 0), last);
  if (first === 0 && last === end) kept.delete(chosen);
  else kept.set(chosen, [first ? lane.steps[first][0] : lane.range[0], last < end ? lane.steps[last][1] : lane.range[1]]);
  lanesSoon(place);
}

function freeLane(place) {
  const { kept, chosen } = lanes.get(place);
  if (!kept.delete(chosen)) kept.clear();
  lanesSoon(place);
}

function steerLanes(event) {
  const place = event.currentTarget, { order, chosen, kept } = lanes.get(place), { key, shiftKey } = event;
  if (event.target !== place || event.ctrlKey || event.metaKey || event.altKey) return;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 1, ArrowDown: -1 }[key];
  if (key === "Escape" ? !kept.size : !by) return; // the page's
  event.preventDefault();
  event.stopPropagation();
  if (key === "Escape") freeLane(place);
  else if (!chosen) chooseLane(place, 0);
  else if (key === "ArrowUp" || key === "ArrowDown") narrowLane(place, shiftKey, by);
  else if (shiftKey) moveLane(place, by);
  else chooseLane(place, order.indexOf(chosen) + by);
}

// Many keys may come between two frames.
function lanesSoon(place) {
  const state = lanes.get(place);
  tellLane(place);
  if (state.waits) return;
  state.waits = requestAnimationFrame(async () => {
    state.waits = 0;
    if (lanes.get(place) !== state) return;
    await Plotly.react(place, [laid(place, state.trace, state.of)], place.layout, CONFIG);
    const name = [...place.querySelectorAll(".axis-title")].find((title) => title.textContent.startsWith("▸"));
    const frame = place.closest(".scroll");
    if (!frame || !name) return;
    const [title, seen] = [name, frame].map((each) => each.getBoundingClientRect());
    frame.scrollLeft += Math.min(0, title.left - seen.left - 20) + Math.max(0, title.right - seen.right + 20);
  });
}
