// The curves of the chosen runs, drawn by uPlot on a canvas at each new epoch, for which plotly takes 40 ms whatever is in
// them. watch.js has what was chosen, and the points that have come.
//
// Colours and dashes are those of charts.py: each four colours are told apart by the colour-blind, and the next have other dashes.
const PALETTE = ["#2a7fc1", "#c7700f", "#1f9470", "#d0504a", "#a063b5", "#8a7d1c", "#3c96a5", "#b5567e"], TOLD_APART = 4;
const PARTS = {
  train: { column: 0, dashes: [[2, 3], [2, 9], [2, 3, 2, 9]], width: 1.3 },
  dev: { column: 1, dashes: [[], [9, 9], [9, 3, 3, 3]], width: 2 },
};
const EPOCH = 0, LINE = 7; // places in a point: see NAMES of curves.py
const FEW = 12; // runs, beyond which the table is the legend, and lines are one pixel wide, which is drawn ten times as fast
const LOOKS = Object.keys(PARTS).flatMap((part) => Array.from({ length: FEW }, (_, place) => ({ part, place }))); // dev above train
const MOST_DRAWN = { wide: 6000, thin: 20000 }; // points of all curves together: more cost time and show nothing more
const NEAR = 40; // pixels from the mouse to the point that it means
const NOTHING = { points: [] }; // the curve of a run of which none has come

const hidden = new Set(); // parts and ids that are left out by way of the legend
let view = { x: null, y: null }; // the ends that somebody has zoomed to; null: all is shown
let shownLines = []; // what is drawn: id, part, place among the looks, and the points
let pointed = null; // the point that is told: its line's id and part, and its x
let graph = null; // uPlot's, for axes that look so
let madeFor = "";

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

// Places of at most so many of these values between two ends of x: the first, the last, and of each stretch the lowest and
// the highest, so that no spike is lost. One more on each side, for the line to go on to the edge.
function thinned(x, y, most, [low, high]) {
  let first = 0, end = x.length;
  while (first < end && x[first] < low) first++;
  while (end > first && x[end - 1] > high) end--;
  first = Math.max(0, first - 1);
  end = Math.min(x.length, end + 1);
  const size = Math.ceil(2 * (end - first) / most);
  if (size < 3) return Array.from({ length: end - first }, (_, i) => first + i);
  const kept = new Set([first]);
  for (let start = first; start < end; start += size) {
    let lowest = start, highest = start;
    for (let i = start; i < Math.min(start + size, end); i++) {
      if (y[i] === null || y[lowest] === null || y[i] < y[lowest]) lowest = i;
      if (y[i] !== null && (y[highest] === null || y[i] > y[highest])) highest = i;
    }
    kept.add(Math.min(lowest, highest)).add(Math.max(lowest, highest));
  }
  return [...kept.add(end - 1)];
}

// What is drawn of a column of a curve; kept until the curve grows, as of many curves few do.
const drawnOf = new WeakMap();
function drawn(curve, column, over, beta, most, seen) {
  const made = [over, beta, most, ...seen].join();
  if (!drawnOf.has(curve)) drawnOf.set(curve, new Map());
  const before = drawnOf.get(curve).get(column);
  if (before?.made === made) return before.line;
  const x = curve.points.map((point) => point[over] ?? point[EPOCH]); // a search has no steps
  const y = smooth(curve.points.map((point) => point[column]), beta), kept = thinned(x, y, most, seen);
  const line = { x: kept.map((i) => x[i]), y: kept.map((i) => y[i]) };
  drawnOf.get(curve).set(column, { made, line });
  return line;
}

function wantedLines() {
  const first = Number(at("what").value), beta = Number(at("beta").value), over = Number(at("over").value);
  const most = Math.max(40, MOST_DRAWN[areMany() ? "thin" : "wide"] / (2 * chosen.length)), seen = view.x ?? [-Infinity, Infinity];
  return chosen.filter((id) => !hidden.has(id)).flatMap((id) =>
    Object.entries(PARTS).filter(([part]) => !hidden.has(part)).map(([part, { column }]) => ({
      id, part, place: placeOf(id), ...drawn(curves.get(id) ?? NOTHING, first + column, over, beta, most, seen),
    })));
}

