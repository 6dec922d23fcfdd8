// -- views: what a reader's switches make of a figure before it is drawn

const finite = (values) => values.filter(Number.isFinite);
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;"); // Plotly reads a little markup
const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const digits = (value) => String(Number(value.toPrecision(4)));

function view(state, data, plan, element) {
  const choice = state.spec.choices[state.choice];
  if (state.spec.axes[state.axis]?.zero === false) between(data, plan);
  for (const which of choice.names) closeUp(which, data, plan, choice);
  if (state.on.has("log") && choice.log) logarithm(data, plan, choice.log);
  if (state.on.has("late")) late(data, plan);
  const named = data.some((trace) => trace.visible && trace.meta.end);
  if (named && !plan.yaxis.range) plan.yaxis.range = extent(data, plan, -Infinity);
  const most = plan.width < 500 ? 9 : 20;
  if (named) {
    const lengths = data.map((trace) => (trace.visible && trace.meta.end ? trace.meta.end.length : 0));
    plan.margin.r = 20 + 7.2 * Math.min(most, Math.max(...lengths));
  }
  state.planned = [plan.xaxis.range, plan.yaxis.range].map((range) => range && [...range]); // without any zoom
  for (const [name, zoomed] of Object.entries(state.zoom ?? {})) plan[name] = { ...plan[name], ...zoomed };
  plan.annotations = words(data, plan, most);
}

// Names of hidden contenders leave no gap: what stands at a name moves, and what joined it to others lets go of it.
function closeUp(which, data, plan, choice) {
  const axis = plan[`${which}axis`];
  const other = which === "x" ? "y" : "x";
  const shown = data.filter((trace) => trace.visible && trace.meta.contenders.length);
  const rows = (traces) => new Set(traces.flatMap((trace) => trace[which].map(Math.round)));
  let kept = rows(shown);
  if (choice.most && kept.size > choice.most) {
    const first = choice.order.find((name) => !hidden.has(name));
    for (const trace of shown) trace.visible = trace.meta.contenders.includes(first);
    kept = rows(shown.filter((trace) => trace.visible));
  }
  if (!kept.size) return;
  const places = [...kept].sort((a, b) => a - b);
  const place = new Map(places.map((old, now) => [old, now]));
  for (const trace of data) {
    if (!trace.visible) continue;
    const left = trace[which].map((value, i) => i).filter((i) => place.has(Math.round(trace[which][i])));
    const along = left.map((i) => trace[which][i] + place.get(Math.round(trace[which][i])) - Math.round(trace[which][i]));
    trace[other] = left.map((i) => trace[other][i]);
    trace[which] = along;
    if (Array.isArray(trace.customdata)) trace.customdata = left.map((i) => trace.customdata[i]);
  }
  plan[`${which}axis`] = {
    ...axis,
    tickvals: places.map((_, now) => now),
    ticktext: places.map((old) => axis.ticktext[old]),
    range: [-0.5, places.length - 0.5],
  };
  if (which === "y" && plan.height) plan.height = 150 + 30 * places.length;
}

function logarithm(data, plan, log) {
  const turned = (value) => (value === null || log.of === null ? value : log.of - value);
  const ofPanel = data.filter((trace) => trace.visible);
  for (const trace of ofPanel) trace.y = trace.y.map(turned);
  const positive = finite(ofPanel.flatMap((trace) => trace.y)).filter((value) => value > 0);
  if (!positive.length) return;
  let [low, high] = [Infinity, -Infinity];
  for (const value of positive) [low, high] = [Math.min(low, value), Math.max(high, value)];
  for (const trace of ofPanel) { // there is no 0 on such an axis: it lies far below, and words() says so
    trace.y = trace.y.map((value) => (value !== null && value <= 0 ? low * 1e-9 : value));
  }
  const margin = 0.04 * Math.log10(high / low) || 0.05;
  const { zeroline, ...axis } = plan.yaxis;
  const range = [Math.log10(low) - margin, Math.log10(high) + margin];
  plan.yaxis = { ...axis, type: "log", tickformat: "~g", title: { text: log.label }, range, nothing: low * 1e-6 };
}

// The x axis from the first point to the last, and no further: there is no epoch 0.
function between(data, plan) {
  let [first, last] = [Infinity, -Infinity];
  for (const trace of data) if (trace.visible) for (const x of finite(trace.x)) [first, last] = [Math.min(first, x), Math.max(last, x)];
  if (first < last) plan.xaxis.range = [first - 0.012 * (last - first), last + 0.012 * (last - first)];
}

function late(data, plan) {
  let last = -Infinity;
  for (const trace of data) if (trace.visible) for (const x of finite(trace.x)) last = Math.max(last, x);
  const from = (2 / 3) * last;
  plan.xaxis.range = [from - 0.01 * last, last * 1.01];
  plan.yaxis.range = extent(data, plan, from) ?? plan.yaxis.range;
}

// The range of what stands at x >= from, with a margin, as the y axis counts.
function extent(data, plan, from) {
  const log = plan.yaxis.type === "log";
  let [low, high] = [Infinity, -Infinity];
  for (const trace of data) {
    if (!trace.visible) continue;
    trace.y.forEach((y, i) => {
      if (y === null || !(trace.x[i] >= from) || (log && y <= (plan.yaxis.nothing ?? 0))) return;
      [low, high] = [Math.min(low, y), Math.max(high, y)];
    });
  }
  if (low > high) return undefined;
  if (log) [low, high] = [Math.log10(low), Math.log10(high)];
  const margin = 0.06 * (high - low) || 0.01 * Math.abs(high) || 0.01;
  return [low - margin, high + margin];
}

