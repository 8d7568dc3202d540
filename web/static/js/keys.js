// Single keys. They rest while somebody types, while a dialog is open, and when they are turned off under Me.
"use strict";

const typing = (target) => target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
const seen = (element) => element && element.getClientRects().length > 0;
let leader = "";
let leaderTimer;

// On a Thai keyboard the key A types ฟ: the place of the key counts, not its letter.
const letter = (event) => {
  if (/^[!-~]$/.test(event.key)) return event.key.toLowerCase();
  return event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : "";
};

const press = (element) => {
  if (element.matches("a, button, summary")) element.click();
  else element.focus();
};

const keyed = (keys) => [...document.querySelectorAll(`[data-key="${CSS.escape(keys)}"]`)]
  .find((element) => element.matches(".nj-nav a") || seen(element));

// J and K walk along the rows of the page when they are not links of their own.
const walk = (step) => {
  const rows = [...document.querySelectorAll("[data-rows] a.go")].filter(seen);
  if (!rows.length) return false;
  const at = rows.indexOf(document.activeElement);
  const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
};

const act = (key) => {
  const field = document.querySelector(`[data-key-focus="${CSS.escape(key)}"]`);
  if (seen(field)) {
    field.focus();
    return true;
  }
  const element = keyed(leader + key);
  if (element) {
    press(element);
    return true;
  }
  if (leader) return false;
  if (key === "j") return walk(1);
  if (key === "k") return walk(-1);
  if (key === "?") {
    const list = document.getElementById("keys");
    if (list && !list.open) list.showModal();
    return Boolean(list);
  }
  return false;
};

document.addEventListener("keydown", (event) => {
  if (document.body.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  const key = letter(event);
  if (!key) return;
  if (key === "g" && !leader) {
    leader = "g ";
    clearTimeout(leaderTimer);
    leaderTimer = setTimeout(() => { leader = ""; }, 1200);
    return;
  }
  const done = act(key);
  leader = "";
  if (done) event.preventDefault();
});
