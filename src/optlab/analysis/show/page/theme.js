// -- theme

const themes = ["auto", "light", "dark"];
const themeName = document.getElementById("theme-name");
themeName.textContent = root.dataset.theme ?? "auto";
document.getElementById("theme").addEventListener("click", () => {
  const next = themes[(themes.indexOf(root.dataset.theme ?? "auto") + 1) % themes.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  themeName.textContent = next;
  try {
    if (next === "auto") localStorage.removeItem("optlab-theme");
    else localStorage.setItem("optlab-theme", next);
  } catch { /* storage is off: the choice lasts as long as the page */ }
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
