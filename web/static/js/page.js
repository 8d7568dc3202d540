// Small comforts of every page: filters that send themselves, menus that close, toasts that go, names that hide again.
"use strict";

// A filter sends itself when a choice changes; its button stays for those without JavaScript.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (form && event.target.matches("select, input[type=checkbox], input[type=radio]")) form.requestSubmit();
});

// A browser writes a chosen day in its own order; beside it the day stands in words, in the page's language.
document.addEventListener("input", (event) => {
  const said = event.target.matches("input[type=date]") && document.querySelector(`output[for="${event.target.id}"]`);
  if (!said) return;
  const language = document.documentElement.lang === "th" ? "th-TH" : "en-GB";
  const parts = { weekday: "short", day: "numeric", month: "short", year: "numeric" };
  const day = event.target.valueAsDate;
  said.textContent = day ? day.toLocaleDateString(language, { ...parts, timeZone: "UTC" }) : "";
});

document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.nj-drop[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.nj-drop[open]")) {
    open.open = false;
    open.querySelector("summary").focus();
  }
  if (location.hash === "#more") location.hash = "#main";
});

// On a phone the lower panels of a case begin closed; on a desk everything is open.
const narrow = window.matchMedia("(max-width: 47.98rem)");
const fold = () => {
  for (const panel of document.querySelectorAll("details.nj-fold")) {
    panel.open = !narrow.matches;
  }
};
fold();
narrow.addEventListener("change", fold);
const openTarget = () => {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  const panel = target && target.closest("details.nj-fold");
  if (panel) panel.open = true;
};
window.addEventListener("hashchange", openTarget);
openTarget();

// What is open now is in sight, in a long queue and among tabs that do not fit, also after a phone was turned.
const bringIntoSight = () => {
  for (const here of document.querySelectorAll(".queue a[aria-current], .nj-views a[aria-current]")) {
    const box = here.closest(".queue, .nj-views"), around = box.getBoundingClientRect(), place = here.getBoundingClientRect();
    if (place.bottom > around.bottom) box.scrollTop += place.top - around.top - around.height / 3;
    if (place.right > around.right) box.scrollLeft += place.right - around.right;
  }
};
screen.orientation?.addEventListener("change", bringIntoSight);
window.matchMedia("(max-width: 47.98rem)").addEventListener("change", bringIntoSight);
bringIntoSight();
// Fonts that come later make rows taller.
document.fonts.ready.then(bringIntoSight);

// A revealed value hides itself: the clock starts when it is on the screen.
const hide = (shown) => {
  const link = shown.querySelector("[data-hide]");
  if (shown.masked) shown.replaceWith(shown.masked);
  else if (link) location.replace(link.href);
};
const countDown = (shown) => {
  const clock = shown.querySelector("[data-countdown]");
  const end = Date.now() + Number(shown.dataset.reveal) * 1000;
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (!shown.isConnected) return;
    if (left === 0) hide(shown);
    else setTimeout(tick, 250);
  };
  tick();
};
document.querySelectorAll("[data-reveal]").forEach(countDown);
document.addEventListener("nj:revealed", (event) => countDown(event.target));
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-hide]");
  const shown = link && link.closest("[data-reveal]");
  if (shown && shown.masked) {
    event.preventDefault();
    const masked = shown.masked;
    hide(shown);
    const again = masked.querySelector("a");
    if (again) again.focus();
  }
});
// A page that the browser kept must not show a name again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted && document.querySelector("[data-reveal]")) location.reload();
});

// After a decision the eye and the screen reader begin at the new heading.
if (document.querySelector(".nj-toast")) {
  const heading = document.querySelector("main h1");
  if (heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
}
