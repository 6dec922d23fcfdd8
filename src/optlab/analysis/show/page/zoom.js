// -- zoom by buttons and keys; by the mouse it is Plotly's

// The range of each axis moved by a share of its length and made longer or shorter about its middle.
function zoom(figure, factor, along = {}) {
  const state = stateOf(figure);
  const shown = figure.querySelector(".plot")._fullLayout;
  state.zoom = {};
  for (const name of ["xaxis", "yaxis"]) {
    if (shown[name].tickmode === "array") continue; // names have no places between them
    const [from, to] = shown[name].range;
    const middle = (from + to) / 2 + (along[name] ?? 0) * (to - from);
    const half = (factor * (to - from)) / 2;
    state.zoom[name] = { range: [middle - half, middle + half] };
  }
  draw(figure);
}

function unzoom(figure) {
  const state = stateOf(figure);
  state.zoom = null;
  state.resets += 1;
  draw(figure);
}

const keys = {
  "+": (figure) => zoom(figure, 0.5),
  "=": (figure) => zoom(figure, 0.5), // the same key without shift
  "-": (figure) => zoom(figure, 2),
  0: unzoom,
  ArrowLeft: (figure) => zoom(figure, 1, { xaxis: -0.2 }),
  ArrowRight: (figure) => zoom(figure, 1, { xaxis: 0.2 }),
  ArrowUp: (figure) => zoom(figure, 1, { yaxis: 0.2 }),
  ArrowDown: (figure) => zoom(figure, 1, { yaxis: -0.2 }),
};

// Called once for a figure, when it is first drawn.
function zoomable(figure, element) {
  const act = { in: keys["+"], out: keys["-"], reset: unzoom };
  for (const button of all("[data-zoom]", figure)) button.addEventListener("click", () => act[button.dataset.zoom](figure));
  element.addEventListener("keydown", (event) => {
    const key = keys[event.key];
    if (!key || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    key(figure);
  });
  // Plotly would zoom at a swipe. A tap still reaches it, as the mouse events that a browser makes of it.
  for (const kind of ["touchstart", "touchmove"]) {
    element.addEventListener(kind, (event) => event.stopPropagation(), { capture: true, passive: true });
  }
}
