{% load static %}// Shows push messages and does what their buttons say. What a message holds is in
// notifications/channels/push.py.
"use strict";

const ICON = "{% static "opsknight/img/icon-192.png" %}";
const BADGE = "{% static "opsknight/img/badge-96.png" %}";
const FAILED = "OpsKnight could not be reached. Press this message to open it.";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => event.waitUntil(show(read(event))));

// The push service gave this browser another address: pages must follow it.
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(move(event)));

self.addEventListener("notificationclick", (event) => {
  const { notification, action } = event;
  notification.close();
  const button = notification.data.actions.find((one) => one.action === action);
  event.waitUntil(button?.url ? answer(button, notification) : open(notification.data.url));
});

// Where this worker came from, which is sure to be open to this browser.
function local(url) {
  const { pathname, search } = new URL(url, self.location.origin);
  return self.location.origin + pathname + search;
}

// A browser that shows nothing for a push loses its permission: something is always shown.
function read(event) {
  try {
    return event.data.json();
  } catch {
    return { title: "OpsKnight", body: "You have a message.", url: "/", actions: [] };
  }
}

async function move({ oldSubscription, newSubscription }) {
  if (!oldSubscription) return;
  const { pushManager } = self.registration;
  const fresh = newSubscription ?? (await pushManager.subscribe(oldSubscription.options));
  await fetch("{% url "push-moved" %}", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ old: oldSubscription, new: fresh }),
  });
}

async function show(message) {
  await self.registration.showNotification(message.title, {
    body: message.body,
    icon: ICON,
    badge: BADGE,
    tag: message.tag,
    renotify: Boolean(message.tag),
    requireInteraction: Boolean(message.urgent),
    actions: message.actions.map(({ action, title }) => ({ action, title })),
    data: { url: message.url, actions: message.actions, tag: message.tag },
  });
  if (message.receipt) await fetch(local(message.receipt), { method: "POST" }).catch(() => {});
}

// The link answers by itself, also when nobody is signed in. What came of it is shown in its place.
async function answer(button, notification) {
  const text = await post(button.url);
  await self.registration.showNotification(notification.title, {
    body: text,
    icon: ICON,
    badge: BADGE,
    tag: notification.data.tag,
    data: { url: notification.data.url, actions: [], tag: notification.data.tag },
  });
}

async function post(url) {
  try {
    const headers = { Accept: "application/json" };
    const response = await fetch(local(url), { method: "POST", headers, credentials: "omit" });
    const said = await response.json();
    return said.text ?? said.error?.message ?? FAILED;
  } catch {
    return FAILED;
  }
}

async function open(url) {
  if (!url) return;
  const place = local(url);
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const shown = pages.find((page) => page.url === place);
  if (shown) await shown.focus();
  else await self.clients.openWindow(place);
}
