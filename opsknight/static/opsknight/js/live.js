// <live-stream src>: the one EventSource of a page. It says how the page is connected, hands
// events on to rows and refreshes, and falls back to polling where there is no stream.
//
// A stream is held only while the page is visible: browsers allow six connections per host over
// HTTP/1.1, so a drawer of forgotten tabs would block the seventh.
import { announce } from "./announce.js";
import { refreshLists, showIncident } from "./live-rows.js";
import { refreshAll, refreshTopic } from "./live-refresh.js";

const HIDDEN_MS = 10_000; // a hidden page gives its connection back after this
const SILENCE_MS = 50_000; // the server says "keep-alive" every 20 s
const POLL_MS = 10_000;
const PATIENCE_MS = 10_000; // without a connection for this long, poll
const RETRY_MS = 30_000; // refused (503, a proxy's 502): ask again after this, plus jitter
const SPREAD_MS = 2_000; // thousands of pages reconnect at once after a restart; see spreadOf

class LiveStream extends HTMLElement {
  connectedCallback() {
    this.wasOpen = false;
    this.isStale = false;
    this.onVisibility = () => this.followVisibility();
    document.addEventListener("visibilitychange", this.onVisibility);
    window.addEventListener("pagehide", () => this.close());
    window.addEventListener("pageshow", (event) => event.persisted && this.followVisibility());
    this.followVisibility();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.close();
  }

  followVisibility() {
    clearTimeout(this.hiding);
    if (document.hidden) {
      this.hiding = setTimeout(() => this.close(), HIDDEN_MS);
    } else if (!this.source) {
      this.open();
    }
  }

  open() {
    this.close();
    this.setState("connecting");
    this.giveUp = setTimeout(() => this.poll(), PATIENCE_MS);
    const source = new EventSource(this.address());
    this.source = source;
    source.addEventListener("error", () => this.failed());
    source.addEventListener("stream-error", () => this.refused());
    source.addEventListener("stream-open", (event) => this.opened(event));
    // Something may be missing; many incidents changed at once: fetch instead of being sent it.
    for (const name of ["stream-reset", "incidents"]) {
      source.addEventListener(name, (event) => this.catchUp(spreadOf(event)));
    }
    source.addEventListener("keep-alive", () => this.heard());
    for (const name of ["incident", "counters", "notification", "oncall"]) {
      source.addEventListener(name, (event) => this.receive(name, event.data));
    }
  }

  /** With how long ago the page was read: the stream begins with what changed since then. */
  address() {
    const { requestStart = 0 } = performance.getEntriesByType("navigation")[0] ?? {};
    const age = this.isStale ? 0 : Math.round(performance.now() - requestStart);
    return `${this.getAttribute("src")}?age=${age}`;
  }

  close() {
    this.isStale ||= Boolean(this.source);
    this.source?.close();
    this.source = undefined;
    for (const timer of [this.giveUp, this.silence, this.retry]) clearTimeout(timer);
    clearInterval(this.polling);
    this.polling = undefined;
  }

  opened(event) {
    clearTimeout(this.giveUp);
    clearInterval(this.polling);
    this.polling = undefined;
    this.setState("live");
    this.heard();
    if (this.wasOpen || this.isStale) this.catchUp(spreadOf(event));
    this.wasOpen = true;
    this.isStale = false;
  }

  heard() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.open(), SILENCE_MS);
  }

  // The browser tries again by itself after a break, but not after a refusal.
  failed() {
    this.isStale = true;
    if (this.source?.readyState === EventSource.CLOSED) {
      this.refused();
    } else if (!this.polling) {
      this.setState("connecting");
      clearTimeout(this.giveUp);
      this.giveUp = setTimeout(() => this.poll(), PATIENCE_MS);
    }
  }

  refused() {
    this.close();
    this.poll();
    this.retry = setTimeout(() => this.open(), RETRY_MS * (1 + Math.random()));
  }

  poll() {
    clearInterval(this.polling);
    this.setState("polling");
    this.polling = setInterval(() => {
      if (document.hidden) return;
      refreshAll(0);
      refreshLists();
    }, POLL_MS);
  }

  /** Something may have been missed: fetch once what the page shows, not all pages at once. */
  catchUp(spread) {
    this.heard();
    refreshAll(spread);
    clearTimeout(this.listing);
    this.listing = setTimeout(refreshLists, Math.random() * spread);
  }

  receive(name, text) {
    this.heard();
    const data = read(text);
    if (!data) return;
    if (name === "incident") {
      for (const incident of [data].flat()) this.receiveIncident(incident);
    } else {
      if (name === "notification") showUnread(data.unread);
      refreshTopic(name);
    }
  }

  receiveIncident(incident) {
    showIncident(incident);
    refreshTopic(`incident:${incident.id}`);
    refreshTopic("incident");
    refreshTopic("counters");
  }

  setState(state) {
    const root = document.documentElement;
    if (root.dataset.connection === state) return;
    if (state === "polling") announce("Live updates are interrupted; the page refreshes every 10 seconds");
    if (state === "live" && root.dataset.connection === "polling") announce("Live updates are back");
    root.dataset.connection = state;
  }
}

/** Over how many ms all pages together spread: the server knows how many there are. */
function spreadOf(event) {
  return read(event.data)?.spread_ms ?? SPREAD_MS;
}

// Null for what is not ours: the next event or the next reconnect repairs it.
function read(text) {
  try {
    return JSON.parse(text || "{}");
  } catch {
    return null;
  }
}

function showUnread(count) {
  for (const element of document.querySelectorAll("[data-live-unread]")) {
    element.textContent = count;
    element.hidden = !count;
  }
}

customElements.define("live-stream", LiveStream);
