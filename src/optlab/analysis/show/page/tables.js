// -- tables

const value = (row, column) => row.cells[column].dataset.v ?? "";
const number = (text) => (text === "inf" ? Infinity : text === "-inf" ? -Infinity : text === "" ? NaN : Number(text));

function compare(a, b) {
  const [x, y] = [number(a), number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return a.localeCompare(b, undefined, { numeric: true });
  return x === y ? 0 : x < y ? -1 : 1;
}

for (const button of all("thead button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const body = button.closest("table").tBodies[0];
    const down = heading.getAttribute("aria-sort") === "ascending";
    all("th", heading.parentElement).forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const column = heading.cellIndex;
    const rows = [...body.rows].sort((a, b) => compare(value(a, column), value(b, column)) * (down ? -1 : 1));
    body.append(...rows);
  });
}

function find(input) {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of all("tbody tr", document.getElementById(input.dataset.for))) {
    const held = row.dataset.words.toLowerCase().split(/\s+/);
    row.hidden = !words.every((word) => held.some((other) => (word.includes("=") ? other === word : other.includes(word))));
  }
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

for (const button of all("[data-copy]")) {
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "copied";
    } catch {
      prompt("Copy this command:", button.dataset.copy); // no clipboard for a page opened from a file
      return;
    }
    setTimeout(() => { button.textContent = "copy"; }, 1200);
  });
}
