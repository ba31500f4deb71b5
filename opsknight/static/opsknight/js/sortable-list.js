// <sortable-list>: its children are dragged into another order by their [data-handle].
// The order is that of the form fields in them, so nothing is renumbered. After a move it sends
// "change" from itself, as a field does. Up and down buttons do the same without a pointer.
import "../vendor/sortablejs-1.15.7/Sortable.min.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");

class SortableList extends HTMLElement {
  connectedCallback() {
    this.sortable = window.Sortable.create(this.querySelector("ol, ul, tbody") ?? this, {
      handle: "[data-handle]",
      animation: STILL.matches ? 0 : 120,
      onEnd: (event) => {
        if (event.oldIndex === event.newIndex) return;
        this.dispatchEvent(new Event("change", { bubbles: true }));
        this.dispatchEvent(new Event("input", { bubbles: true }));
      },
    });
  }

  disconnectedCallback() {
    this.sortable?.destroy();
    this.sortable = undefined;
  }
}

customElements.define("sortable-list", SortableList);