const areMany = () => chosen.length > FEW;

const placeOf = (id) => chosen.indexOf(id) % (areMany() ? PALETTE.length : FEW);
const colourAt = (place) => PALETTE[place % PALETTE.length];
const dashAt = (place, part) => PARTS[part].dashes[areMany() ? 0 : Math.floor(place / TOLD_APART)];

// A piece of a run's dev line, as a style.
function strokeOf(id) {
  const place = placeOf(id), colour = colourAt(place), dash = dashAt(place, "dev");
  let end = 0;
  const stops = dash.map((length, i) => `${i % 2 ? "transparent" : colour} ${end}px ${(end += length)}px`);
  return `background: ${stops.length ? `repeating-linear-gradient(90deg, ${stops})` : colour}`;
}

// ---- axes

const isShown = (value, isLog) => value !== null && (!isLog || value > 0);

// The ends of both axes: those that were zoomed to, else of x all, and of y what is seen then and a little more.
function limits(isLog) {
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  if (view.x) [left, right] = view.x;
  else for (const { x } of shownLines) if (x.length) left = Math.min(left, x[0]), right = Math.max(right, x.at(-1));
  if (left > right) [left, right] = [0, 1];
  if (left === right) [left, right] = [left - 0.5, right + 0.5];
  if (view.y) return { x: [left, right], y: view.y };
  for (const { x, y } of shownLines) {
    for (let i = 0; i < x.length; i++) {
      if (!isShown(y[i], isLog) || x[i] < left || x[i] > right) continue;
      if (y[i] < low) low = y[i];
      if (y[i] > high) high = y[i];
    }
  }
  if (low > high) [low, high] = [0.1, 1];
  if (isLog) return { x: [left, right], y: [low / 1.1 / (high / low) ** 0.03, high * 1.1 * (high / low) ** 0.03] };
  const margin = 0.05 * (high - low || Math.abs(high) || 1);
  return { x: [left, right], y: [low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin] };
}

// Ticks of an axis of logarithms: 1, 2 and 5 of few decades, 1 of many, and of less than one steps as on other axes.
function decades(low, high) {
  const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high)), span = Math.log10(high / low), found = [];
  if (span < 1) {
    const rough = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(rough)), step = unit * [1, 2, 5, 10].find((by) => by * unit >= rough);
    for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
  } else {
    const by = Math.ceil(span / 8);
    for (let k = from; k <= to; k++) if (k % by === 0) for (const digit of span < 3 ? [1, 2, 5] : [1]) found.push(digit * 10 ** k);
  }
  return found.filter((value) => value >= low && value <= high);
}

function valueTold(value, isError, digits = 4) {
  return isError ? `${Number((100 * value).toPrecision(digits))}%` : String(Number(value.toPrecision(digits)));
}

// An axis is as wide as its words.
function widthOf(values) {
  const pen = (widthOf.pen ??= document.createElement("canvas").getContext("2d"));
  pen.font = fontOf();
  return 12 + Math.max(20, ...(values ?? []).map((text) => pen.measureText(text ?? "").width));
}

const fontOf = () => `12px ${getComputedStyle(document.body).fontFamily}`;

// ---- drawing

let plotting = false, drawnIn = 0; // milliseconds of the last time
function plotSoon() {
  at("curves").hidden = !chosen.length;
  if (plotting || !chosen.length) return;
  plotting = true;
  setTimeout(plot, Math.max(100, 5 * drawnIn));
}

async function plot() {
  await library("uplot.js");
  plotting = false;
  if (!chosen.length) return;
  const began = performance.now(), isLog = at("log").checked;
  shownLines = wantedLines();
  drawLegend();
  make(isLog);
  const { x, y } = limits(isLog);
  graph.batch(() => {
    graph.setData([null, ...LOOKS.map((look) => [shownLines.filter((one) => one.part === look.part && one.place === look.place), []])], false);
    graph.setScale("x", { min: x[0], max: x[1] });
    graph.setScale("y", { min: y[0], max: y[1] });
  });
  tell(pointed);
  drawnIn = performance.now() - began;
}

