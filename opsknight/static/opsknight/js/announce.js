// Says what changed to screen readers, politely: what comes within a second is said together.
const GATHER_MS = 1000;
let waiting = [];
let timer;

export function announce(text) {
  if (!waiting.includes(text)) waiting.push(text);
  timer ??= setTimeout(speak, GATHER_MS);
}

function speak() {
  const region = document.getElementById("announcements");
  const many = waiting.length > 3 ? `${waiting.length} changes` : "";
  if (region) region.textContent = many || waiting.join(". ");
  waiting = [];
  timer = undefined;
}
