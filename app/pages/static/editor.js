// The editor of an API block: rows that come and go, names that follow what is typed, test values for the variables
// that are used, faults beside their fields after Send, and a word before typed text is lost.

import { draw, icon, make, say, watchChips } from "./chips.js";
import { makeSecret, watchPickers } from "./combobox.js";
import { tell } from "./dialogs.js";
import { isDirty, showFaults } from "./forms.js";
import { watchNames } from "./names.js";
import { references } from "./references.js";
import { watchCurl } from "./curl.js";
import { watchStreams } from "./streams.js";

const CREDENTIAL_HEADER = /^header:(authorization|cookie|.*(api-?key|token|secret|auth).*)$/i;
const CREDENTIAL = /^(?:(?:Bearer|Token|Basic|ApiKey|Key)\s+)?(\S{12,})$/i;
const CELLS = "input, textarea";
let form = null;
let changed = false;
let shared = new Map(); // the workspace's variables that the page refers to: what each stands for, or null
let sent = ""; // what was to be saved when Save was pressed
let kept = null; // { answer, written, focused }: what stays while Save puts a new editor in the place of this one
const tests = new Map(); // the fields of test values by variable, those too that the call doesn't use at this moment

/** Bring the editor that is on the page to life; again after Save has put a new one there. */
function start() {
  form = document.getElementById("block");
  if (!form) return;
  changed = "changed" in form.dataset || isDirty(form.querySelector(".editor-call")); // typed before this script was there
  watchChips();
  shared = new Map();
  watchHeading();
  form.querySelectorAll("[data-rows]").forEach((rows) => {
    rows.querySelectorAll("[data-spare]").forEach((spare) => spare.remove()); // a button does its work here
    name(rows);
  });
  showTests();
  form.querySelectorAll("[data-slot] > :is(input, textarea)").forEach(offerSecret);
  if (changed) form.querySelector("[aria-invalid=true]")?.focus(); // it came back because of that
}

/** The heading sticks, and is as high as its title is long: what sticks below it begins where it ends. */
function watchHeading() {
  const heading = document.querySelector(".editor-heading");
  new ResizeObserver(() => document.documentElement.style.setProperty("--heading", `${heading.offsetHeight}px`)).observe(heading);
}

watchPickers();
watchNames();
watchCurl(start);
watchStreams(showAnswer);
start();

document.addEventListener("input", (event) => {
  if (!form?.contains(event.target)) return;
  const rows = event.target.closest("[data-rows]");
  if (rows && event.target.matches("[data-cell=name]")) name(rows);
  if (event.target.closest(".picker")) return;
  if (!event.target.closest("[data-test]")) changed = true;
  if (event.target.closest("[data-slot], [data-rows=variable]")) showTests();
  if (event.target.closest("[data-slot]")) offerSecret(event.target);
});
document.addEventListener("change", (event) => {
  if (event.target.matches("#body_type, #auth")) showTests();
});
document.addEventListener("click", (event) => {
  const adder = event.target.closest("[data-add-row]");
  if (adder) addRow(adder.closest("[data-rows]"));
  const remover = event.target.closest("[data-remove-row]");
  if (remover) removeRow(remover.closest("[data-row]"));
});
document.addEventListener("submit", (event) => {
  if (event.target === form) changed = false; // by the browser itself, such as Duplicate
});
window.addEventListener("beforeunload", (event) => {
  if (changed) event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  const key = { Enter: "[name=do][value=send]", s: "[name=do][value=save]" }[event.key];
  if (!key || document.querySelector("dialog[open]")) return;
  const button = document.querySelector(key);
  if (!button) return;
  event.preventDefault();
  button.click();
});

document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { target, xhr } = event.detail; // the block was deleted: there is nothing left to lose
  if (target?.id === "modal" && xhr.status === 200 && xhr.getResponseHeader("HX-Redirect")) changed = false;
});

// --- after Save ---------------------------------------------------------------------------------------------------

document.addEventListener("htmx:confirm", (event) => {
  if (event.target.form === form) form?.querySelectorAll("[data-rows]").forEach(renumber);
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.value === "save") sent = contents();
});
document.addEventListener("strongroom:saved", ({ detail }) => {
  form.elements.revision.value = detail.revision;
  form.dataset.missing = detail.missing.join(" ");
  showLacking(detail.lacking);
  document.querySelector(".editor-heading h1").textContent = detail.title;
  changed = contents() !== sent; // somebody may have typed on
  form.querySelectorAll("[data-rows]").forEach(name);
  tell(detail.message);
});
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "main" || !form) return;
  const typedOn = detail.xhr.status === 201 && contents() !== sent;
  kept = {
    answer: document.getElementById("answer"), // a saved call's answer is the one it had before
    written: typedOn ? form.querySelector(".editor-call") : null,
    focused: document.activeElement,
  };
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "main" && event.target.id !== "main") return;
  const { answer, written, focused } = kept ?? {};
  kept = null;
  if (answer) document.getElementById("answer")?.replaceWith(answer);
  if (written) putBack(written);
  start();
  if (!written) return;
  changed = true;
  if (focused.isConnected) focused.focus();
});

