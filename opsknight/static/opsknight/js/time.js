// Keeps <time data-written="ago|age|exact"> true. Same rules as opsknight/web/moments.py.
const EVERY_MS = 30_000;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

const zone = document.documentElement.dataset.timeZone || undefined;
// A zone of the server that this browser does not know must not stop the page.
const options = Intl.supportedValuesOf?.("timeZone").includes(zone) ? { timeZone: zone } : {};
const zoneName = options.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
const formatter = new Intl.DateTimeFormat("en-GB", {
  ...options,
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

function parts(moment) {
  const found = Object.fromEntries(formatter.formatToParts(moment).map((p) => [p.type, p.value]));
  return { ...found, month: found.month.slice(0, 3) }; // en-GB says "Sept"
}

export function span(seconds) {
  if (seconds < MINUTE) return "now";
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  if (seconds < 7 * DAY) return `${Math.floor(seconds / DAY)} d`;
  return "";
}

function shortDate(moment, now) {
  const then = parts(moment);
  const day = `${then.day} ${then.month}`;
  return then.year === parts(now).year ? day : `${day} ${then.year}`;
}

function written(moment, style, now) {
  if (style === "exact") {
    const p = parts(moment);
    return `${p.day} ${p.month} ${p.year}, ${p.hour}:${p.minute}`;
  }
  const text = span(Math.abs(now - moment) / 1000);
  if (!text) return shortDate(moment, now);
  if (style === "age") return text;
  if (text === "now") return "just now";
  return moment <= now ? `${text} ago` : `in ${text}`;
}

function exact(moment) {
  const p = parts(moment);
  return `${p.day} ${p.month} ${p.year}, ${p.hour}:${p.minute}:${p.second} (${zoneName})`;
}

/** Rewrite all times below `root`; rows that came live were written in the server's zone. */
export function refreshTimes(root = document) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[data-written]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const text = written(moment, element.dataset.written, now);
    if (element.textContent !== text) element.textContent = text;
    const title = exact(moment);
    if (element.title !== title) element.title = title;
  }
}

setInterval(() => document.hidden || refreshTimes(), EVERY_MS);
document.addEventListener("visibilitychange", () => document.hidden || refreshTimes());
document.addEventListener("htmx:afterSettle", (event) => refreshTimes(event.target));