// The names of lines at their ends, and what leaves the plot: nothing does so in silence.
function words(data, plan, most) {
  return plan.yaxis.range && !plan.yaxis.ticktext ? [...leaving(data, plan, most), ...ends(data, plan, most)] : [];
}

function within(plan) {
  const [from, to] = plan.xaxis.range && plan.xaxis.type !== "log" ? plan.xaxis.range : [-Infinity, Infinity];
  return (x) => x >= from && x <= to;
}

function leaving(data, plan, most) {
  const [low, high] = plan.yaxis.type === "log" ? plan.yaxis.range.map((end) => 10 ** end) : plan.yaxis.range;
  const inside = within(plan);
  const below = new Map();
  const above = new Map();
  for (const trace of data) {
    const [name] = trace.meta.contenders;
    if (!trace.visible || name === undefined) continue;
    trace.y.forEach((y, i) => {
      if (y === null || !inside(trace.x[i])) return;
      if (y < low) below.set(name, Math.min(y, below.get(name) ?? Infinity));
      if (y > high) above.set(name, Math.max(y, above.get(name) ?? -Infinity));
    });
  }
  const said = (gone, arrow, way, compare, place) => {
    if (!gone.size) return [];
    const [name, value] = [...gone].reduce((a, b) => (compare(b[1], a[1]) ? b : a));
    const others = gone.size > 1 ? `, ${gone.size - 1} other${gone.size > 2 ? "s" : ""}` : "";
    const number = value < (plan.yaxis.nothing ?? -Infinity) ? "0" : digits(value);
    const text = `${arrow} ${escaped(short(name, most))} ${way} to ${number}${others}`;
    return [{ ...place, text, xref: "paper", yref: "paper", x: 1, xanchor: "right", showarrow: false, bgcolor: css("--card"), font: { size: 11 } }];
  };
  return [
    ...said(below, "▼", "down", (a, b) => a < b, { y: 0, yanchor: "bottom" }),
    ...said(above, "▲", "up", (a, b) => a > b, { y: 1, yanchor: "top" }),
  ];
}

function ends(data, plan, most) {
  const height = plan.height - plan.margin.t - plan.margin.b;
  const [low, high] = plan.yaxis.range;
  const inside = within(plan);
  const found = [];
  for (const trace of data) {
    if (!trace.visible || !trace.meta.end) continue;
    let last = -1;
    trace.y.forEach((y, i) => {
      if (y !== null && inside(trace.x[i]) && (last < 0 || trace.x[i] >= trace.x[last])) last = i;
    });
    if (last < 0) continue;
    const y = plan.yaxis.type === "log" ? Math.log10(trace.y[last]) : trace.y[last];
    const share = Math.min(1, Math.max(0, (y - low) / (high - low)));
    found.push({ text: trace.meta.end, color: trace.line.color, place: share * height });
  }
  found.sort((a, b) => a.place - b.place);
  const gap = 14;
  const room = Math.floor(height / gap); // for more names than rows those of the middle are counted, not drawn over each other
  if (found.length > room + 1) {
    const under = Math.floor(room / 2);
    const gone = found.slice(under, under + found.length - room);
    const place = gone[gone.length >> 1].place;
    found.splice(under, gone.length, { text: `… ${gone.length} more`, color: css("--soft"), place });
  }
  spread(found, gap, height);
  return found.map(({ text, color, place }) => ({
    text: escaped(short(text, most)), font: { size: 11.5, color: forWords(color) }, showarrow: false,
    xref: "paper", yref: "paper", x: 1, y: place / height, xanchor: "left", yanchor: "middle", xshift: 6,
  }));
}

// Places `gap` apart and as near to their own as can be: neighbours that would overlap share their mean (isotonic
// regression by pooling adjacent violators).
function spread(sorted, gap, height) {
  const blocks = [];
  sorted.forEach(({ place }, i) => {
    blocks.push({ sum: place - i * gap, n: 1 });
    for (let last = blocks.length - 1; last > 0; last -= 1) {
      const [a, b] = [blocks[last - 1], blocks[last]];
      if (a.sum / a.n <= b.sum / b.n) break;
      blocks.splice(last - 1, 2, { sum: a.sum + b.sum, n: a.n + b.n });
    }
  });
  const most = Math.max(0, height - gap * (sorted.length - 1));
  const levels = blocks.flatMap(({ sum, n }) => Array(n).fill(Math.min(most, Math.max(0, sum / n))));
  sorted.forEach((end, i) => { end.place = levels[i] + i * gap; });
}

// Words need more contrast than lines: a third of the ink in them.
function forWords(color) {
  const part = (hex, i) => parseInt(hex.slice(i, i + 2), 16);
  const ink = css("--ink").replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
  return `rgb(${[1, 3, 5].map((i) => Math.round(0.67 * part(color, i) + 0.33 * part(ink, i))).join()})`;
}

// After a zoom the words are those of what is seen then.
function keepWords(element) {
  element.removeAllListeners("plotly_relayout");
  element.on("plotly_relayout", (change) => {
    if (!Object.keys(change).some((key) => key.startsWith("xaxis") || key.startsWith("yaxis"))) return;
    const { margin, height, width, xaxis, yaxis } = element.layout;
    const seen = { margin, height, width, xaxis, yaxis };
    Plotly.relayout(element, { annotations: words(element.data, seen, width < 500 ? 9 : 20) });
  });
}