/** What is saved: everything of the form but what it is tried with. */
function contents() {
  return JSON.stringify([...new FormData(form)].filter(([name]) => !/^(csrf_token$|revision$|block_name$|test-)/.test(name)));
}

/** What was typed while a new block was being saved stays as it was typed. */
function putBack(written) {
  const saved = document.querySelector(".editor-call");
  written.querySelector("#block_name")?.closest(".field").remove(); // it can't be changed any more
  written.querySelector("#lacking").replaceWith(saved.querySelector("#lacking"));
  saved.replaceWith(written);
}

const isEmpty = (row) => ![...row.querySelectorAll(CELLS)].some((each) => each.value);

/** Number the rows as the service does: those that were left empty come last. */
function renumber(rows) {
  const all = [...rows.querySelectorAll("[data-row]")];
  const sorted = [...all.filter((row) => !isEmpty(row)), ...all.filter(isEmpty)];
  sorted.forEach((row, number) => {
    const [before, after] = [`${rows.id}-${row.dataset.row}-`, `${rows.id}-${number}-`];
    row.dataset.row = number;
    for (const element of row.querySelectorAll("*")) {
      for (const attribute of ["id", "name", "for", "aria-describedby", "data-told"]) {
        const value = element.getAttribute(attribute);
        if (value?.includes(before)) element.setAttribute(attribute, value.replaceAll(before, after));
      }
    }
  });
}

// --- literal credentials --------------------------------------------------------------------------------------------

/** Offer to make a secret of what looks like a credential typed by hand. */
function offerSecret(field) {
  const holder = field.closest("[data-holder]");
  holder.querySelector(".literal")?.remove();
  const mayHold = field.id === "password" || CREDENTIAL_HEADER.test(holder.dataset.place);
  const found = mayHold && form.dataset.mayWrite && !field.value.includes("{{") && CREDENTIAL.exec(field.value.trim());
  if (!found) return;
  const start = field.value.indexOf(found[1]);
  const button = make("button", "literal");
  button.type = "button";
  button.append(icon("key"), "Make it a secret");
  button.addEventListener("click", () => {
    makeSecret({ holder, button, start, end: start + found[1].length, name: suggestion(), value: found[1] });
  });
  holder.append(button);
}

