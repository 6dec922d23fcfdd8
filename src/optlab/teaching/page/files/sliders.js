// -- sliders: a step computed again with other hyperparameters

// A share (momentum, betas) is as far from 1 as a power of ten; other numbers are themselves such powers.
const SHARES = ["momentum", "beta1", "beta2", "alpha", "rho", "dampening"];
const TICKS = 1000;
const scales = (name, own) => {
  if (SHARES.includes(name)) {
    return {
      place: (value) => (value <= 0 ? 0 : (TICKS * -Math.log10(1 - Math.min(value, 0.99999))) / 5),
      value: (place) => 1 - 10 ** ((-5 * place) / TICKS),
    };
  }
  const [low, high] = name === "eps" ? [-12, 0] : name === "lr" ? [-6, 1] : [-6, 0];
  const from = own > 0 ? Math.min(low, Math.floor(Math.log10(own)) - 1) : low;
  const to = own > 0 ? Math.max(high, Math.ceil(Math.log10(own)) + 1) : high;
  return { // the left end is 0
    place: (value) => (value <= 0 ? 0 : 1 + ((TICKS - 1) * (Math.log10(value) - from)) / (to - from)),
    value: (place) => (place <= 0 ? 0 : 10 ** (from + ((to - from) * (place - 1)) / (TICKS - 1))),
  };
};
const readable = (value) => Number(value.toPrecision(value > 0.9 && value < 1 ? 5 : 3));

for (const section of all(".formula")) {
  const formula = formulas[Number(section.dataset.formula)];
  const knobs = all("input[type=range]", section);
  if (knobs.length === 0) continue;
  const written = all(".numbers", section).map((element) => [element, element.innerHTML]);
  const own = { ...values.get(section) }; // the run's
  const changed = {};

  function put(element, number) { // in the place of a number of a formula
    const text = short(number);
    const held = text.startsWith("−") && element.previousElementSibling?.localName === "mo"
      && element.previousElementSibling.textContent !== "(" && element.previousElementSibling.textContent !== "=";
    element.innerHTML = `${held ? "<mo>(</mo>" : ""}<mn>${text}</mn>${held ? "<mo>)</mo>" : ""}`;
  }

  function draw() {
    const moved = Object.keys(changed).length > 0;
    const now = moved ? compute(formula, changed) : own;
    values.set(section, now);
    section.classList.toggle("slid", moved);
    section.querySelector(".moved").hidden = !moved;
    section.querySelector(".steps-taken").hidden = !moved;
    for (const [element, html] of written) {
      element.innerHTML = html;
      if (!moved) continue;
      const key = element.closest("[data-key]").dataset.key;
      for (const symbol of all("mrow[data-symbol]", element)) {
        if (symbol.dataset.symbol !== key || symbol.previousElementSibling) put(symbol, now[symbol.dataset.symbol]);
        symbol.classList.toggle("changed", now[symbol.dataset.symbol] !== own[symbol.dataset.symbol]);
      }
    }
    for (const result of all(".result", section)) {
      const name = result.dataset.symbol;
      const output = result.querySelector("output");
      output.textContent = short(now[name], 9);
      output.title = String(now[name]);
      output.classList.toggle("changed", now[name] !== own[name]);
    }
    for (const knob of knobs) {
      const value = changed[knob.dataset.name] ?? own[knob.dataset.name];
      knob.nextElementSibling.textContent = short(value);
      knob.setAttribute("aria-valuetext", short(value));
      knob.parentElement.classList.toggle("changed", knob.dataset.name in changed);
    }
    const last = formula.lines.at(-1).key;
    const steps = { ".ran": own[last] - formula.before, ".slid": now[last] - formula.before };
    const most = Math.max(...Object.values(steps).filter(Number.isFinite).map(Math.abs), 1e-300);
    for (const [selector, step] of Object.entries(steps)) {
      const bar = document.createElement("i");
      bar.className = `fall ${step < 0 ? "up" : "down"}`;
      bar.style.setProperty("--share", Number.isFinite(step) ? Math.abs(step) / most : 1);
      const number = Object.assign(document.createElement("span"), { className: "n", title: String(step), textContent: `Δw = ${short(step)}` });
      section.querySelector(selector).replaceChildren(bar, number);
    }
  }

  const restore = () => {
    for (const knob of knobs) knob.value = Math.round(scales(knob.dataset.name, own[knob.dataset.name]).place(own[knob.dataset.name]));
    for (const name of Object.keys(changed)) delete changed[name];
    draw();
  };
  for (const knob of knobs) {
    knob.addEventListener("input", () => {
      const name = knob.dataset.name;
      const { place, value } = scales(name, own[name]);
      if (Number(knob.value) === Math.round(place(own[name]))) delete changed[name]; // where the run has it
      else changed[name] = readable(value(Number(knob.value)));
      draw();
    });
  }
  section.querySelector(".reset").addEventListener("click", () => {
    restore();
    knobs[0].focus();
  });
  restore();
}

root.dataset.ready = "yes";
