const root = document.documentElement;
const at = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];
const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const { steps, surfaces } = JSON.parse(at("content").textContent);
const hidden = new Set();
const floor = 1e-12; // below it, heights above the minimum are drawn as if they were there
let name = Object.keys(surfaces)[0];
let step = steps;
let playing = 0;

const shown = () => surfaces[name].paths.filter((path) => !hidden.has(path.optimizer));
const number = (value) => (value === null ? "not finite" : Number(value.toPrecision(3)).toString());
const line = (path, width = 2) => ({ color: path.color, width });

function groundTraces() {
  const { contours, minima, start } = surfaces[name];
  const mark = (x, y, label, marker) => ({
    x, y, type: "scatter", mode: "markers", marker: { color: css("--ink"), ...marker }, hovertemplate: `${label}<br>(%{x}, %{y})<extra></extra>`,
  });
  return [
    ...contours.map(({ x, y }, index) => ({
      x, y, type: "scatter", mode: "lines", hoverinfo: "skip", line: { color: css("--soft"), width: 1 },
      opacity: 0.6 - (0.35 * index) / contours.length, // the lower, the darker
    })),
    mark(minima.map(([x]) => x), minima.map(([, y]) => y), "minimum", { symbol: "star", size: 13 }),
    mark([start[0]], [start[1]], "start", { symbol: "circle-open", size: 11, line: { width: 2 } }),
  ];
}

// Faint as a whole, bright up to the step, with a head there.
function pathTraces(path) {
  const end = Math.min(step, path.x.length - 1);
  const upto = (values) => values.slice(0, end + 1);
  const gone = path.diverged !== null && end >= path.diverged;
  const trace = { type: "scatter", name: path.optimizer };
  return [
    { ...trace, x: path.x, y: path.y, mode: "lines", line: line(path), opacity: 0.22, hoverinfo: "skip" },
    {
      ...trace, x: upto(path.x), y: upto(path.y), mode: "lines+markers", line: line(path), marker: { size: 4, color: path.color },
      text: upto(path.f).map((f, index) => `${path.optimizer}, step ${index}<br>f = ${number(f)}<br>lr = ${path.lr}`),
      hovertemplate: "%{text}<extra></extra>",
    },
    {
      ...trace, x: [path.x[end]], y: [path.y[end]], mode: "markers", hoverinfo: "skip",
      marker: { symbol: gone ? "x" : path.marker, size: 12, color: path.color, line: { color: css("--card"), width: 1.5 } },
    },
  ];
}

function fallTraces() {
  const { lowest } = surfaces[name];
  return shown().flatMap((path) => {
    const x = path.f.map((_, index) => index);
    const y = path.f.map((f) => (f === null ? null : Math.max(f - lowest, floor)));
    const trace = { type: "scatter", name: path.optimizer };
    const whole = {
      ...trace, x, y, mode: "lines", line: line(path),
      hovertemplate: `${path.optimizer}, step %{x}<br>%{y:.3g} above the minimum<extra></extra>`,
    };
    if (path.diverged === null) return [whole];
    const last = y.findLastIndex((value) => value !== null);
    const cross = { ...trace, x: [last], y: [y[last]], mode: "markers", marker: { symbol: "x", size: 11, color: path.color } };
    return [whole, { ...cross, hovertemplate: `${path.optimizer} diverged at step ${path.diverged}<extra></extra>` }];
  });
}

function searchTraces() {
  const found = surfaces[name].paths.flatMap((path) => path.trials.map((trial) => trial.mean)).filter((mean) => mean !== null);
  const top = 3 * Math.max(floor, ...found); // where those stand that diverged
  return shown().map((path) => ({
    x: path.trials.map((trial) => trial.lr),
    y: path.trials.map((trial) => Math.max(trial.mean ?? top, floor)),
    type: "scatter", mode: "lines+markers", name: path.optimizer, line: line(path, 1.5),
    marker: {
      color: path.color,
      symbol: path.trials.map((trial) => (trial.diverged !== null ? "x" : trial.lr === path.lr ? path.marker : "circle")),
      size: path.trials.map((trial) => (trial.lr === path.lr ? 14 : 6)),
    },
    text: path.trials.map((trial) => (trial.diverged === null ? `mean of f ${number(trial.mean)} above the minimum` : `diverged at step ${trial.diverged}`)),
    hovertemplate: `${path.optimizer}, lr %{x}<br>%{text}<extra></extra>`,
  }));
}

