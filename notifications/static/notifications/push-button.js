// <push-button>: notifies a person in this browser, or stops that. It subscribes at the push service
// of the browser's maker and sends its form; the page that comes back says what became of it.
import { showToast } from "../opsknight/js/toast.js";

const WORKER = "/sw.js";
const STATES = ["on", "off", "denied", "install", "unsupported"];

class PushButton extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const button = event.target.closest("[data-does]");
      if (button) this.press(button);
    });
    this.look();
  }

  // Which of its parts is true here.
  async look() {
    this.show(await this.state().catch(() => "unsupported"));
  }

  show(state) {
    for (const name of STATES) this.querySelector(`[data-state="${name}"]`).hidden = name !== state;
    this.dataset.is = state;
  }

  async state() {
    if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) {
      return isOnAppleTab() ? "install" : "unsupported";
    }
    if (Notification.permission === "denied") return "denied";
    const registration = await navigator.serviceWorker.getRegistration("/");
    const subscription = await registration?.pushManager.getSubscription();
    return subscription && (await this.isKnown(subscription)) ? "on" : "off";
  }

  // A subscription of another key, or of somebody else who used this browser, is none of this page.
  async isKnown(subscription) {
    const key = subscription.options?.applicationServerKey;
    if (key && toBase64url(key) !== this.dataset.key) return false;
    return this.dataset.marks.split(" ").includes(await markOf(subscription.endpoint));
  }

  async press(button) {
    button.disabled = true;
    try {
      if (button.dataset.does === "subscribe") await this.subscribe();
      else await this.unsubscribe();
    } catch (error) {
      showToast({ level: "error", text: whyNot(error) });
      await this.look();
    } finally {
      button.disabled = false;
    }
  }

  async subscribe() {
    if ((await Notification.requestPermission()) !== "granted") return this.look();
    await navigator.serviceWorker.register(WORKER, { scope: "/" });
    const { pushManager } = await navigator.serviceWorker.ready;
    await (await pushManager.getSubscription())?.unsubscribe();
    const key = this.dataset.key;
    const subscription = await pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: fromBase64url(key),
    });
    const { endpoint, keys } = subscription.toJSON();
    this.send("subscribe", { endpoint, ...keys, label: nameOfBrowser() });
  }

  async unsubscribe() {
    const registration = await navigator.serviceWorker.getRegistration("/");
    const subscription = await registration?.pushManager.getSubscription();
    const endpoint = subscription?.endpoint;
    await subscription?.unsubscribe();
    if (endpoint) this.send("unsubscribe", { endpoint });
    else await this.look();
  }

  send(name, values) {
    const form = this.querySelector(`form[data-form="${name}"]`);
    for (const [field, value] of Object.entries(values)) form.elements[field].value = value;
    form.requestSubmit();
  }
}

// iPhones and iPads know push only for what was put on the home screen. An iPad says it is a Mac.
function isOnAppleTab() {
  const { userAgent, maxTouchPoints, standalone } = navigator;
  const isApple = /iPhone|iPad/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
  return isApple && !standalone;
}

function whyNot(error) {
  if (error.name === "NotAllowedError") return "The browser does not allow notifications of this page.";
  return "The browser could not reach its push service. Try again, or use another browser.";
}

function nameOfBrowser() {
  const agent = navigator.userAgent;
  const browser = [
    [/Edg\//, "Edge"],
    [/Firefox\//, "Firefox"],
    [/Chrom(e|ium)\//, "Chrome"],
    [/Safari\//, "Safari"],
  ].find(([pattern]) => pattern.test(agent));
  const system = [
    [/Android/, "Android"],
    [/iPhone|iPad/, "iOS"],
    [/Windows/, "Windows"],
    [/Mac OS/, "macOS"],
    [/Linux/, "Linux"],
  ].find(([pattern]) => pattern.test(agent));
  return `${browser?.[1] ?? "Browser"}${system ? ` on ${system[1]}` : ""}`;
}

// Only on https and on this machine, as is all of push.
async function markOf(endpoint) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function toBase64url(buffer) {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function fromBase64url(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

customElements.define("push-button", PushButton);
