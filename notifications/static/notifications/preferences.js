// The page of one's own notifications: a form changes its own part of the page, and the parts that
// change with it; what was pressed stays under the hand, and the focus stays where it was.
const PARTS = "[data-parts]";

const tops = {}; // by id: where a part stands that is about to be swapped

function topOf(id) {
  return document.getElementById(id)?.getBoundingClientRect().top;
}

// The fragment of a form's address is for browsers without this: here nothing has to be scrolled to.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!detail.target.closest(PARTS)) return;
  detail.pathInfo.anchor = undefined;
  tops[detail.target.id] = topOf(detail.target.id);
});

// What changes above a part must not move it.
document.addEventListener("htmx:afterSwap", ({ detail, target }) => {
  const before = tops[target.id];
  if (before === undefined || target.id !== detail.target.id) return;
  delete tops[target.id];
  scrollBy({ top: topOf(target.id) - before, behavior: "instant" });
});

// What was pressed is gone with what it did: then the part that it belonged to has the focus.
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.requestConfig?.verb !== "post" || document.activeElement !== document.body) return;
  const part = document.getElementById(detail.target.id);
  if (part?.closest(PARTS)) part.focus({ preventScroll: true });
});
