// Rows of lists. A row that is on the page is replaced where it stands. A row that is not: its
// list says "3 new, show", or takes it in at the top (data-live-insert="top") when nobody is
// pointing at the list. Nothing moves from under the pointer.
import { announce } from "./announce.js";
import { refreshTimes } from "./time.js";

const MARKED_MS = 2400; // as long as --mark in tokens.css
const LEAVE_MS = 10_000; // long enough to see what became of it
const STATUS_TEXT = {
  triggered: "triggered",
  acknowledged: "acknowledged",
  resolved: "resolved",
  snoozed: "snoozed",
  suppressed: "suppressed",
};

const stale = new WeakSet(); // lists to fetch again once they are left alone
const news = new WeakMap(); // list -> Set of incident ids it does not show

/** incident: {id, status, version, row}, as the stream sends it. */
export function showIncident({ id, status, version, row }) {
  const key = `incident:${id}`;
  const rows = document.querySelectorAll(`[data-live-row="${CSS.escape(key)}"]`);
  for (const old of rows) replaceRow(old, row, version);
  for (const list of document.querySelectorAll('[data-live-list="incidents"]')) {
    if (!list.querySelector(`[data-live-row="${CSS.escape(key)}"]`)) addTo(list, { id, status, row });
  }
}

/** The lists themselves, after something may have been missed; not while one is pointed at. */
export function refreshLists() {
  for (const list of document.querySelectorAll("[data-live-list]")) {
    if (list.hasAttribute("data-live-refresh") || stale.has(list)) continue;
    stale.add(list);
    whenLeftAlone(list, () => {
      stale.delete(list);
      reload(list);
    });
  }
}

// --- Rows that are here ------------------------------------------------------------------------

function replaceRow(old, html, version) {
  if (!html || isOlder(version, old)) return;
  const fresh = parseRow(html);
  if (!fresh) return;
  if (version !== undefined) fresh.dataset.version = version;
  const focus = focusIn(old);
  carryOver(old, fresh);
  old.replaceWith(fresh);
  window.htmx.process(fresh);
  refreshTimes(fresh);
  focusables(fresh)[focus]?.focus({ preventScroll: true });
  mark(fresh);
  leaveLater(fresh, fresh.dataset.status);
}

function isOlder(version, row) {
  const shown = Number(row.dataset.version);
  return version !== undefined && Boolean(row.dataset.version) && Number(version) <= shown;
}

/** One element out of HTML, without anything that could run. */
function parseRow(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const element of template.content.querySelectorAll("script, iframe, object, embed")) {
    element.remove();
  }
  return template.content.firstElementChild;
}

function focusables(row) {
  return row.querySelectorAll("a[href], button, input, select, summary, [tabindex]");
}

function focusIn(row) {
  if (!row.contains(document.activeElement)) return -1;
  return [...focusables(row)].indexOf(document.activeElement);
}

// What the reader did to the row stays: a tick for a bulk action, an opened menu.
function carryOver(old, fresh) {
  const boxes = fresh.querySelectorAll("input[type=checkbox]");
  old.querySelectorAll("input[type=checkbox]").forEach((box, index) => {
    if (boxes[index]) boxes[index].checked = box.checked;
  });
  const details = fresh.querySelectorAll("details");
  old.querySelectorAll("details").forEach((element, index) => {
    if (details[index]) details[index].open = element.open;
  });
}

function mark(row) {
  row.classList.add("is-changed");
  setTimeout(() => row.classList.remove("is-changed"), MARKED_MS);
  const status = STATUS_TEXT[row.dataset.status] ?? "changed";
  announce(`${row.dataset.label ?? "An incident"}: ${status}`);
}

// --- Rows that are not here --------------------------------------------------------------------

function addTo(list, { id, status, row }) {
  if (!wants(list, status) || !isAbout(list, row)) {
    news.get(list)?.delete(id);
    offer(list);
    return;
  }
  if (list.dataset.liveInsert === "top" && row && rowsOf(list) && !isInUse(list)) {
    insertTop(list, row);
    return;
  }
  if (!news.has(list)) news.set(list, new Set());
  news.get(list).add(id);
  offer(list);
}

function wants(list, status) {
  const wanted = list.dataset.liveStatuses;
  return !wanted || wanted.split(" ").includes(status);
}

// data-live-where='{"service": ["3"]}': a row belongs here when its data-service names a 3.
function isAbout(list, html) {
  const where = list.dataset.liveWhere;
  if (!where) return true;
  const row = html && parseRow(html);
  if (!row) return false;
  return Object.entries(JSON.parse(where)).every(([name, values]) => {
    const said = (row.dataset[name] ?? "").trim().split(/\s+/);
    return values.some((value) => said.includes(value));
  });
}

// data-live-leave: a row that no longer belongs goes after a while, when nobody points at the list.
function leaveLater(row, status) {
  const list = row.closest("[data-live-leave]");
  if (!list || wants(list, status)) return;
  setTimeout(() => {
    whenLeftAlone(list, () => row.isConnected && !wants(list, row.dataset.status) && row.remove());
  }, LEAVE_MS);
}

function insertTop(list, html) {
  const fresh = parseRow(html);
  if (!fresh) return;
  const rows = rowsOf(list);
  rows.prepend(fresh);
  const most = Number(list.dataset.liveMax) || Infinity;
  while (rows.children.length > most) rows.lastElementChild.remove();
  window.htmx.process(fresh);
  refreshTimes(fresh);
  mark(fresh);
}

// Without rows (an empty state stands there) there is no place to insert: offer to show.
function rowsOf(list) {
  const kinds = "ul, ol, tbody";
  return list.matches(kinds) ? list : list.querySelector(`[data-live-rows], ${kinds}`);
}

// Pointed at, or ticked for a bulk action.
function isInUse(list) {
  const focused = list.contains(document.activeElement);
  return focused || list.matches(":hover") || Boolean(list.querySelector(":checked"));
}

function whenLeftAlone(list, act) {
  if (!isInUse(list)) {
    act();
    return;
  }
  const done = new AbortController();
  const again = () => {
    if (done.signal.aborted || isInUse(list)) return;
    done.abort();
    if (list.isConnected) act();
  };
  // The focus and the tick have moved only after their events.
  for (const name of ["pointerleave", "focusout", "change"]) {
    list.addEventListener(name, () => setTimeout(again), { signal: done.signal });
  }
}

// --- "3 new, show" -----------------------------------------------------------------------------

function offer(list) {
  const count = news.get(list)?.size ?? 0;
  let button = list.previousElementSibling;
  if (!button?.matches(".live-news")) button = undefined;
  if (!count) {
    button?.remove();
    return;
  }
  button ??= makeOffer(list);
  button.textContent = `${count} new — show`;
  announce(`${count} new`);
}

function makeOffer(list) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "live-news";
  button.addEventListener("click", () => show(list));
  list.before(button);
  return button;
}

// The button goes; the keyboard goes on at the first row of what it asked for.
async function show(list) {
  await reload(list);
  const shown = list.isConnected ? list : document.getElementById(list.id);
  shown?.querySelector("a[href]")?.focus();
}

/** Fetch the list again: by its own hx-get, else out of this very page, else load the page. */
function reload(list) {
  news.delete(list);
  offer(list);
  if (list.hasAttribute("hx-get")) {
    window.htmx.trigger(list, "refresh");
  } else if (list.id) {
    const selector = `#${CSS.escape(list.id)}`;
    return window.htmx.ajax("GET", location.href, {
      source: list,
      target: list,
      select: selector,
      swap: "outerHTML",
    });
  } else {
    location.reload();
  }
  return Promise.resolve();
}
