// -- formulas: pointing at a symbol, and computing a step from the trees of its lines

const formulas = content("formulas"); // of each step; null where none is on file

// A tensor's element is rounded to the tensor's precision at each operation; plain numbers are float64, as in torch.
function calculator(formula) {
  const round = formula.precision === "float64" ? (x) => x : Math.fround;
  const plain = (number) => ({ number, tensor: false });
  const operators = {
    "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, "**": (a, b) => a ** b,
    max: (a, b) => Math.max(a, b), neg: (a) => -a, sqrt: Math.sqrt, abs: Math.abs, sign: Math.sign, single: Math.fround,
    ">": (a, b) => a > b, "<=": (a, b) => a <= b,
  };
  function apply(name, ...given) {
    const tensor = given.some((each) => each.tensor);
    const numbers = given.map((each) => (tensor ? round(each.number) : each.number));
    const result = operators[name](...numbers);
    return { number: tensor && typeof result === "number" ? round(result) : result, tensor };
  }
  function lerp(before, after, share) { // as torch: from the nearer end
    const difference = apply("-", after, before);
    return share.number < 0.5
      ? apply("+", before, apply("*", share, difference))
      : apply("-", after, apply("*", difference, apply("-", plain(1), share)));
  }
  function value(tree, known) {
    if (typeof tree === "number") return plain(tree);
    if (typeof tree === "string") return known[tree];
    const [name, ...parts] = tree;
    if (name === "if") return value(value(parts[0], known).number ? parts[1] : parts[2], known);
    const given = parts.map((each) => value(each, known));
    return name === "lerp" ? lerp(...given) : apply(name, ...given);
  }
  return { value, plain };
}

// All symbols' numbers, with some of the hyperparameters changed: {m: 0.1, ...}.
function compute(formula, changed = {}) {
  const { value } = calculator(formula);
  const known = {};
  for (const [name, number] of Object.entries({ ...formula.given, ...changed })) {
    known[name] = { number, tensor: formula.tensors.includes(name) };
  }
  for (const line of formula.lines) {
    const result = line.tree === null ? { number: line.value, tensor: true } : value(line.tree, known);
    known[line.key] = line.scalar ? { number: result.number, tensor: false } : result;
  }
  return Object.fromEntries(Object.entries(known).map(([name, each]) => [name, each.number]));
}

const values = new Map(); // section of a formula -> the numbers that it shows now
for (const section of all(".formula")) {
  const formula = formulas[Number(section.dataset.formula)];
  const computed = formula.lines.map((line) => [line.key, line.value]);
  values.set(section, { ...formula.given, ...Object.fromEntries(computed) });
}

// -- a symbol lights up wherever it stands, and says its name and number

function light(section, name) {
  for (const element of all("[data-symbol]", section)) element.classList.toggle("lit", element.dataset.symbol === name);
  const pointed = section.querySelector(".pointed");
  pointed.replaceChildren();
  if (name === null) return;
  const glyph = section.querySelector(`:is(math, .glyph) :not(mrow)[data-symbol="${name}"]`);
  const math = document.createElementNS("http://www.w3.org/1998/Math/MathML", "math");
  if (glyph) math.append(glyph.cloneNode(true));
  const named = document.createElement("span");
  show(named, `symbol.${name}`);
  const number = document.createElement("b");
  const own = values.get(section)[name];
  number.textContent = `= ${short(own, 9)}`;
  number.title = String(own);
  pointed.append(math, " ", number, " ", named);
}

for (const section of all(".formula")) {
  let held = null; // the symbol that was tapped or is focused
  const of = (target) => target.closest?.("[data-symbol]")?.dataset.symbol ?? null;
  section.addEventListener("pointerover", (event) => {
    if (event.pointerType === "mouse") light(section, of(event.target) ?? held);
  });
  section.addEventListener("pointerleave", () => light(section, held));
  section.addEventListener("click", (event) => {
    if (event.target.closest("input, button, summary")) return;
    const name = of(event.target);
    held = name === held ? null : name;
    light(section, held);
  });
  section.addEventListener("focusin", (event) => {
    const name = of(event.target);
    if (name !== null) light(section, (held = name));
  });
  for (const element of all(".math:not(.numbers) [data-symbol]", section)) {
    if (!element.parentElement.closest("[data-symbol]")) element.tabIndex = 0;
  }
}
