"use strict";
// The files of the page are joined in this order: page, figures, zoom, numbers, theme, settings, tables, copy, live.
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const root = document.documentElement;
const specs = JSON.parse(document.getElementById("specs").textContent);
const hidden = new Set(); // names of contenders that are switched off
const drawn = new Map(); // figure element -> {spec, choice, axis, zoom}
let printing = false;

function press(button) {
  all("button", button.parentElement).forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
}
