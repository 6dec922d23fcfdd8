// -- stepping through the lines

const LINES = ["forward", "zero_grad", "backward", "step", "after", "next"];
const count = all("section.step").length;
let at = { step: 0, line: 0 };

function go(step, line, focus = false) {
  at = { step, line };
  for (const button of all("[data-go]")) button.setAttribute("aria-pressed", String(Number(button.dataset.go) === step));
  for (const element of all("[data-of]")) element.hidden = Number(element.dataset.of) !== step;
  for (const button of all("[data-line]")) {
    const marked = button.dataset.line === LINES[line];
    button.toggleAttribute("aria-current", marked);
    if (marked) button.setAttribute("aria-current", "step");
  }
  for (const section of all("section.step")) section.classList.toggle("current", Number(section.dataset.step) === step);
  for (const stage of all(".stage")) {
    const current = stage.closest("section").classList.contains("current") && stage.dataset.stage === LINES[line];
    stage.classList.toggle("current", current);
    if (current && !root.classList.contains("single") && focus) stage.scrollIntoView({ block: "nearest" });
  }
  const place = step * LINES.length + line;
  document.querySelector("[data-move='-1']").disabled = place === 0;
  document.querySelector("[data-move='1']").disabled = place === count * LINES.length - 1;
}

function move(by) {
  const place = at.step * LINES.length + at.line + by;
  if (place < 0 || place >= count * LINES.length) return;
  go(Math.floor(place / LINES.length), place % LINES.length, true);
}

for (const button of all("[data-move]")) button.addEventListener("click", () => move(Number(button.dataset.move)));
for (const button of all("[data-go]")) button.addEventListener("click", () => go(Number(button.dataset.go), at.line, true));
for (const button of all("[data-line]")) {
  button.addEventListener("click", () => go(at.step, LINES.indexOf(button.dataset.line), true));
}

const every = document.getElementById("every");
every.addEventListener("click", () => {
  const single = root.classList.toggle("single");
  every.setAttribute("aria-pressed", String(!single));
  show(every.querySelector("[data-t]"), single ? "page.all" : "page.one");
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.target.closest("input, .scroll:focus")) return;
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    event.preventDefault();
    move(event.key === "ArrowRight" ? 1 : -1);
  }
});

go(0, 0);
