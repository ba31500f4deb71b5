// <copy-button>: puts the text of its button's data-copy on the clipboard and says so.
import { announce } from "./announce.js";
import { showToast } from "./toast.js";

const SHOWN_MS = 2000;

class CopyButton extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const button = event.target.closest("[data-copy]");
      if (button) this.copy(button.dataset.copy);
    });
  }

  async copy(text) {
    try {
      await write(text);
    } catch {
      showToast({ level: "error", text: "The browser did not allow copying. Select the text and copy it." });
      return;
    }
    announce("Copied");
    this.classList.add("is-copied");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.classList.remove("is-copied"), SHOWN_MS);
  }
}

// The clipboard exists on https and localhost only; an installation may run on plain http inside.
async function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const before = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  (before?.closest("dialog") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  if (!done) throw new Error("copy was refused");
}

customElements.define("copy-button", CopyButton);