/** A name after the host: api.stripe.com becomes STRIPE_TOKEN. */
function suggestion() {
  const host = /:\/\/([^/:?#]+)/.exec(form.elements.url.value)?.[1] ?? "";
  const name = (host.split(".").at(-2) ?? "").toUpperCase().replace(/[^A-Z0-9]+/g, "_");
  return /^[A-Z_]/.test(name) ? `${name}_TOKEN` : "NEW_TOKEN";
}

// --- rows ---------------------------------------------------------------------------------------------------------

function addRow(rows) {
  const list = rows.querySelector("ol");
  const empty = [...list.children].find(isEmpty);
  if (empty) return empty.querySelector(CELLS).focus(); // one that waits to be filled in is enough
  const numbers = [...list.children].map((row) => Number(row.dataset.row) + 1);
  const number = String(Math.max(0, ...numbers));
  const made = rows.querySelector("template").content.cloneNode(true);
  for (const element of made.querySelectorAll("*")) {
    for (const { name: attribute, value } of [...element.attributes]) {
      if (value.includes("__n__")) element.setAttribute(attribute, value.replaceAll("__n__", number));
    }
  }
  const row = made.firstElementChild;
  row.dataset.row = number;
  list.append(made);
  name(rows);
  watchChips(row);
  row.querySelector(CELLS).focus();
}

function removeRow(row) {
  const rows = row.closest("[data-rows]");
  const next = row.nextElementSibling ?? row.previousElementSibling;
  const told = labelOf(rows, row);
  row.remove();
  changed = true;
  name(rows);
  showTests();
  (next?.querySelector("[data-remove-row]") ?? rows.querySelector("[data-add-row]")).focus();
  say(`Removed ${told}.`);
}

function labelOf(rows, row) {
  const number = [...rows.querySelectorAll("[data-row]")].indexOf(row) + 1;
  return `${rows.dataset.rows} ${row.querySelector("[data-cell=name]").value.trim() || number}`;
}

/** Let every control of the rows say what it is of. */
function name(rows) {
  [...rows.querySelectorAll("[data-row]")].forEach((row, at) => {
    const label = labelOf(rows, row);
    const holder = row.querySelector("[data-holder]");
    for (const each of row.querySelectorAll("[data-cell]")) {
      const what = each.dataset.cellLabel;
      each.setAttribute("aria-label", each.dataset.cell === "name" ? `${what} of ${rows.dataset.rows} ${at + 1}` : `${what} of ${label}`);
    }
    row.querySelector("[data-remove-row]").setAttribute("aria-label", `Remove ${label}`);
    if (!holder) return;
    holder.dataset.label = label;
    if (rows.dataset.rows === "header") holder.dataset.place = `header:${row.querySelector("[data-cell=name]").value.trim()}`;
    holder.querySelector("[data-add-secret]").setAttribute("aria-label", `Add secret to ${label}`);
    const field = holder.querySelector("[data-slot] > :is(input, textarea)");
    draw(field);
  });
}

// --- test values --------------------------------------------------------------------------------------------------

/** Have a field for each variable that is used by what would be sent, in the order of the page. */
function showTests() {
  const used = new Set();
  for (const field of form.querySelectorAll("[data-slot] > :is(input, textarea), #base64")) {
    if (!field.checkVisibility()) continue; // of a body or a sign-in of another kind
    for (const each of references(field.value)) if (each.variable) used.add(each.variable);
  }
  const list = document.getElementById("tests");
  for (const item of list.children) tests.set(item.dataset.test, item);
  const wanted = [...used].map((variable) => tests.get(variable) ?? test(variable));
  const defaults = new Map([...form.querySelectorAll("[data-rows=variable] [data-row]")].map((row) => [
    row.querySelector("[data-cell=name]").value, row.querySelector("[data-cell=value]").value,
  ]));
  for (const item of wanted) {
    const variable = item.dataset.test;
    const given = defaults.get(variable) ?? shared.get(variable) ?? null;
    item.querySelector("textarea").placeholder = given === null ? "" : `default: ${given}`;
    item.querySelector("[data-shared]").hidden = defaults.has(variable) || !shared.get(variable);
  }
  void learn([...used].filter((variable) => !shared.has(variable)));
  const same = wanted.length === list.children.length && wanted.every((item, at) => list.children[at] === item);
  if (same) return;
  const focused = document.activeElement;
  list.replaceChildren(...wanted);
  if (list.contains(focused)) focused.focus();
  document.getElementById("no-tests").hidden = wanted.length > 0;
}

function test(variable) {
  const made = document.getElementById("test-template").content.cloneNode(true).firstElementChild;
  made.dataset.test = variable;
  const label = made.querySelector("label");
  const input = made.querySelector("textarea");
  label.htmlFor = input.id = input.name = `test-${variable}`;
  label.querySelector("code").textContent = variable;
  const link = made.querySelector("[data-shared] a");
  link.textContent = variable;
  link.href = link.href.replace(/NAME$/, variable);
  return made;
}

/** Ask what the workspace has for variables that are new to the page, and show it. */
async function learn(names) {
  if (!names.length) return;
  for (const name of names) shared.set(name, null); // each is asked for once
  const query = new URLSearchParams(names.map((name) => ["name", name]));
  const answer = await fetch(`${form.dataset.variables}?${query}`, { headers: { Accept: "application/json" }, cache: "no-store" }).catch(() => null);
  const told = answer?.ok ? await answer.json().catch(() => ({})) : {};
  for (const { name, value } of told.variables ?? []) shared.set(name, value);
  if (told.variables?.length) showTests();
}

/** Say which variables of the saved block have a value only where a run brings one. */
function showLacking(names) {
  const list = document.getElementById("lacking");
  const there = new Map([...list.children].map((each) => [each.dataset.variable, each]));
  list.replaceChildren(...names.map((name) => there.get(name) ?? lack(name)));
}

function lack(name) {
  const made = document.getElementById("lacking-template").content.cloneNode(true).firstElementChild;
  made.dataset.variable = name;
  made.querySelectorAll("code").forEach((each) => (each.textContent = name));
  const link = made.querySelector("a");
  if (link) link.href = link.href.replace(/NAME$/, name);
  return made;
}

document.addEventListener("strongroom:done", ({ detail }) => {
  shared.delete(detail?.name); // which may be a variable that was lacking
  document.querySelector(`#lacking > [data-variable="${CSS.escape(detail?.name ?? "")}"]`)?.remove();
  if (form) showTests();
});

// --- after Send ---------------------------------------------------------------------------------------------------

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target.id !== "answer") return;
  showFaults(form, [], { focus: false });
  say(event.detail.elt.value === "preview" ? "Working it out …" : "Sending …");
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "answer") return;
  showAnswer(event.target);
  document.body.dispatchEvent(new Event("strongroom:answered")); // the last runs are asked for anew
});

/** Say what an answer says, and put what was wrong beside its fields. */
function showAnswer(place) {
  const answer = place.querySelector("[data-said]");
  if (!answer) return say("");
  say(answer.dataset.said);
  const faults = [...answer.querySelectorAll("[data-for]")].map((each) => [each.dataset.for, each.dataset.sentence]);
  showFaults(form, faults, { focus: false });
  place.scrollIntoView({ block: "nearest" });
}
document.addEventListener("htmx:beforeSwap", (event) => {
  const text = event.detail.xhr.responseText;
  if (event.detail.target.id !== "answer" || text.includes("data-said")) return;
  event.detail.shouldSwap = false; // a page of its own, such as that the role was taken away
  const told = new DOMParser().parseFromString(text, "text/html").querySelector("main p:not(.message)");
  say(told?.textContent.trim() || "The service can't do this now. Nothing that you typed is lost.");
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.detail.target.id === "answer") say("The service doesn't answer. Nothing that you typed is lost.");
});
