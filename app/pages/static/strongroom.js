// What the pages do beyond links and forms. Each piece stands in a file of its own and works by delegation, so that
// what htmx puts into the page later behaves like what was there from the start.

import { watchCopies } from "./copies.js";
import { fade, watchDialogs } from "./dialogs.js";
import { watchEyes } from "./eye.js";
import { isDirty, watchForms } from "./forms.js";
import { watchSession } from "./session.js";
import { watchTimes } from "./times.js";
import { watchTyping } from "./typing.js";
import { watchValues } from "./values.js";

watchSession();
watchForms();
watchDialogs();
watchCopies();
watchEyes();
watchTimes();
watchTyping();
watchValues();

// On a telephone filters stand behind one line, unless they are in use.
if (matchMedia("(max-width: 40rem)").matches) {
  document.querySelectorAll("[data-fold]:not([data-used], :focus-within)").forEach((each) => (each.open = false));
}

// Tabs that don't all fit can be moved; the one that is open is in sight.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// A message that came with the page is read out by taking the focus to it; a form that came back is mended where it is
// wrong. Not where somebody was faster than this script, and is typing already.
const message = document.querySelector("#message .message");
if (message) fade(message);
const busy = document.activeElement !== document.body && !document.activeElement.matches("[autofocus]");
if (!busy && ![...document.forms].some(isDirty)) (document.querySelector("main [aria-invalid=true]") ?? message)?.focus();

// What was typed into a search before this script was there is searched for.
document.addEventListener("DOMContentLoaded", () => setTimeout(() => {
  for (const filters of document.querySelectorAll("form.filters[hx-get]")) if (isDirty(filters)) filters.requestSubmit();
}));

// A page out of the back-forward cache may be older than a sign-out: it is asked for anew.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
