// -- figures

const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();

function traces(state) {
  const { spec, choice, axis, on } = state;
  return spec.choices[choice].data.map((trace) => {
    const meta = trace.meta ?? {};
    const names = meta.contenders ?? [];
    const elsewhere = axis && meta.x && !meta.x[axis]; // published curves know epochs alone
    return {
      ...trace,
      meta: { contenders: [], ...meta },
      x: (axis && meta.x?.[axis]) || trace.x,
      y: (axis && meta.y?.[axis]) || trace.y,
      visible: !elsewhere && !names.some((name) => hidden.has(name)) && (!meta.switch || on.has(meta.switch)),
      showlegend: printing && trace.name !== undefined && trace.hoverinfo !== "skip",
    };
  });
}

function placesOf(state) {
  return state.spec.choices[state.choice].data.flatMap((trace) => trace.meta?.x?.[state.axis] ?? []);
}

function layout(state, element) {
  const given = state.spec.choices[state.choice].layout;
  const lines = { gridcolor: css("--grid"), linecolor: css("--line"), zerolinecolor: css("--line"), automargin: true };
  const wide = element.closest(".wide") !== null;
  const x = { ...lines, ...given.xaxis };
  const y = { ...lines, ...given.yaxis };
  const axis = state.spec.axes[state.axis]; // none where there is but one
  if (axis) x.title = { text: axis.label };
  if (axis) x.rangemode = axis.zero ? "tozero" : "normal";
  if (!printing && element.clientWidth < 420) { // a phone
    if (x.type === "log") x.dtick = 2; // every second decade, or the labels would be turned
    if (x.ticktext?.length > 3) x.tickangle = -35; // turned the other way, the last one would be left out
    if (x.title) x.title = { text: x.title.text.replace(/ (?=\(|in )/g, "<br>") };
  }
  if (y.ticktext?.some((name) => 6 * name.length > (printing ? 640 : element.clientWidth) / 3)) { // of pairs
    y.ticktext = y.ticktext.map((name) => name.replace(" − ", "<br>− "));
  }
  if (axis?.whole) {
    const last = Math.max(...placesOf(state));
    if (last <= 12) x.dtick = 1; // there is no epoch 2.5
  }
  return {
    ...given,
    xaxis: x,
    yaxis: y,
    height: given.height ?? (wide ? 400 : 330),
    width: printing ? 640 : element.clientWidth,
    margin: { l: 56, r: 12, t: printing && state.spec.legend ? 30 : 8, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: css("--sans"), size: 12, color: css("--soft") },
    hoverlabel: { namelength: -1, bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink") } },
    showlegend: printing && state.spec.legend, // on the screen the buttons above are the legend
    legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
    uirevision: [state.choice, state.axis, state.resets, ...state.on].join(" "), // toggles keep the zoom
  };
}

const settings = { displayModeBar: false };

function stateOf(figure) {
  let state = drawn.get(figure);
  if (!state) {
    const spec = specs[figure.dataset.section].find((entry) => entry.id === figure.dataset.figure);
    state = { spec, choice: Object.keys(spec.choices)[0], axis: Object.keys(spec.axes)[0], zoom: null, resets: 0, on: new Set() };
    drawn.set(figure, state);
  }
  return state;
}

function draw(figure) {
  const element = figure.querySelector(".plot");
  if (!window.Plotly || !element.clientWidth) return;
  const state = stateOf(figure);
  const data = traces(state);
  const plan = layout(state, element);
  view(state, data, plan, element);
  Plotly.react(element, data, plan, settings).then(() => {
    keepWords(element);
    letGo(element);
  });
  if (!figure.classList.contains("drawn")) {
    figure.classList.add("drawn");
    zoomable(figure, element);
  }
  tell(figure, state);
}

// What stood here before the page read itself again: see early.js.
function letGo(element) {
  if (element.previousElementSibling.className === "before") element.previousElementSibling.remove();
  element.style.minHeight = "";
}

const redraw = () => all(".fig").forEach(draw);

for (const button of all(".fig [data-axis], .fig [data-choice]")) {
  button.addEventListener("click", () => {
    press(button);
    const figure = button.closest(".fig");
    const state = stateOf(figure);
    if (button.dataset.axis) state.axis = button.dataset.axis;
    else state.choice = button.dataset.choice;
    state.zoom = null;
    draw(figure);
  });
}

for (const button of all(".fig [data-switch]")) {
  button.addEventListener("click", () => {
    const figure = button.closest(".fig");
    const state = stateOf(figure);
    const name = button.dataset.switch;
    state.zoom = null;
    if (!state.on.delete(name)) state.on.add(name);
    button.setAttribute("aria-pressed", String(state.on.has(name)));
    draw(figure);
  });
}

for (const chip of all("[data-chip]")) {
  chip.addEventListener("click", () => {
    const name = chip.dataset.chip;
    if (!hidden.delete(name)) hidden.add(name);
    chip.setAttribute("aria-pressed", String(!hidden.has(name)));
    for (const track of all(".track")) track.classList.toggle("off", hidden.has(track.dataset.contender));
    redraw();
  });
}

async function unpack(id) {
  const text = document.getElementById(id).textContent.trim();
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function begin() {
  try {
    if (typeof DecompressionStream === "undefined") throw new Error("no DecompressionStream");
    const script = document.createElement("script");
    script.textContent = await unpack("bundle");
    document.head.append(script);
    redraw();
  } catch (error) { // the pictures, where the page has them
    console.warn("optlab: the figures are not drawn:", error);
    root.classList.add("stills");
    document.getElementById("too-old").hidden = false;
  }
  root.dataset.ready = "yes";
}

let waiting = 0;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(redraw, 120);
});

// Paper shows every setting: those that were looked at as they are, the others by their pictures, or drawn now.
addEventListener("beforeprint", () => {
  printing = true;
  root.classList.add("printing");
  all(".fig").filter((figure) => figure.matches(".drawn, :not(:has(.still svg))")).forEach(draw);
});
addEventListener("afterprint", () => {
  printing = false;
  root.classList.remove("printing");
  redraw();
});
