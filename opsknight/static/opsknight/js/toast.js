// Toasts: from Django's messages in the page, from HX-Trigger: {"toast": {"level", "text"}} and
// from other modules. Errors stay until dismissed; the others leave, but not while looked at.
const SHOWN_MS = 6000;

function region() {
  return document.getElementById("toasts");
}

/**
 * level: success | info | warning | error. action: {label, url} posts to url (an undo),
 * {label, href} is a link.
 */
export function showToast({ level = "info", text, action }) {
  const samples = document.getElementById("toast-templates");
  const sample =
    samples?.content.querySelector(`[data-level="${CSS.escape(level)}"]`) ??
    samples?.content.querySelector('[data-level="info"]');
  if (!sample || !region() || isShown(text)) return;
  const toast = sample.cloneNode(true);
  toast.querySelector(".toast__text").append(text);
  if (action) toast.querySelector(".toast__close").before(actionOf(action, toast));
  region().append(toast);
  rise();
  prepare(toast, Boolean(action?.href));
}

function isShown(text) {
  return [...region().children].some((toast) => toast.dataset.text === text && toast.isConnected);
}

function actionOf({ label, url, href }, toast) {
  const element = document.createElement(href ? "a" : "button");
  element.className = "toast__action";
  element.textContent = label;
  if (href) {
    element.href = href;
  } else {
    element.type = "button";
    element.addEventListener("click", (event) => {
      window.htmx.ajax("POST", url, { source: document.body, event, swap: "none" });
      toast.remove();
    });
  }
  return element;
}

// A modal dialog lies in the top layer: the toasts must go there too, after it.
function rise() {
  const list = region();
  if (!document.querySelector("dialog:modal") || !list.showPopover) return;
  list.popover = "manual";
  if (list.matches(":popover-open")) list.hidePopover();
  list.showPopover();
}

function prepare(toast, stays) {
  const text = toast.querySelector(".toast__text").lastChild;
  toast.dataset.text = text?.textContent.trim() ?? "";
  toast.querySelector(".toast__close").addEventListener("click", () => toast.remove());
  if (stays || toast.dataset.level === "error") return;
  let timer;
  const start = () => (timer = setTimeout(() => toast.remove(), SHOWN_MS));
  const stop = () => clearTimeout(timer);
  toast.addEventListener("pointerenter", stop);
  toast.addEventListener("focusin", stop);
  toast.addEventListener("pointerleave", start);
  toast.addEventListener("focusout", start);
  start();
}

document.addEventListener("toast", (event) => showToast(event.detail));
for (const toast of region()?.children ?? []) prepare(toast, false);
