// In the head, before anything is shown: what was chosen before.
document.documentElement.classList.add("js", "single");
try {
  const theme = localStorage.getItem("optlab-theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch { /* storage is off */ }
