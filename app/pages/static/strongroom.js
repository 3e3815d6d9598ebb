// What the pages do beyond links and forms. Each piece stands in a file of its own and works by delegation, so that
// what htmx puts into the page later behaves like what was there from the start.

import { watchCopies } from "./copies.js";
import { fade, watchDialogs } from "./dialogs.js";
import { watchEyes } from "./eye.js";
import { watchForms } from "./forms.js";
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
if (matchMedia("(max-width: 40rem)").matches) document.querySelectorAll("[data-fold]:not([data-used])").forEach((each) => (each.open = false));

// Tabs that don't all fit can be moved; the one that is open is in sight.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// A message that came with the page is read out by taking the focus to it.
const message = document.querySelector("#message .message");
message?.focus();
if (message) fade(message);
// A form that came back is mended where it is wrong.
document.querySelector("main [aria-invalid=true]")?.focus();

// A page out of the back-forward cache may be older than a sign-out: it is asked for anew.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