// What x is of these; a search counts trials, where a run counts epochs or steps.
function axisOf(ids) {
  const { axis, counts } = at("over").selectedOptions[0].dataset, searches = ids.filter((id) => rows.get(id)?.kind === "search").length;
  if (!counts || !searches) return axis;
  return searches === ids.length ? "trials" : `${axis}, of a search trials`;
}

// What errors or losses of these are called; those of several kinds cannot be compared, which is said.
function measureOf(ids) {
  const isError = at("what").value === "3", word = isError ? "error" : "loss", known = ids.map((id) => rows.get(id)?.error_is).filter(Boolean);
  const kinds = [...new Set(known.map((kind) => isError ? kind : kind.replace(/^1 − R²/, "plain").replace(" 1 − R²", "")))], [kind = "plain"] = kinds;
  if (kinds.length > 1) return `${word}, not to be compared: ${kinds.join(", ")}`;
  const [own] = kind.split(" of the log"), scale = kind.slice(own.length);
  return (own === "plain" ? word : own.endsWith("R²") ? own : `${own} ${word}`) + scale;
}

// Axes of another kind or in other colours are another chart.
function make(isLog) {
  const style = getComputedStyle(document.documentElement), value = (name) => style.getPropertyValue(name).trim();
  const isError = at("what").value === "3", title = axisOf(chosen), measure = measureOf(chosen);
  const look = { stroke: value("--ink"), font: fontOf(), labelFont: fontOf(), labelSize: 20, labelGap: 0, ticks: { show: false }, grid: { stroke: value("--line"), width: 1 } };
  const wanted = JSON.stringify([isLog, isError, title, measure, look, areMany(), devicePixelRatio]);
  if (wanted === madeFor) return;
  madeFor = wanted;
  graph?.destroy();
  const values = (_, splits) => splits.map((split) => valueTold(split, isError));
  const logAxis = isLog ? { splits: (_u, _i, low, high) => decades(low, high), filter: (_, splits) => splits } : {};
  graph = new uPlot({
    mode: 2, ...sizeOf(at("chart")), padding: [8, 24, 0, 0], legend: { show: false },
    scales: { x: { time: false, auto: false }, y: { auto: false, distr: isLog ? 3 : 1 } },
    axes: [{ ...look, scale: "x", label: title, size: 30 }, { ...look, scale: "y", label: measure, values, size: (_, told) => widthOf(told), ...logAxis }],
    series: [null, ...LOOKS.map(({ part, place }) => ({
      facets: [{ scale: "x", auto: false }, { scale: "y", auto: false }], stroke: colourAt(place), dash: dashAt(place, part), width: areMany() ? 1 : PARTS[part].width,
      points: { show: false }, paths,
    }))],
    cursor: {
      y: false, points: { show: false }, dataIdx: () => null, drag: { x: true, y: true, uni: 30, dist: 5, setScale: false },
      bind: { dblclick: () => () => showAll() },
    },
    hooks: { setSelect: [zoomTo], setCursor: [point] },
  }, [null, ...LOOKS.map(() => [[], []])], at("chart"));
}

const sizeOf = (place) => ({ width: Math.max(200, place.clientWidth), height: place.clientHeight });

// The lines of one look as one path; a gap where there is no value, a dot where it stands between two of them.
function paths(graph, series) {
  const stroke = new Path2D(), isLog = graph.scales.y.distr === 3;
  for (const { x, y } of graph.data[series][0]) {
    let goesOn = false;
    for (let i = 0; i < x.length; i++) {
      if (!isShown(y[i], isLog)) {
        goesOn = false;
        continue;
      }
      const left = graph.valToPos(x[i], "x", true), top = graph.valToPos(y[i], "y", true);
      if (goesOn) stroke.lineTo(left, top);
      else if (i + 1 < x.length && isShown(y[i + 1], isLog)) stroke.moveTo(left, top);
      else {
        stroke.moveTo(left + 3, top);
        stroke.arc(left, top, 3, 0, 2 * Math.PI);
      }
      goesOn = true;
    }
  }
  return { stroke, fill: null, clip: null, flags: 0 };
}

