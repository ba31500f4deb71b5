// <override-drag>: a stretch of time is drawn over the last row of a timeline, with the pointer or
// with the keys, and the form of an override opens with it. A bar that is pressed opens it with the
// time and the person of that shift. Without it the bars are links to the page of the form.
import { announce } from "../opsknight/js/announce.js";

const SVG = "http://www.w3.org/2000/svg";
const MINUTE = 60_000;
const CLICK_PX = 5; // less is a press, not a drag
const KEYS =
  "Choose a time for an override: arrow keys move, Shift and arrow keys extend, Page Up and Page Down move by a day, Enter opens the form.";

class OverrideDrag extends HTMLElement {
  connectedCallback() {
    this.start = Date.parse(this.dataset.start);
    this.end = Date.parse(this.dataset.end);
    this.step = Number(this.dataset.minutes) * MINUTE;
    this.svg = this.querySelector("svg");
    this.format = formatter(this.dataset.zone);
    this.pick = document.createElement("button");
    this.pick.type = "button";
    this.pick.className = "chart__pick";
    this.pick.textContent = "Choose a time";
    this.pick.setAttribute("aria-label", KEYS);
    this.prepend(this.pick);
    this.pick.addEventListener("keydown", (event) => this.pressed(event));
    this.pick.addEventListener("blur", () => this.clear());
    this.pick.addEventListener("click", () => this.open(this.span ?? this.cursor()));
    this.addEventListener("pointerdown", (event) => this.grab(event));
    this.addEventListener("pointermove", (event) => this.drag(event));
    this.addEventListener("pointerup", (event) => this.release(event));
    this.addEventListener("pointercancel", () => this.clear());
    this.addEventListener("keydown", (event) => event.key === "Escape" && this.clear());
    this.addEventListener("click", (event) => this.follow(event), { capture: true });
    this.addEventListener("dragstart", (event) => event.preventDefault());
    this.opener = document.querySelector("a[data-override]");
    this.opener?.addEventListener("click", (event) => this.pressedOpener(event));
    this.dataset.ready = "";
  }

  // Pointer. A finger scrolls the timeline; it presses a bar, or the button above.

  grab(event) {
    if (event.pointerType === "touch" || event.button !== 0 || event.target === this.pick) return;
    this.from = event.clientX;
    this.wasDragged = false;
  }

  drag(event) {
    if (this.from === undefined || !(event.buttons & 1)) return;
    if (!this.wasDragged && Math.abs(event.clientX - this.from) < CLICK_PX) return;
    if (!this.wasDragged) {
      this.wasDragged = true;
      this.setPointerCapture(event.pointerId);
    }
    const [first, last] = [this.from, event.clientX].sort((a, b) => a - b);
    const begin = this.rounded(this.instant(first), Math.floor);
    const end = this.rounded(this.instant(last), Math.ceil);
    this.draw({ begin, end: Math.max(end, begin + this.step) });
  }

  release() {
    const span = this.wasDragged ? this.span : undefined;
    this.from = undefined;
    if (span) this.open(span);
  }

  follow(event) {
    if (event.target === this.pick) return;
    if (this.wasDragged) {
      this.wasDragged = false;
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const bar = event.target.closest("a[data-bar]");
    if (!bar || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.load(bar.getAttribute("href"), bar);
  }

  pressedOpener(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.load(this.opener.getAttribute("href"), this.opener);
  }

  // Keys

  pressed(event) {
    const day = 24 * 60 * MINUTE;
    const by = {
      ArrowLeft: -this.step,
      ArrowRight: this.step,
      PageUp: -day,
      PageDown: day,
    }[event.key];
    if (!by) return;
    event.preventDefault();
    const now = this.span ?? this.cursor();
    if (event.shiftKey) {
      this.draw({ begin: now.begin, end: Math.max(now.begin + this.step, now.end + by) });
    } else {
      this.draw({ begin: now.begin + by, end: now.end + by });
    }
    announce(this.text());
  }

  /** Where the keys start: at the next full step from now, or at the start of what is shown. */
  cursor() {
    const now = Date.now();
    const inside = now >= this.start && now < this.end - this.step;
    const begin = inside ? this.rounded(now, Math.ceil) : this.start;
    return { begin, end: begin + this.step };
  }

  // Both

  instant(x) {
    const box = this.svg.getBoundingClientRect();
    const share = Math.min(Math.max((x - box.left) / box.width, 0), 1);
    return this.start + share * (this.end - this.start);
  }

  rounded(instant, round) {
    return this.start + round((instant - this.start) / this.step) * this.step;
  }

  draw({ begin, end }) {
    const first = Math.max(begin, this.start);
    const last = Math.min(end, this.end);
    if (last <= first) return;
    this.span = { begin: first, end: last };
    this.mark ??= this.svg.appendChild(document.createElementNS(SVG, "rect"));
    const share = (instant) => ((instant - this.start) / (this.end - this.start)) * 100;
    this.mark.setAttribute("class", "lane__span");
    this.mark.setAttribute("x", `${share(first)}%`);
    this.mark.setAttribute("width", `${share(last) - share(first)}%`);
    this.mark.setAttribute("y", "2");
    this.mark.setAttribute("height", Number(this.svg.getAttribute("height")) - 4);
    this.mark.setAttribute("rx", "4");
    const tips = this.closest("bar-tips");
    if (!tips?.say) return;
    tips.isBusy = true;
    tips.say(this.text(), this.mark.getBoundingClientRect());
  }

  text() {
    return `${this.format(this.span.begin)} to ${this.format(this.span.end)}`;
  }

  clear() {
    this.mark?.remove();
    this.mark = this.span = this.from = undefined;
    const tips = this.closest("bar-tips");
    if (!tips) return;
    tips.isBusy = false;
    tips.hide();
  }

  open({ begin, end }) {
    const glue = this.dataset.url.includes("?") ? "&" : "?";
    const times = new URLSearchParams({
      from: new Date(begin).toISOString(),
      until: new Date(end).toISOString(),
    });
    this.load(`${this.dataset.url}${glue}${times}`, this.pick);
  }

  async load(address, opener) {
    const dialog = document.getElementById("override-dialog");
    const target = document.getElementById("override-form");
    if (!dialog || !target) return location.assign(address);
    await window.htmx.ajax("GET", address, { target, swap: "innerHTML" });
    dialog.addEventListener("close", () => this.closed(opener), { once: true });
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("select, input:not([type=hidden])")?.focus();
  }

  closed(opener) {
    this.clear();
    opener?.focus({ preventScroll: true });
  }
}

function formatter(zone) {
  const options = {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  };
  try {
    const format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone });
    return (instant) => format.format(instant).replace(",", "");
  } catch {
    const format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" });
    return (instant) => `${format.format(instant).replace(",", "")} UTC`;
  }
}

customElements.define("override-drag", OverrideDrag);
