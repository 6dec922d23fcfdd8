// -- live: while a sweep runs the page reads itself again, and comes back as the reader left it

const live = document.getElementById("live"); // none on the page of a sweep that is over
const memory = `optlab-live ${location.pathname}`;
const loaded = Date.now();
let acted = 0; // when the reader last did something
let answers = true; // the server, where there is one

// What an element is called on the page as it is now and on the one that comes: never its place, as rows come and go.
function nameOf(element) {
  const figure = element.closest("[data-figure]");
  const around = figure ? `${figure.dataset.section} ${figure.dataset.figure}` : element.parentElement.closest("[id]")?.id;
  return [element.tagName, around, JSON.stringify(element.dataset), element.id, element.name ?? "",
    element.dataset.copy === undefined && element.tagName === "BUTTON" ? element.textContent.trim() : ""].join(" | ");
}

const named = (selector) => all(selector).map((element) => [nameOf(element), element]);
const switches = () => named("button[aria-pressed]").filter(([, button]) => button.id !== "theme");
const fields = () => named("main input, main select, main details");
const scrolled = () => named(".scroll");
const isZoomed = (axis, planned) => axis?.range && !axis.autorange && String(axis.range) !== String(planned);

function zooms() {
  const found = [];
  for (const [figure, state] of drawn) {
    const shown = figure.querySelector(".plot").layout;
    if (!shown) continue;
    const zoom = {};
    ["xaxis", "yaxis"].forEach((axis, i) => {
      if (isZoomed(shown[axis], state.planned?.[i])) zoom[axis] = { range: shown[axis].range };
    });
    if (Object.keys(zoom).length) found.push([nameOf(figure), zoom]);
  }
  return found;
}

// The plots that are in sight or nearly so, as they are: early.js shows them until the new ones are drawn.
function pictures() {
  const near = ({ top, bottom }) => bottom > -innerHeight && top < 2 * innerHeight;
  return [...drawn.keys()].map((figure) => [figure, figure.querySelector(".plot")])
    .filter(([, plot]) => plot.clientHeight && near(plot.getBoundingClientRect()))
    .map(([figure, plot]) => [`${figure.dataset.section} ${figure.dataset.figure}`,
      { height: plot.clientHeight, svg: all("svg.main-svg", plot).map((svg) => svg.outerHTML).join("") }]);
}

// Scrolled to: what stands at the top of the window, as what is above it may grow or shrink.
const stations = () => named("main section[id], main [data-figure], footer");

function station() {
  const passed = stations().filter(([, element]) => element.clientHeight && element.getBoundingClientRect().top < innerHeight / 3);
  const [name, element] = passed.at(-1) ?? [];
  return name === undefined || element === live ? null : [name, element.getBoundingClientRect().top];
}

function scrollAgain(kept) {
  const [name, top] = kept.station ?? [];
  const found = name === undefined ? undefined : stations().find(([other]) => other === name);
  if (found) scrollBy(0, found[1].getBoundingClientRect().top - top);
  else scrollTo(0, kept.top);
}

function remember() {
  const held = document.activeElement;
  return {
    at: Date.now(),
    top: scrollY,
    station: station(),
    pressed: switches().map(([name, button]) => [name, button.getAttribute("aria-pressed")]),
    fields: fields().map(([name, field]) => [name, field.type === "checkbox" ? field.checked : field.open ?? field.value]),
    sorted: named("th[aria-sort] button").map(([name, button]) => [name, button.closest("th").getAttribute("aria-sort")]),
    scrolled: scrolled().map(([name, block]) => [name, block.scrollLeft, block.scrollTop]),
    zoomed: zooms(),
    focus: held && held !== document.body ? nameOf(held) : "",
  };
}

