// The side panel and the modal: a form with data-dialog opens its page in a <dialog> instead. The browser's own dialog
// keeps the focus inside; what was typed there and not saved is asked about before it closes; the focus returns to
// whatever opened it.

import { isDirty } from "./forms.js";

const openers = new WeakMap();

export function watchDialogs() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-dialog]");
    if (!form) return;
    event.preventDefault();
    openDialog(form.dataset.dialog, form.getAttribute("action"), event.submitter);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-opens]");
    if (link && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const open = () => openDialog(link.dataset.opens, link.getAttribute("href"), link);
      const inside = link.closest("dialog");
      if (inside && mustAsk(inside)) leave(inside, open);
      else open();
    }
    const closer = event.target.closest("[data-close]");
    if (closer) leave(closer.closest("dialog"));
    if (!event.target.closest("[data-discard]")) return;
    const then = afterLeaving;
    document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
    then?.();
  });
  document.addEventListener("keydown", (event) => {
    const dialog = event.key === "Escape" && event.target.closest?.("dialog[open]");
    if (!dialog || event.defaultPrevented) return;
    event.preventDefault();
    leave(dialog);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const dialog = event.target;
    if (!(dialog instanceof HTMLDialogElement)) return;
    if (!dialog.open) dialog.showModal();
    else focusFirst(dialog);
  });
  for (const type of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(type, () => tellFailure("The service doesn't answer; try again in a moment. Nothing that you typed is lost."));
  }
  // What was made or changed from a dialog over another page: that page is told, and stays.
  document.addEventListener("strongroom:done", (event) => {
    document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
    if (event.detail?.message) tell(event.detail.message);
  });
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("cancel", (event) => {
      if (event.target !== dialog || !mustAsk(dialog)) return;
      event.preventDefault();
      leave(dialog);
    });
    dialog.addEventListener("close", () => {
      if (dialog.id !== "leave") dialog.replaceChildren(); // nothing that was typed stays behind
      const opener = openers.get(dialog);
      if (opener?.isConnected) opener.focus();
    });
  }
}

/** Open a page in the panel or the modal; `opener` gets the focus back when it closes. */
export function openDialog(id, url, opener) {
  const dialog = document.getElementById(id);
  openers.set(dialog, opener);
  window.htmx.ajax("GET", url, { target: dialog, swap: "innerHTML" });
}

let afterLeaving = null;

/** Close a dialog, but ask first where something would be lost; `then` is what was wanted in its place. */
function leave(dialog, then = null) {
  if (!mustAsk(dialog)) return dialog.close();
  afterLeaving = then;
  const asks = document.getElementById("leave");
  const once = dialog.querySelector("[data-once]");
  asks.querySelector("#leave-text").textContent = once
    ? "This is shown only now, and can't be brought back."
    : "What you typed here isn't saved yet.";
  asks.showModal();
}

function mustAsk(dialog) {
  if (dialog.id === "leave" || dialog.id === "again") return false;
  return Boolean(dialog.querySelector("[data-once]")) || [...dialog.querySelectorAll("form[data-guard]")].some(isDirty);
}

let fading = null;

/** Say something where messages stand, for some seconds. */
export function tell(text) {
  const place = document.getElementById("message");
  const told = paragraph("message", text);
  place.replaceChildren(told);
  fade(told);
}

/** Let a message go after some seconds, unless somebody is in it. */
export function fade(message) {
  clearTimeout(fading);
  fading = setTimeout(() => message.matches(":hover, :focus-within") ? fade(message) : message.remove(), 8_000);
}

/** Say that something went wrong: in the dialog that is open, since it hides what is behind it, or on the page. */
export function tellFailure(said) {
  const body = document.querySelector("dialog[open]:not(#leave) .fields, dialog[open]:not(#leave) .dialog-body");
  const problem = paragraph("problem", typeof said === "string" ? said : "");
  if (typeof said !== "string") problem.append(...[...said.childNodes].map((each) => document.importNode(each, true)));
  problem.setAttribute("role", "alert");
  if (!body) return document.getElementById("message").replaceChildren(problem);
  body.querySelector(".problem")?.remove();
  body.prepend(problem);
}

function paragraph(className, text) {
  const made = document.createElement("p");
  made.className = className;
  made.textContent = text;
  return made;
}

function focusFirst(dialog) {
  const field = dialog.querySelector("[aria-invalid=true]") ?? dialog.querySelector("[autofocus]");
  if (field) field.focus();
  else dialog.querySelector("input:not([type=hidden]), textarea, button")?.focus();
}
