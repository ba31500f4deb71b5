// What happens when an htmx request does not succeed: say what to do, never nothing.
import { showToast } from "./toast.js";

const WHAT_TO_DO = {
  403: "Your role does not allow this. Ask an administrator.",
  404: "This is not here any more, or you may not see it. Reload the page.",
  409: "Somebody else was quicker. Reload the page to see how it stands.",
  413: "This is too large. Shorten it and try again.",
  429: "Too many requests. Wait a minute and try again.",
};
const BACKGROUND = ["refresh", "load", "revealed", "intersect"];
const SERVER_BROKE = "OpsKnight could not do this. Try again; if it fails again, tell your administrator.";
const NO_ANSWER = "No answer from OpsKnight. Check your connection and try again.";

function message(xhr) {
  const type = xhr.getResponseHeader("Content-Type") ?? "";
  if (type.includes("json")) {
    try {
      const text = JSON.parse(xhr.responseText).error?.message;
      if (text) return text;
    } catch {
      // Not JSON after all: the status says enough.
    }
  } else if (type.includes("html")) {
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    const text = page.querySelector("[data-error-message]")?.textContent.trim();
    if (text) return text;
  }
  return WHAT_TO_DO[xhr.status] ?? (xhr.status >= 500 ? SERVER_BROKE : `Refused (${xhr.status}).`);
}

// Refreshes and first loads of a panel: nobody pressed anything.
function isBackground(detail) {
  const kind = detail.requestConfig?.triggeringEvent?.type;
  return !kind || BACKGROUND.includes(kind) || kind.startsWith("htmx:");
}

function loginUrl() {
  return document.documentElement.dataset.loginUrl;
}

function wantsLogin(xhr) {
  if (xhr.status === 401) return true;
  if (!loginUrl() || !xhr.responseURL) return false;
  const path = new URL(xhr.responseURL).pathname;
  return path === new URL(loginUrl(), location.href).pathname && path !== location.pathname;
}

function addressOfLogin() {
  const here = encodeURIComponent(location.pathname + location.search);
  return `${loginUrl() || "/login/"}?next=${here}`;
}

// A half-written note must survive an expired session: only what was pressed leads to the login.
function askForLogin(detail) {
  if (!isBackground(detail)) {
    location.assign(addressOfLogin());
    return;
  }
  const action = { label: "Sign in", href: addressOfLogin() };
  showToast({ level: "warning", text: "You are signed out; this page stands still.", action });
}

function offerRetry(element) {
  const sample = document.getElementById("panel-failed");
  if (!sample || !element.matches?.("[data-panel]:has(> .panel__loading)")) return;
  element.replaceChildren(sample.content.cloneNode(true));
  element.querySelector("[data-retry]").addEventListener("click", () => {
    window.htmx.trigger(element, "refresh");
  });
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!wantsLogin(event.detail.xhr)) return;
  event.detail.shouldSwap = false;
  event.detail.isError = false;
  askForLogin(event.detail);
});

document.addEventListener("htmx:responseError", (event) => {
  const { detail } = event;
  if (isBackground(detail)) offerRetry(detail.elt);
  else showToast({ level: "error", text: message(detail.xhr) });
});

for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    if (isBackground(event.detail)) offerRetry(event.detail.elt);
    else showToast({ level: "error", text: NO_ANSWER });
  });
}
