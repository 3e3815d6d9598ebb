// The editor of an API block: rows that come and go, names that follow what is typed, test values for the variables
// that are used, faults beside their fields after Send, and a word before typed text is lost.

import { draw, icon, make, say, watchChips } from "./chips.js";
import { watchPickers } from "./combobox.js";
import { references } from "./references.js";

const form = document.getElementById("block");
let changed = "changed" in form.dataset;

watchChips();
watchPickers();
form.querySelectorAll("[data-rows]").forEach((rows) => {
  rows.querySelectorAll("[data-spare]").forEach((spare) => spare.remove()); // a button does its work here
  name(rows);
});
showTests();
if (changed) form.querySelector("[aria-invalid=true]")?.focus(); // it came back because of that

form.addEventListener("input", (event) => {
  const rows = event.target.closest("[data-rows]");
  if (rows && event.target.matches("[data-cell=name]")) name(rows);
  if (event.target.closest(".picker")) return;
  say(""); // what was said stays until the next action
  if (!event.target.closest("[data-test]")) changed = true;
  if (event.target.closest("[data-slot], [data-rows=variable]")) showTests();
  forgive(event.target);
});
form.addEventListener("change", (event) => {
  if (event.target.matches("#body_type, #auth")) showTests();
});
form.addEventListener("click", (event) => {
  const adder = event.target.closest("[data-add-row]");
  if (adder) addRow(adder.closest("[data-rows]"));
  const remover = event.target.closest("[data-remove-row]");
  if (remover) removeRow(remover.closest("[data-row]"));
});
form.addEventListener("submit", () => (changed = false));
window.addEventListener("beforeunload", (event) => {
  if (changed) event.preventDefault();
});

document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { target, xhr } = event.detail; // the block was deleted: there is nothing left to lose
  if (target?.id === "modal" && xhr.status === 200 && xhr.getResponseHeader("HX-Redirect")) changed = false;
});

// --- rows ---------------------------------------------------------------------------------------------------------

function addRow(rows) {
  const list = rows.querySelector("ol");
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
  row.querySelector("input, textarea").focus();
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
  for (const field of form.querySelectorAll("[data-slot] > :is(input, textarea)")) {
    if (!field.checkVisibility()) continue; // of a body or a sign-in of another kind
    for (const each of references(field.value)) if (each.variable) used.add(each.variable);
  }
  const list = document.getElementById("tests");
  const there = new Map([...list.children].map((item) => [item.dataset.test, item]));
  const wanted = [...used].map((variable) => there.get(variable) ?? test(variable));
  const defaults = new Map([...form.querySelectorAll("[data-rows=variable] [data-row]")].map((row) => [
    row.querySelector("[data-cell=name]").value, row.querySelector("[data-cell=value]").value,
  ]));
  for (const item of wanted) {
    const given = defaults.get(item.dataset.test);
    item.querySelector("textarea").placeholder = given === undefined ? "" : `default: ${given}`;
  }
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
  return made;
}

// --- after Send ---------------------------------------------------------------------------------------------------

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target.id !== "answer") return;
  form.querySelectorAll("[data-told]").forEach(forgiveFault);
  say(event.detail.elt.value === "preview" ? "Working it out …" : "Sending …");
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "answer") return;
  const answer = event.target.querySelector("[data-said]");
  if (!answer) return say("");
  say(answer.dataset.said);
  for (const told of answer.querySelectorAll("[data-for]")) blame(told.dataset.for, told.dataset.sentence);
  event.target.scrollIntoView({ block: "nearest" });
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const text = event.detail.xhr.responseText;
  if (event.target.id !== "answer" || text.includes("data-said")) return;
  event.detail.shouldSwap = false; // a page of its own, such as that the role was taken away
  const told = new DOMParser().parseFromString(text, "text/html").querySelector("main p:not(.message)");
  say(told?.textContent.trim() || "The service can't do this now. Nothing that you typed is lost.");
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.detail.target.id === "answer") say("The service doesn't answer. Nothing that you typed is lost.");
});

function blame(id, sentence) {
  const control = document.getElementById(id);
  if (!control?.matches("input, textarea, select") || control.getAttribute("aria-invalid") === "true") return;
  const fault = make("p", "fault");
  fault.id = `${id}-fault`;
  fault.dataset.told = id;
  fault.append(icon("alert"), make("span", "", sentence));
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", [control.getAttribute("aria-describedby"), fault.id].filter(Boolean).join(" "));
  const row = control.closest("[data-row]");
  if (row) row.append(fault);
  else (control.closest("[data-holder]") ?? control).after(fault);
}

/** What was wrong is being mended: it is wrong again only when somebody says so. */
function forgive(control) {
  const fault = form.querySelector(`[data-told="${CSS.escape(control.id)}"]`);
  if (fault) forgiveFault(fault);
}

function forgiveFault(fault) {
  const control = document.getElementById(fault.dataset.told);
  if (control) {
    control.removeAttribute("aria-invalid");
    const others = (control.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== fault.id);
    if (others.length) control.setAttribute("aria-describedby", others.join(" "));
    else control.removeAttribute("aria-describedby");
  }
  fault.remove();
}
