// -- the numbers of a figure as a table, for those who read it by keyboard or by ear

// The specs' texts are made for Plotly: its line breaks, and entities for what would be markup.
function plain(text) {
  const entities = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };
  return String(text).replaceAll("<br>", ", ").replace(/&(lt|gt|amp);/g, (entity) => entities[entity]);
}

function place(axis, value) {
  if (value === null) return "–";
  if (!axis.ticktext) return String(value);
  const far = axis.tickvals.map((tick) => Math.abs(tick - value));
  return plain(axis.ticktext[far.indexOf(Math.min(...far))] ?? "");
}

function rowsOf(state) {
  const { xaxis, yaxis } = state.spec.choices[state.choice].layout;
  return traces(state)
    .filter((trace) => trace.visible && (trace.customdata || trace.hovertext))
    .flatMap((trace) =>
      trace.hovertext ? [[plain(trace.name ?? ""), "", "", plain(trace.hovertext)]] : // said of the whole line
      trace.customdata
        .map((said, i) => [plain(trace.name ?? ""), place(xaxis, trace.x[i]), place(yaxis, trace.y[i]), plain(said)])
        .filter((_, i) => trace.y[i] !== null), // a gap
    );
}

function cellOf(kind, text) {
  const cell = document.createElement(kind);
  cell.textContent = text;
  if (kind === "th") cell.scope = "col";
  return cell;
}

function tell(figure, state) {
  const details = figure.querySelector(".numbers");
  if (!details.open) return;
  const { xaxis, yaxis } = state.spec.choices[state.choice].layout;
  const x = state.spec.axes[state.axis]?.label ?? xaxis.title?.text ?? "";
  const table = document.createElement("table");
  const heading = table.createTHead().insertRow();
  heading.append(...["", x, yaxis.title?.text ?? "", "said of it"].map((text) => cellOf("th", plain(text))));
  const body = table.createTBody();
  for (const row of rowsOf(state)) body.insertRow().append(...row.map((text) => cellOf("td", text)));
  const scroll = document.createElement("div");
  Object.assign(scroll, { className: "scroll", tabIndex: 0, role: "region", ariaLabel: `numbers of ${state.spec.title}` });
  scroll.append(table);
  details.querySelector(".scroll")?.remove();
  details.append(scroll);
}

for (const details of all(".numbers")) {
  details.addEventListener("toggle", () => tell(details.closest(".fig"), stateOf(details.closest(".fig"))));
}
