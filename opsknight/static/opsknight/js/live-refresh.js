// Elements with data-live-refresh="topic topic" and hx-get fetch themselves again when a topic is
// heard: gathered (250 ms), spread (up to 250 ms), at most once a second each. What they show may
// hold until an instant that is known: data-refresh-at="2026-11-23T12:00:00Z" inside.
const GATHER_MS = 250;
const JITTER_MS = 250;
const AT_MOST_EVERY_MS = 1000;
const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

const HANDOFF_SPREAD_MS = 2000;
const LONGEST_WAIT_MS = 3_600_000; // a sleeping machine counts no time: look again every hour
const CLOCK_AHEAD_MS = 15_000; // our clock may be ahead of the server's: then do not ask at once

const states = new WeakMap(); // element -> {timer, last}
const awaited = new WeakSet(); // elements with data-refresh-at

export function refreshTopic(topic) {
  for (const element of document.querySelectorAll(`[data-live-refresh~="${CSS.escape(topic)}"]`)) {
    schedule(element, GATHER_MS + Math.random() * JITTER_MS);
  }
}

/** Everything that can fetch itself, each within `spread` ms. */
export function refreshAll(spread) {
  for (const element of document.querySelectorAll("[data-live-refresh]")) {
    schedule(element, Math.random() * spread);
  }
}

function schedule(element, delay) {
  const state = states.get(element) ?? { last: 0 };
  states.set(element, state);
  if (state.timer) return;
  const rest = state.last + AT_MOST_EVERY_MS - performance.now();
  state.timer = setTimeout(() => {
    state.timer = undefined;
    refresh(element, state);
  }, Math.max(delay, rest));
}

function refresh(element, state) {
  if (!element.isConnected) return;
  if (isTypedIn(element)) {
    element.addEventListener("focusout", () => schedule(element, GATHER_MS), { once: true });
    return;
  }
  state.last = performance.now();
  window.htmx.trigger(element, "refresh");
}

// --- What is not replaced under a hand -----------------------------------------------------------

// A button whose request is under way stays until its own answer replaces it: of a button that has
// left the page, htmx finds the answer's targets no more. The refresh that gives way comes after it.
const givingWay = new Map(); // pressed element -> the region to fetch afterwards
let answered; // the element whose answer is being swapped in

function pressedIn(target) {
  const pressed = [...target.querySelectorAll(".htmx-request")];
  return pressed.find((element) => element !== answered && !element.dataset.liveRefresh);
}

function giveWay(event) {
  const pressed = event.detail.shouldSwap && pressedIn(event.detail.target);
  if (!pressed) return;
  event.detail.shouldSwap = false;
  givingWay.set(pressed, answered);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  answered = event.detail.requestConfig.elt;
  giveWay(event);
});
document.addEventListener("htmx:oobBeforeSwap", giveWay);
document.addEventListener("htmx:afterRequest", (event) => {
  const { elt } = event.detail.requestConfig;
  const region = givingWay.get(elt)?.closest("[data-live-refresh]");
  givingWay.delete(elt);
  if (region) schedule(region, 0);
});

// What somebody is writing is not replaced under their hands.
function isTypedIn(element) {
  return element.contains(document.activeElement) && document.activeElement.matches(TYPING);
}

// --- Until when what is shown holds --------------------------------------------------------------

function awaitAll() {
  for (const mark of document.querySelectorAll("[data-refresh-at]")) {
    if (awaited.has(mark)) continue;
    awaited.add(mark);
    awaitOne(mark, Date.parse(mark.dataset.refreshAt));
  }
}

function awaitOne(mark, at) {
  const left = at - Date.now();
  const wait = left > 0 ? left : CLOCK_AHEAD_MS;
  setTimeout(() => {
    const element = mark.closest("[data-live-refresh]");
    if (!mark.isConnected || !element) return;
    if (wait > LONGEST_WAIT_MS) awaitOne(mark, at);
    else schedule(element, Math.random() * HANDOFF_SPREAD_MS);
  }, Math.min(wait, LONGEST_WAIT_MS));
}

awaitAll();
document.addEventListener("htmx:afterSettle", awaitAll);