// ---- zooming

// The ends of x that somebody has zoomed to; null: all is shown.
const zoomed = () => view.x;

function showAll() {
  view = { x: null, y: null };
  plotSoon();
}

// What the mouse has drawn a box around.
function zoomTo(graph) {
  const { left, top, width, height } = graph.select, { clientWidth, clientHeight } = graph.over;
  if (!width && !height) return;
  const ends = (scale, from, to) => [graph.posToVal(from, scale), graph.posToVal(to, scale)];
  if (width && width < clientWidth) view.x = ends("x", left, left + width);
  if (height && height < clientHeight) view.y = ends("y", top + height, top);
  graph.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  plotSoon();
}

// ← → ↑ ↓ move the chart, + − zoom, with Shift ↑ ↓ upright; 0 shows all; n and p go along a curve, c to another one.
function steer(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (move(event.key, moveOf(event))) event.preventDefault();
}

function move(key, ofAxis = MOVES[key]) {
  if (!graph) return false;
  if (key === "0") showAll();
  else if (key === "n" || key === "p") walkAlong(key === "n" ? 1 : -1);
  else if (key === "c") anotherLine();
  else if (ofAxis) {
    const [axis, by, to] = ofAxis, isLog = at("log").checked, decimal = isLog && axis === "y";
    const there = decimal ? Math.log10 : (value) => value, back = decimal ? (value) => 10 ** value : there;
    const [low, high] = limits(isLog)[axis].map(there), span = high - low; // several keys may come between two drawings
    view = { ...view, [axis]: [back(low + by * span), back(high + to * span)] };
    plotSoon();
  } else return false;
  return true;
}

// ---- the point that is told

// The nearest one to the mouse, if it is near.
function point(graph) {
  const { left, top } = graph.cursor, isLog = graph.scales.y.distr === 3;
  if (left === null || left < 0) return void (pointed?.byMouse && tell(null));
  let nearest = NEAR ** 2, found = null;
  for (const line of shownLines) {
    for (let i = 0; i < line.x.length; i++) {
      if (!isShown(line.y[i], isLog)) continue;
      const across = graph.valToPos(line.x[i], "x") - left;
      if (across * across >= nearest) continue;
      const far = across ** 2 + (graph.valToPos(line.y[i], "y") - top) ** 2;
      if (far < nearest) [nearest, found] = [far, { id: line.id, part: line.part, x: line.x[i], byMouse: true }];
    }
  }
  tell(found);
}

const lineOf = (point) => shownLines.find((line) => line.id === point?.id && line.part === point?.part);

// Places of a line that are in sight.
function inSight({ x, y }) {
  const { min, max, distr } = { ...graph.scales.x, distr: graph.scales.y.distr };
  return [...x.keys()].filter((i) => x[i] >= min && x[i] <= max && isShown(y[i], distr === 3));
}

function nearestTo(line, x) {
  return inSight(line).reduce((best, i) => (best === null || Math.abs(line.x[i] - x) < Math.abs(line.x[best] - x) ? i : best), null);
}

function walkAlong(step) {
  const line = lineOf(pointed);
  if (!line) return anotherLine();
  const places = inSight(line), next = places[places.indexOf(nearestTo(line, pointed.x)) + step];
  if (next !== undefined) tell({ id: line.id, part: line.part, x: line.x[next] });
}

function anotherLine() {
  const found = shownLines.filter((line) => inSight(line).length);
  const next = found[(found.indexOf(lineOf(pointed)) + 1) % found.length];
  if (next) tell({ id: next.id, part: next.part, x: pointed?.x ?? next.x[inSight(next)[0]] });
}