function drawn(id, traces, height, { xaxis, yaxis, ...more }) {
  const element = at(id);
  if (!element || !window.Plotly) return;
  const axis = { gridcolor: css("--grid"), linecolor: css("--line"), zeroline: false, automargin: true };
  const plan = {
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, width: element.clientWidth, height, showlegend: false,
    margin: { l: 50, r: 12, t: 8, b: 42 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: css("--sans"), size: 12, color: css("--soft") }, hovermode: "closest", uirevision: name,
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink") } }, ...more,
  };
  Plotly.react(element, traces, plan, { displayModeBar: false });
}

// A label every decade, or every few where there are many.
function logarithmic(traces, axis) {
  const values = traces.flatMap((trace) => trace[axis]).filter((value) => value > 0);
  const decades = Math.log10(Math.max(...values) / Math.min(...values));
  return { type: "log", exponentformat: "power", ...(decades > 2 ? { dtick: Math.ceil(decades / 7) } : {}) };
}

function drawMap() {
  const { across, along } = surfaces[name];
  drawn("map", [...groundTraces(), ...shown().flatMap(pathTraces)], Math.min(560, Math.max(320, at("map").clientWidth * 0.6)), {
    xaxis: { range: across, title: { text: "x" }, showgrid: false }, yaxis: { range: along, title: { text: "y" }, showgrid: false },
  });
}

function drawFall() {
  const now = { type: "line", x0: step, x1: step, y0: 0, y1: 1, yref: "paper", line: { color: css("--soft"), width: 1, dash: "dot" } };
  const traces = fallTraces();
  drawn("fall", traces, 320, { xaxis: { title: { text: "step" }, rangemode: "tozero" }, yaxis: logarithmic(traces, "y"), shapes: [now] });
}

function drawSearch() {
  const traces = searchTraces();
  const [xaxis, yaxis] = ["x", "y"].map((axis) => logarithmic(traces, axis));
  drawn("search", traces, 320, { xaxis: { ...xaxis, title: { text: "lr" } }, yaxis: { ...yaxis, title: { text: "mean of f" } } });
}

function draw() {
  drawMap();
  drawFall();
  drawSearch();
}

function goTo(next) {
  step = next;
  at("step").value = step;
  at("step-name").textContent = `step ${step}`;
  drawMap();
  drawFall();
}

function show(next) {
  name = next;
  at("formula").textContent = `f(x, y) = ${surfaces[name].formula}`;
  at("teaches").textContent = surfaces[name].teaches;
  for (const button of all("[data-surface]")) button.setAttribute("aria-pressed", String(button.dataset.surface === name));
  for (const section of all("[data-of]")) section.classList.toggle("shown", section.dataset.of === name);
  draw();
}

function stop() {
  clearTimeout(playing);
  playing = 0;
  at("play").textContent = "Play";
}

// A frame each 60 ms; where paths are slow, a frame takes several steps.
function advance() {
  if (step >= steps) return stop();
  goTo(Math.min(steps, step + Math.max(1, Math.round(step / 25))));
  playing = setTimeout(advance, 60);
}

at("play").addEventListener("click", () => {
  if (playing) return stop();
  at("play").textContent = "Pause";
  if (step >= steps) goTo(0);
  playing = setTimeout(advance, 60);
});
at("step").addEventListener("input", (event) => {
  stop();
  goTo(Number(event.target.value));
});
for (const button of all("[data-surface]")) button.addEventListener("click", () => show(button.dataset.surface));
for (const chip of all("[data-chip]")) {
  chip.addEventListener("click", () => {
    if (!hidden.delete(chip.dataset.chip)) hidden.add(chip.dataset.chip);
    chip.setAttribute("aria-pressed", String(!hidden.has(chip.dataset.chip)));
    draw();
  });
}
let waiting = 0;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(draw, 120);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

async function begin() {
  show(name);
  try {
    const bytes = Uint8Array.from(atob(at("bundle").textContent.trim()), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    draw();
  } catch (error) { // the pictures stand beside the page
    console.warn("optlab: the paths are not drawn:", error);
    at("too-old").hidden = false;
  }
  root.dataset.ready = "yes";
}
begin();
