// A link with data-dialog leads to a page that asks something. Here the question opens over this page instead.
"use strict";

const fetched = async (url, options) => {
  const answer = await fetch(url, { credentials: "same-origin", headers: { "HX-Request": "true" }, ...options });
  const text = await answer.text();
  return { url: answer.url, page: new DOMParser().parseFromString(text, "text/html") };
};

const ask = async (link) => {
  const { page } = await fetched(link.href);
  const question = page.querySelector(".nj-dialog");
  if (!question) return location.assign(link.href);
  const dialog = document.createElement("dialog");
  dialog.className = question.className;
  dialog.setAttribute("aria-labelledby", question.getAttribute("aria-labelledby") || "");
  dialog.append(...document.adoptNode(question).childNodes);
  for (const heading of dialog.querySelectorAll("h1")) {
    const lower = document.createElement("h2");
    lower.id = heading.id;
    lower.append(...heading.childNodes);
    heading.replaceWith(lower);
  }
  dialog.opener = link;
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  const first = dialog.querySelector("[autofocus], select, textarea, input:not([type=hidden])");
  if (first) first.focus();
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (link && !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    ask(link).catch(() => location.assign(link.href));
  }
  const keep = event.target.closest("dialog [data-keep]");
  if (keep) {
    event.preventDefault();
    keep.closest("dialog").close();
  }
});

// A reveal answers in place: the stitched field opens where it stood, and closes itself.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("dialog form[data-reveal-form]");
  const dialog = form && form.closest("dialog");
  const place = dialog && dialog.opener.closest(".nj-mask, .nj-place");
  if (!place) return;
  event.preventDefault();
  try {
    const { page } = await fetched(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const shown = page.querySelector("[data-reveal]");
    if (!shown) throw new Error("not revealed");
    const open = document.adoptNode(shown);
    open.masked = place;
    dialog.close();
    place.replaceWith(open);
    open.dispatchEvent(new CustomEvent("nj:revealed", { bubbles: true }));
    open.tabIndex = -1;
    open.focus();
  } catch {
    form.submit();
  }
});