// Beside it: whose it is, and what it says.
function tell(point) {
  const line = lineOf(point), i = line ? nearestTo(line, point.x) : null, place = at("point");
  pointed = i === null ? null : point;
  place.hidden = i === null;
  if (i === null) return;
  const [left, top] = [graph.valToPos(line.x[i], "x"), graph.valToPos(line.y[i], "y")], { offsetLeft, offsetTop, clientWidth } = graph.over;
  const axis = axisOf([line.id]), isError = at("what").value === "3";
  const words = [`${line.part} ${line.id}`, `${axis} ${Number(line.x[i].toPrecision(7))}`, `${measureOf([line.id])} ${valueTold(line.y[i], isError)}`];
  if (place.dataset.words !== words.join()) place.lastChild.replaceChildren(...words.map((text) => element("div", text)));
  place.dataset.words = words.join();
  const room = Math.max(left, clientWidth - left) - 12;
  place.style.cssText = `left: ${offsetLeft + left}px; top: ${offsetTop + top}px; color: ${colourAt(line.place)}; --room: min(18rem, ${room}px)`;
  place.classList.toggle("leftward", left > clientWidth / 2);
}

// ---- the legend, which leaves out what is clicked at

function drawLegend() {
  for (const id of hidden) if (!PARTS[id] && !chosen.includes(id)) hidden.delete(id);
  const names = [...Object.keys(PARTS), ...(areMany() ? [] : chosen)], made = names.join();
  if (at("legend").dataset.made === made) return;
  at("legend").dataset.made = made;
  at("legend").replaceChildren(...names.map((name) => {
    const button = element("button", undefined, { type: "button", "aria-pressed": String(!hidden.has(name)) });
    const swatch = PARTS[name] ? element("span", "", { class: `stroke ${name}` }) : element("span", "", { class: "swatch", style: strokeOf(name) });
    button.append(swatch, name);
    button.addEventListener("click", () => {
      hidden.delete(name) || hidden.add(name);
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      plotSoon();
    });
    return button;
  }));
}

// The chart with its legend as a file.
function picture() {
  if (!graph) return;
  const { canvas } = graph.ctx, style = getComputedStyle(document.documentElement), row = 20 * devicePixelRatio;
  const named = areMany() ? [] : chosen.filter((id) => !hidden.has(id));
  const made = element("canvas"), pen = made.getContext("2d");
  Object.assign(made, { width: canvas.width, height: canvas.height + row * (named.length + 1) });
  pen.fillStyle = style.getPropertyValue("--card");
  pen.fillRect(0, 0, made.width, made.height);
  pen.drawImage(canvas, 0, 0);
  pen.font = `${13 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
  pen.fillStyle = style.getPropertyValue("--ink");
  pen.fillText("train: dots, dev: lines", row, canvas.height + row * 0.6);
  pen.lineWidth = 2 * devicePixelRatio;
  named.forEach((id, i) => {
    const place = placeOf(id), middle = canvas.height + row * (i + 1.6);
    pen.fillStyle = pen.strokeStyle = colourAt(place);
    pen.setLineDash(dashAt(place, "dev").map((length) => length * devicePixelRatio));
    pen.beginPath();
    pen.moveTo(row, middle - 0.2 * row);
    pen.lineTo(row + 27 * devicePixelRatio, middle - 0.2 * row);
    pen.stroke();
    pen.fillText(id, 1.5 * row + 27 * devicePixelRatio, middle);
  });
  made.toBlob((blob) => {
    const link = element("a", undefined, { href: URL.createObjectURL(blob), download: "curves.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

function curvesBegin() {
  const chart = at("chart");
  chart.addEventListener("keydown", steer);
  for (const button of document.querySelectorAll("#tools [data-key]")) button.addEventListener("click", () => move(button.dataset.key));
  at("picture").addEventListener("click", picture);
  for (const id of ["what", "over"]) at(id).addEventListener("change", showAll);
  at("log").addEventListener("change", () => {
    view.y = null;
    plotSoon();
  });
  at("beta").addEventListener("input", () => {
    at("beta-told").textContent = at("beta").value;
    plotSoon();
  });
  new ResizeObserver(() => chart.clientWidth && graph?.setSize(sizeOf(chart))).observe(chart);
}
