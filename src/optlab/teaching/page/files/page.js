"use strict";
// The files of the page are joined in this order: page, walk, formula, sliders.
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const root = document.documentElement;
const content = (id) => JSON.parse(document.getElementById(id).textContent);
const store = (key, value) => {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch { /* storage is off: the choice lasts as long as the page */ }
};

// -- numbers, as numbers.py writes them

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

function short(value, digits = 4) {
  if (value === null || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    const raised = [...String(Number(power))].map((sign) => SUPERSCRIPT[sign]).join("");
    const factor = Math.abs(Number(mantissa)) === 1 ? (value < 0 ? "-" : "") : `${Number(mantissa)}×`;
    return `${factor}10${raised}`.replaceAll("-", "−");
  }
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

// -- two languages

const words = content("words");
let language = root.lang.startsWith("zh") ? "zh" : "en";

function say(key, fields = {}) {
  const template = words[key][language];
  const chosen = typeof template === "string" ? template : template[fields.n === 1 ? 0 : 1];
  return chosen.replace(/\{(\w+)[^}]*\}/g, (_, name) => fields[name]);
}

function show(element, key, fields = {}) {
  element.dataset.t = key;
  element.dataset.f = JSON.stringify(fields);
  element.textContent = say(key, fields);
}

function speak(next) {
  language = next;
  root.lang = next === "zh" ? "zh-CN" : "en";
  for (const element of all("[data-t]")) {
    element.textContent = say(element.dataset.t, element.dataset.f ? JSON.parse(element.dataset.f) : {});
  }
  for (const element of all("[data-a]")) {
    for (const [name, key] of Object.entries(JSON.parse(element.dataset.a))) element.setAttribute(name, say(key));
  }
}

document.getElementById("language").addEventListener("click", () => {
  speak(language === "en" ? "zh" : "en");
  store("optlab-language", language);
});

try {
  const chosen = localStorage.getItem("optlab-language");
  if (chosen === "en" || chosen === "zh") speak(chosen);
} catch { /* storage is off */ }

// -- light and dark

const themes = ["auto", "light", "dark"];
const themeName = document.querySelector("#theme-name [data-t]");
show(themeName, `page.theme.${root.dataset.theme ?? "auto"}`);
document.getElementById("theme").addEventListener("click", () => {
  const next = themes[(themes.indexOf(root.dataset.theme ?? "auto") + 1) % themes.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  store("optlab-theme", next === "auto" ? null : next);
  show(themeName, `page.theme.${next}`);
});
