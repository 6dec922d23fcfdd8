// -- copying commands

const statusLine = document.getElementById("status"); // read out by screen readers

for (const button of all("[data-copy]")) {
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "copied";
      statusLine.textContent = `copied: ${button.dataset.copy}`;
    } catch {
      prompt("Copy this command:", button.dataset.copy); // no clipboard for a page opened from a file
      return;
    }
    setTimeout(() => { button.textContent = "copy"; }, 1200);
  });
}
