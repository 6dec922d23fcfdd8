// -- settings: each behind a tab, which is a link

const tabs = all("[data-setting]");

function show(id) {
  for (const block of all(".setting")) block.hidden = (block.dataset.of ?? block.id) !== id;
  for (const tab of tabs) tab.setAttribute("aria-current", String(tab.dataset.setting === id));
  redraw();
}

function follow() { // the address: a setting, or what lies in one
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const block = target?.closest(".setting");
  if (!block) return;
  show(block.dataset.of ?? block.id);
  if (target !== block) target.scrollIntoView();
}

if (tabs.length) {
  show(tabs[0].dataset.setting);
  addEventListener("hashchange", follow);
  follow();
}
