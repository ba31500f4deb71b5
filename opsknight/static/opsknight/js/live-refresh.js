// Elements with data-live-refresh="topic topic" and hx-get fetch themselves again when a topic is
// heard: gathered (250 ms), spread (up to 250 ms), at most once a second each.
const GATHER_MS = 250;
const JITTER_MS = 250;
const AT_MOST_EVERY_MS = 1000;
const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

const states = new WeakMap(); // element -> {timer, last}

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

// What somebody is writing is not replaced under their hands.
function isTypedIn(element) {
  return element.contains(document.activeElement) && document.activeElement.matches(TYPING);
}
