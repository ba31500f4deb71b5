// <bar-tips>: what a bar of a timeline is, on hover and on focus. One tab stop per row; the arrow
// keys go on from bar to bar. Without it every bar is a tab stop and has its <title>.
const GAP_PX = 8;

class BarTips extends HTMLElement {
  connectedCallback() {
    for (const row of this.rows) {
      for (const bar of barsOf(row)) bar.querySelector("title")?.remove();
      barsOf(row).forEach((bar, place) => bar.setAttribute("tabindex", place === 0 ? "0" : "-1"));
    }
    this.tip = document.createElement("div");
    this.tip.className = "chart__tip";
    this.tip.setAttribute("aria-hidden", "true"); // the bar's label says the same
    this.tip.hidden = true;
    this.append(this.tip);
    this.addEventListener("pointerover", (event) => this.show(event.target.closest("[data-bar]")));
    this.addEventListener("pointerleave", () => this.hide());
    this.addEventListener("focusin", (event) => this.focused(event.target.closest("[data-bar]")));
    this.addEventListener("focusout", () => this.hide());
    this.addEventListener("keydown", (event) => this.pressed(event));
  }

  get rows() {
    return [...this.querySelectorAll("svg.lane")];
  }

  show(bar) {
    if (!bar || this.isBusy) return this.hide();
    this.say(bar.getAttribute("aria-label"), bar.querySelector("svg").getBoundingClientRect());
  }

  /** Put a text above a box, within this element. */
  say(text, box) {
    this.tip.textContent = text;
    this.tip.hidden = false;
    const frame = this.getBoundingClientRect();
    const middle = (Math.max(box.left, frame.left) + Math.min(box.right, frame.right)) / 2;
    const left = middle - frame.left - this.tip.offsetWidth / 2;
    const most = frame.width - this.tip.offsetWidth - GAP_PX;
    this.tip.style.insetInlineStart = `${Math.max(GAP_PX, Math.min(left, most))}px`;
    this.tip.style.insetBlockStart = `${box.top - frame.top - this.tip.offsetHeight - 4}px`;
  }

  hide() {
    if (this.tip && !this.isBusy) this.tip.hidden = true;
  }

  focused(bar) {
    if (!bar) return;
    for (const other of barsOf(bar.closest("svg.lane"))) other.setAttribute("tabindex", "-1");
    bar.setAttribute("tabindex", "0");
    this.show(bar);
  }

  pressed(event) {
    const bar = event.target.closest?.("[data-bar]");
    if (event.key === "Escape") this.hide();
    if (!bar || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = bar.closest("svg.lane");
    const goal = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!goal) return;
    event.preventDefault();
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const bars = barsOf(row);
      bars[bars.indexOf(bar) + goal]?.focus();
      return;
    }
    const rows = this.rows.filter((found) => barsOf(found).length);
    nearest(rows[rows.indexOf(row) + goal], bar)?.focus();
  }
}

function barsOf(row) {
  return [...row.querySelectorAll("[data-bar]")];
}

function nearest(row, bar) {
  if (!row) return undefined;
  const left = (found) => found.querySelector("svg").getBoundingClientRect().left;
  const wanted = left(bar);
  return barsOf(row).sort((a, b) => Math.abs(left(a) - wanted) - Math.abs(left(b) - wanted))[0];
}

customElements.define("bar-tips", BarTips);
