// -- settings

const tabs = all("[data-setting]");
function show(id) {
  for (const block of all(".setting")) block.hidden = (block.dataset.of ?? block.id) !== id;
  redraw();
}
for (const tab of tabs) {
  tab.addEventListener("click", () => {
    press(tab);
    show(tab.dataset.setting);
  });
}
if (tabs.length) show(tabs[0].dataset.setting);
