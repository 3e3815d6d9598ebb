// A curl command in the URL's field of a new block: the service reads it into the form. The credentials' values come back
// to this script alone, and go into the panel of a new secret where a person asks for that. Before anything that was
// typed would go, the person is asked.

import { say } from "./chips.js";
import { makeSecret } from "./combobox.js";
import { tell } from "./dialogs.js";
import { token } from "./eye.js";
import { showFaults } from "./forms.js";
import { secrets } from "./references.js";
import { ended, renew } from "./session.js";

const COMMAND = /^\s*curl(\.exe)?[\s\\]/;
const CONTINUED = / \\ +(?=--?[A-Za-z]|['"$]|https?:)/g; // what a field of one line makes of a continued line's end
let values = {}; // of the credentials, by the names that were suggested

/** Take commands, pasted or typed; `start` brings the new editor to life. */
export function watchCurl(start) {
  document.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text") ?? "";
    if (!takes(event.target) || !COMMAND.test(text)) return;
    event.preventDefault(); // the field has one line, the command may have many
    const { value, selectionStart, selectionEnd } = event.target;
    void read(event.target.form, text, start, (value.slice(0, selectionStart) + value.slice(selectionEnd)).trim());
  });
  document.addEventListener("input", (event) => {
    const whole = event.data === undefined || event.data === null || event.data.length > 1; // not letter by letter
    if (whole) readField(event.target, start);
  });
  document.addEventListener("change", (event) => readField(event.target, start));
  document.addEventListener("htmx:confirm", (event) => {
    const field = event.target.form?.elements.url;
    if (!takes(field) || declined === null || field.value !== declined) return;
    event.preventDefault(); // no call yet: whoever wants it saved or sent is asked once more
    declined = null;
    readField(field, start);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-make-secret]");
    if (button) create(button);
  });
  document.addEventListener("strongroom:done", ({ detail }) => {
    const button = detail?.name && document.querySelector("[data-make-secret][data-asked]");
    if (!button) return;
    delete values[button.dataset.makeSecret];
    const done = document.createElement("span");
    done.className = "hint";
    done.textContent = `${detail.name} was created.`;
    button.replaceWith(done);
  });
  readField(document.getElementById("url"), start); // pasted before this script was there
}

const takes = (field) => field?.id === "url" && Boolean(field.form?.dataset.fromCurl);
let reading = false;
let declined = null; // the command in the field that a person keeps what they typed over

function readField(field, start) {
  if (takes(field) && COMMAND.test(field.value) && field.value !== declined) void read(field.form, field.value.replace(CONTINUED, " "), start);
}

/** Read a command into the form; `beside` is what stands in the URL's field and isn't the command. */
async function read(form, command, start, beside = "") {
  if (reading) return;
  reading = true;
  say("Reading the command …");
  const typed = typedIn(form);
  try {
    const answer = await send(form, command, beside);
    if (ended(answer)) {
      say("");
      reading = false;
      return (await renew()) ? await read(form, command, start, beside) : undefined;
    }
    const told = await answer?.json().catch(() => ({}));
    if (!answer?.ok) {
      // Nothing is lost: it can be mended there, but for a URL that stands there already.
      if (!beside) form.elements.url.value = command.replace(/\s*\\?\n\s*/g, " ");
      say("");
      return showFaults(form, [["url", told?.problem ?? "The service doesn't answer; try again in a moment."]]);
    }
    if (typedIn(form) !== typed) {
      reading = false;
      return await read(form, command, start, beside); // what was typed meanwhile is asked about too
    }
    if (told.replaces.length && !(await isAgreed(told.replaces))) {
      declined = form.elements.url.value;
      return say("What you typed was kept. The command wasn't read.");
    }
    values = told.values;
    const main = new DOMParser().parseFromString(told.html, "text/html").getElementById("main");
    const meanwhile = ["block_name", "title"].map((name) => [name, form.elements[name].value]);
    const { id: focused, selectionStart: caret } = document.activeElement;
    document.getElementById("main").replaceWith(document.importNode(main, true));
    for (const [name, text] of meanwhile) document.getElementById(name).value = text; // typed while it was read
    window.htmx.process(document.getElementById("main"));
    start();
    tell("The command was read into the block.");
    const typing = focused !== "url" && document.getElementById("main").querySelector(`#${CSS.escape(focused || "url")}`);
    if (!typing || focused === "") return document.querySelector("#draft [data-make-secret]")?.focus();
    typing.focus();
    if (caret !== undefined && caret !== null) typing.setSelectionRange(caret, caret);
  } finally {
    reading = false;
  }
}

const typedIn = (form) =>
  JSON.stringify([...new FormData(form)].filter(([name]) => !["block_name", "title", "url"].includes(name)));

/** Ask whether what a person typed may go; resolves to whether it may. */
function isAgreed(parts) {
  const dialog = document.getElementById("replace-template").content.firstElementChild.cloneNode(true);
  dialog.querySelector("#replace-text").textContent = `The command would replace ${parts.join(", ")}.`;
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "replace");
    });
    dialog.querySelector("[data-replace]").addEventListener("click", () => dialog.close("replace"));
    dialog.showModal();
  });
}

async function send(form, command, beside) {
  const body = new URLSearchParams(new FormData(form));
  body.set("command", command);
  body.set("url", beside);
  const headers = { Accept: "application/json", "X-CSRFToken": token() };
  return fetch(form.dataset.fromCurl, { method: "POST", headers, body, cache: "no-store" }).catch(() => null);
}

/** Open the panel of a new secret with the credential in it; the field that names it takes what it is called in the end. */
function create(button) {
  const name = button.dataset.makeSecret;
  for (const field of document.querySelectorAll("[data-slot] > :is(input, textarea)")) {
    const found = secrets(field.value).find((each) => each.secret === name);
    if (!found) continue;
    document.querySelectorAll("[data-asked]").forEach((each) => delete each.dataset.asked);
    button.dataset.asked = "";
    const holder = field.closest("[data-holder]");
    return makeSecret({ holder, button, start: found.start, end: found.end, name, value: values[name] ?? "" });
  }
  say(`No field holds ${name} any more.`);
}
