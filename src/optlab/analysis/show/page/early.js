// -- early: in the head, before anything of the page is shown
document.documentElement.classList.add("js");
try {
  const theme = localStorage.getItem("optlab-theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch { /* storage is off */ }

// A page that reads itself again is shown when it is as it was (where browsers know "expect"), and each plot as it was
// until the new one is drawn: live.js keeps them. They stand before a plot, as Plotly takes for its own what is in it.
try {
  const kept = JSON.parse(sessionStorage.getItem(`optlab-live ${location.pathname}`));
  if (kept && Date.now() - kept.at < 60000) {
    document.head.append(Object.assign(document.createElement("link"), { rel: "expect", href: "#script", blocking: "render" }));
    const pictures = new Map(kept.pictures);
    const arrivals = new MutationObserver(() => { // called before what has arrived is shown
      for (const plot of document.querySelectorAll(".plot")) {
        const { section, figure } = plot.parentElement.dataset;
        const picture = pictures.get(`${section} ${figure}`);
        if (!picture || !pictures.delete(`${section} ${figure}`)) continue;
        plot.style.minHeight = `${picture.height}px`;
        plot.insertAdjacentHTML("beforebegin", `<div class="before" aria-hidden="true"><div>${picture.svg}</div></div>`);
        Object.assign(plot.previousElementSibling.firstElementChild.style, { height: `${picture.height}px` });
      }
    });
    arrivals.observe(document, { childList: true, subtree: true });
    addEventListener("DOMContentLoaded", () => arrivals.disconnect());
  }
} catch { /* storage is off: plots are empty until they are drawn */ }