function restore(kept) {
  const pressed = new Map(kept.pressed);
  for (const wanted of ["true", "false"]) { // one of a group first, which lets go of the others
    for (const [name, button] of switches()) {
      if (pressed.get(name) === wanted && button.getAttribute("aria-pressed") !== wanted) button.click();
    }
  }
  const values = new Map(kept.fields);
  for (const [name, field] of fields()) {
    if (!values.has(name)) continue;
    const value = values.get(name);
    if (field.tagName === "DETAILS") field.open = value;
    else if (field.type === "checkbox" ? field.checked !== value : field.value !== value) {
      if (field.type === "checkbox") field.checked = value;
      else field.value = value;
      for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
    }
  }
  const directions = new Map(kept.sorted);
  for (const [name, button] of named("thead button")) {
    for (let clicks = 0; clicks < 3 && directions.has(name); clicks += 1) {
      if (button.closest("th").getAttribute("aria-sort") === directions.get(name)) break;
      button.click();
    }
  }
  const places = new Map(kept.scrolled.map(([name, ...place]) => [name, place]));
  for (const [name, block] of scrolled()) if (places.has(name)) block.scrollTo(...places.get(name));
  const focus = kept.focus && named("a, button, input, select, [tabindex]").find(([name]) => name === kept.focus);
  if (focus) focus[1].focus({ preventScroll: true });
}

function zoomAgain(kept) {
  const zoomed = new Map(kept.zoomed);
  for (const [figure, state] of drawn) {
    if (!zoomed.has(nameOf(figure))) continue;
    state.zoom = zoomed.get(nameOf(figure));
    draw(figure);
  }
}

function recall() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(memory));
    sessionStorage.removeItem(memory);
    return kept !== null && Date.now() - kept.at < 60000 ? kept : null; // older: not ours, but the reader's own visit
  } catch {
    return null; // storage is off
  }
}

function again() {
  const kept = remember();
  for (const shown of [pictures(), []]) {
    try {
      sessionStorage.setItem(memory, JSON.stringify({ ...kept, pictures: shown }));
      break;
    } catch { /* storage is full: plots are empty until they are drawn; or off: the page comes back from its top */ }
  }
  location.reload();
}

// -- when

function isBusy() {
  const reading = document.querySelector(".plot:hover .hoverlayer > *") ? 60000 : 2000; // a tooltip is open
  return printing || document.hidden || !getSelection().isCollapsed || Date.now() - acted < reading;
}

function ago(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function moment(seconds, exact) {
  const at = new Date(1000 * seconds);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false, ...(exact && { second: "2-digit" }) });
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString()} ${time}`;
}

async function isNewer() {
  if (!location.protocol.startsWith("http")) return true; // a file is not asked, but read
  try {
    const answer = await fetch(location.pathname, { method: "HEAD", cache: "no-store" });
    answers = answer.ok;
    return answers && Date.parse(answer.headers.get("Last-Modified")) !== Date.parse(document.lastModified);
  } catch {
    answers = false;
    return false;
  }
}

function refresh() {
  const every = Math.max(Number(live.dataset.every), 2);
  const written = Number(live.dataset.written);
  let asked = loaded;
  for (const time of all("time[data-at]", live)) time.textContent = moment(Number(time.dataset.at), "seconds" in time.dataset);
  const age = document.getElementById("age");
  const onTime = age.textContent;
  async function tick() {
    const old = Date.now() / 1000 - written;
    const late = old > 3 * every + 60;
    live.classList.toggle("stale", late || !answers);
    age.textContent = answers ? onTime : "The server does not answer; it may have been stopped.";
    if (answers && late) age.textContent = `Last written ${ago(old)} ago: whatever writes this page may have been stopped.`;
    const wait = 1000 * (late ? Math.max(30, every) : every);
    if (Date.now() - asked < wait || isBusy()) return;
    asked = Date.now();
    if (await isNewer()) again();
  }
  setInterval(tick, 1000);
  tick();
  document.addEventListener("visibilitychange", tick);
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "touchmove", "scroll", "input"]) {
    addEventListener(kind, () => { acted = Date.now(); }, { passive: true, capture: true });
  }
}

const kept = recall();
if (kept) {
  history.scrollRestoration = "manual";
  restore(kept);
  scrollAgain(kept);
}
function comeBack() { // once the figures are drawn, and the page has its height
  if (kept) {
    zoomAgain(kept);
    scrollAgain(kept);
    history.scrollRestoration = "auto";
  }
  if (live) refresh();
}
