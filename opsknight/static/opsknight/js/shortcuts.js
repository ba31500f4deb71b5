// One table of shortcuts: every element with data-keys (tinykeys notation) and data-keys-label is
// an entry, pressing the keys presses the element. `?` opens the table.
import { tinykeys } from "../vendor/tinykeys-3.1.0/tinykeys.module.js";

const OFF = "opsknight-shortcuts-off";
const HELP = "?";
const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

function isOn() {
  try {
    return !localStorage.getItem(OFF);
  } catch {
    return true; // storage is forbidden here: nothing to remember
  }
}

function remember(on) {
  try {
    if (on) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  } catch {
    // Storage is forbidden here: holds for this page only.
  }
}

let unbind = () => {};

// Bound anew at every change of the page: an entry may come and go with a fragment.
function bind() {
  unbind();
  const bindings = {};
  for (const { keys, element } of entries()) {
    const press = (event) => {
      if (keys !== HELP && !isOn()) return;
      if (event.target.closest?.(TYPING) || document.querySelector("dialog:modal")) return;
      if (!element.isConnected) return;
      event.preventDefault();
      element.click();
    };
    bindings[keys] = press;
    if (keys === HELP) bindings[`Shift+${HELP}`] = press; // most keyboards need Shift for it
  }
  unbind = tinykeys(window, bindings);
}

function entries() {
  const found = new Map();
  for (const element of document.querySelectorAll("[data-keys]")) {
    const keys = element.dataset.keys;
    if (!found.has(keys)) found.set(keys, { keys, element, label: element.dataset.keysLabel });
  }
  return [...found.values()];
}

class KeyboardShortcuts extends HTMLElement {
  connectedCallback() {
    this.closest("dialog")?.addEventListener("toggle", (event) => {
      if (event.newState === "open") this.fill();
    });
    this.fill(); // browsers without the toggle event of dialogs
    const box = this.querySelector("[data-shortcuts-on]");
    box.checked = isOn();
    box.addEventListener("change", () => remember(box.checked));
  }

  fill() {
    const sample = this.querySelector("template");
    const rows = entries().map(({ keys, label }) => {
      const row = sample.content.cloneNode(true);
      row.querySelector("th").append(...keys.split(" ").map(keyCap));
      row.querySelector("td").textContent = label;
      return row;
    });
    this.querySelector("tbody").replaceChildren(...rows);
  }
}

function keyCap(key) {
  const cap = document.createElement("kbd");
  cap.textContent = key;
  return cap;
}

customElements.define("keyboard-shortcuts", KeyboardShortcuts);
bind();
document.addEventListener("htmx:afterSettle", bind);
