// <dialog-opener for="id">: what is pressed inside opens that dialog. A link inside stays a link
// where there is no such dialog or no JavaScript. The dialog itself gives the focus back.
const FIRST_FIELD = ".dialog__body :is(input:not([type=hidden], [type=checkbox]), textarea, select)";

class DialogOpener extends HTMLElement {
  connectedCallback() {
    const dialog = document.getElementById(this.getAttribute("for"));
    this.querySelector("a, button")?.setAttribute("aria-haspopup", "dialog");
    this.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      const found = dialog ?? document.getElementById(this.getAttribute("for"));
      if (!(found instanceof HTMLDialogElement) || !event.target.closest("a, button")) return;
      event.preventDefault();
      this.closest("[popover]")?.hidePopover();
      if (!found.open) found.showModal();
      found.querySelector(FIRST_FIELD)?.focus();
    });
  }
}

customElements.define("dialog-opener", DialogOpener);

// Browsers that do not know closedby="any" yet: a press on the backdrop closes.
if (!("closedBy" in HTMLDialogElement.prototype)) {
  document.addEventListener("click", (event) => {
    const dialog = event.target;
    if (!(dialog instanceof HTMLDialogElement) || dialog.getAttribute("closedby") !== "any") return;
    const box = dialog.getBoundingClientRect();
    const inside =
      event.clientX >= box.left && event.clientX <= box.right &&
      event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) dialog.close();
  });
}

// The answer to a form in a dialog closes it: HX-Trigger: {"close-dialog": true}.
document.addEventListener("close-dialog", (event) => {
  const dialog = event.target.closest?.("dialog[open]") ?? document.querySelector("dialog[open]");
  dialog?.close();
});

// A form that comes back with errors: the eye and the screen reader start at their summary.
document.addEventListener("htmx:afterSettle", (event) => {
  event.target.querySelector?.("[data-autofocus]")?.focus();
});
