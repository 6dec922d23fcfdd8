// -- tables

const value = (row, column) => row.cells[column].dataset.v; // none where the cell is a dash
const number = (text) => (text === "inf" ? Infinity : text === "-inf" ? -Infinity : text === "" ? NaN : Number(text));

function compare(a, b, way) {
  if (a === undefined || b === undefined) return (a === undefined) - (b === undefined); // a dash is last either way
  const [x, y] = [number(a), number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return way * a.localeCompare(b, undefined, { numeric: true });
  return x === y ? 0 : way * (x < y ? -1 : 1);
}

for (const button of all("thead button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const body = button.closest("table").tBodies[0];
    const down = heading.getAttribute("aria-sort") === "ascending";
    all("th", heading.parentElement).forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const column = heading.cellIndex;
    const rows = [...body.rows].sort((a, b) => compare(value(a, column), value(b, column), down ? -1 : 1));
    body.append(...rows);
  });
}

function matches(word, held) { // lr=3e-3 finds 0.003
  if (!word.includes("=")) return held.includes(word);
  if (word === held) return true;
  const [[key, wanted], [name, there]] = [word.split("="), held.split("=")];
  return key === name && wanted !== "" && Number(wanted) === Number(there);
}

function find(input) {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = all("tbody tr", document.getElementById(input.dataset.for));
  for (const row of rows) {
    const held = row.dataset.words.toLowerCase().split(/\s+/);
    row.hidden = !words.every((word) => held.some((other) => matches(word, other)));
  }
  const shown = rows.filter((row) => !row.hidden).length;
  const said = document.querySelector(`[data-found="${input.dataset.for}"]`);
  if (!words.length) said.textContent = "";
  else if (shown) said.textContent = `${shown} of ${rows.length}`;
  else said.textContent = `nothing here is “${input.value.trim()}”; try a name, or lr=0.001, seed=0, confirm, diverged`;
}
for (const input of all("input[data-for]")) input.addEventListener("input", () => find(input));
for (const link of all("[data-find]")) {
  link.addEventListener("click", () => {
    const input = document.querySelector(`input[data-for="${link.hash.slice(1)}"]`);
    if (!input) return;
    input.value = link.dataset.find;
    find(input);
  });
}
