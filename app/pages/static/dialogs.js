// The side panel and the modal: a form with data-dialog opens its page in a <dialog> instead. The browser's own dialog
// keeps the focus inside and closes on Escape; the focus returns to whatever opened it.

const openers = new WeakMap();

export function watchDialogs() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-dialog]");
    if (!form) return;
    event.preventDefault();
    openDialog(form.dataset.dialog, form.getAttribute("action"), event.submitter);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const dialog = event.target;
    if (!(dialog instanceof HTMLDialogElement)) return;
    if (!dialog.open) dialog.showModal();
    else focusFirstFault(dialog);
  });
  for (const type of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(type, () => tellFailure("The service doesn't answer; try again in a moment."));
  }
  // What was made or changed from a dialog over another page: that page is told, and stays.
  document.addEventListener("strongroom:done", (event) => {
    document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
    if (event.detail?.message) tell(event.detail.message);
  });
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("close", () => {
      dialog.replaceChildren(); // nothing that was typed stays behind
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

/** Say something where messages stand, until the next action. */
export function tell(text) {
  document.getElementById("message").replaceChildren(paragraph("message", text));
}

/** Say that something went wrong: in the dialog that is open, since it hides what is behind it, or on the page. */
export function tellFailure(text) {
  const body = document.querySelector("dialog[open] .fields, dialog[open] .dialog-body");
  const problem = paragraph("problem", text);
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

function focusFirstFault(dialog) {
  const field = dialog.querySelector("[aria-invalid=true]") ?? dialog.querySelector("[autofocus]");
  if (field) field.focus();
  else dialog.querySelector("input:not([type=hidden]), textarea, button")?.focus();
}
