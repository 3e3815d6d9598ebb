// Every form of the pages: checked here first, sent by htmx, and never drawn anew where it is refused. What was typed
// stays where it was typed, a secret's value too; only what is wrong with it is taken from the answer.

import { icon } from "./chips.js";
import { tellFailure } from "./dialogs.js";

const NOT_NOW = "This can't be done now. Nothing that you typed is lost.";
const CONTROLS = "input:not([type=hidden]), textarea, select";
let leaving = false;

export function watchForms() {
  document.addEventListener("htmx:beforeRequest", (event) => {
    const form = sentForm(event.detail);
    if (!form || event.detail.elt.hasAttribute("data-unchecked")) return;
    document.querySelector("#message .problem")?.remove(); // of an attempt before this one
    const faults = check(form);
    if (!faults.length) return;
    event.preventDefault();
    showFaults(form, faults);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    const form = sentForm(event.detail);
    if (!form || xhr.status < 400 || event.detail.target.id === "answer") return;
    event.detail.shouldSwap = false;
    refuse(form, xhr);
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { xhr } = event.detail;
    if (xhr.status < 400 && xhr.getResponseHeader("HX-Redirect")) leaving = true;
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches?.(CONTROLS)) forgive(event.target);
  });
  document.addEventListener("submit", (event) => { // by the browser itself, where htmx isn't there yet
    if (!event.defaultPrevented && event.target.matches("[data-guard]")) leaving = true;
  });
  window.addEventListener("beforeunload", (event) => {
    if (!leaving && [...document.querySelectorAll("form[data-guard]")].some(isDirty)) event.preventDefault();
  });
}

function sentForm({ requestConfig }) {
  if (requestConfig?.verb !== "post") return null;
  return requestConfig.elt.form ?? requestConfig.elt.closest("form");
}

// --- before it is sent ----------------------------------------------------------------------------------------------

/** Everything that is wrong with a form at once, as far as a browser can tell: [[control's id, sentence], …]. */
function check(form) {
  const found = [];
  for (const control of form.querySelectorAll(CONTROLS)) {
    if (!control.id || !control.checkVisibility({ visibilityProperty: true }) && !control.closest("details:not([open])")) continue;
    const sentence = fault(control, form);
    if (sentence) found.push([control.id, sentence]);
  }
  return found;
}

function fault(control, form) {
  const { validity, value, dataset } = control;
  const label = (form.querySelector(`label[for="${CSS.escape(control.id)}"]`)?.textContent ?? "this").trim();
  const needed = control.required || checkedOf(form, dataset.requiredWith);
  if (needed && !value.trim()) return dataset.missing ?? (label.startsWith("Type ") ? `${label}.` : `Enter ${withArticle(label)}.`);
  if (!value) return validity.badInput ? "Enter a whole date and time." : null;
  const [, least] = (dataset.least ?? "").split(" ").map((each) => each.split(":")).find(([radio]) => checkedOf(form, radio)) ?? [];
  const shortest = Number(dataset.length ?? least ?? 0);
  if ([...value].length < shortest) return `Enter at least ${shortest} characters.`;
  if (control.pattern && !new RegExp(`^(?:${control.pattern})$`, "v").test(value.trim())) return dataset.mismatch ?? "This can't be read.";
  return null;
}

const checkedOf = (form, id) => Boolean(id && form.querySelector(`#${id}:checked`)?.checkVisibility());

function withArticle(label) {
  const words = label.charAt(0).toLowerCase() + label.slice(1);
  if (/^(current|new) password/.test(words)) return `your ${words}`;
  return /^(url|test )/i.test(label) || /s$/.test(words) ? words : `${/^[aeiou]/.test(words) ? "an" : "a"} ${words}`;
}

// --- after it was refused ---------------------------------------------------------------------------------------------

/** Take from an answer what is wrong, and nothing else. */
function refuse(form, xhr) {
  const text = xhr.responseText;
  if (xhr.getResponseHeader("Content-Type")?.includes("json")) return tellFailure(detail(text) || NOT_NOW); // before any page was asked
  const answer = new DOMParser().parseFromString(text, "text/html");
  const action = form.getAttribute("action");
  const again = [...answer.forms].find((each) => each.getAttribute("action") === action && each.method === "post") ?? (form.id ? answer.getElementById(form.id) : null);
  const place = (again ?? answer.body).closest(".dialog-body, main") ?? answer;
  const problem = place.querySelector(".problem");
  if (!again) return tellFailure(problem || place.querySelector(".empty p, main p:not(.message)")?.textContent.trim() || NOT_NOW);
  for (const name of new Set([...again.querySelectorAll("input[type=hidden]")].map((each) => each.name))) {
    const [mine, theirs] = [form, again].map((each) => [...each.querySelectorAll(`input[type=hidden][name="${CSS.escape(name)}"]`)]);
    if (mine.length === theirs.length) mine.forEach((each, at) => (each.value = theirs[at].value));
  }
  takeNewFields(form, again);
  const faults = [...again.querySelectorAll(".fault[id]")].map((each) => [each.id.replace(/-fault$/, ""), each.textContent.trim()]);
  if (!problem && !faults.length) return tellFailure(NOT_NOW);
  showFaults(form, faults, { problem });
}

/** What a problem document says to people. */
function detail(text) {
  try {
    const { detail } = JSON.parse(text);
    return detail && `${detail} Nothing that you typed is lost.`;
  } catch {
    return null;
  }
}

/** Where the answer asks for more than the form had, such as a name to confirm, take its fields and what was typed. */
function takeNewFields(form, again) {
  const [mine, theirs] = [form, again].map((each) => each.querySelector(".fields"));
  const fresh = [...again.querySelectorAll(CONTROLS)].some(({ id }) => id && !form.querySelector(`#${CSS.escape(id)}`));
  if (!mine || !theirs || !fresh) return;
  const typed = new Map([...form.querySelectorAll(CONTROLS)].map((each) => [each.id, each]));
  mine.replaceChildren(...[...theirs.childNodes].map((each) => document.importNode(each, true)));
  for (const control of mine.querySelectorAll(CONTROLS)) {
    const before = typed.get(control.id);
    if (!before) continue;
    control.value = before.value;
    control.checked = before.checked;
  }
}

/** Show what is wrong beside the fields that it is about, in place of what was wrong before. */
export function showFaults(form, faults, { problem = null, focus = true } = {}) {
  form.querySelectorAll(".fault").forEach((each) => forgiveFault(form, each));
  problemsOf(form).forEach((each) => each.remove());
  if (problem) putProblem(form, document.importNode(problem, true));
  for (const [id, sentence] of faults) putFault(form, id, sentence);
  if (!focus) return;
  const first = form.querySelector("[aria-invalid=true]");
  first?.closest("details")?.setAttribute("open", "");
  if (first) first.focus();
  else problemsOf(form)[0]?.scrollIntoView({ block: "nearest" });
}

function problemsOf(form) {
  const before = form.previousElementSibling;
  return [...form.querySelectorAll(".problem:not(.answer *)"), ...(before?.matches(".problem") ? [before] : [])];
}

function putProblem(form, problem) {
  const fields = form.querySelector(".fields");
  if (fields) fields.prepend(problem);
  else form.before(problem);
}

function putFault(form, id, sentence) {
  const control = form.querySelector(`#${CSS.escape(id)}`);
  const group = control ?? form.querySelector(`[name="${CSS.escape(id)}"]`)?.closest("fieldset");
  if (!group) return putProblem(form, paragraph("problem", sentence));
  const made = paragraph("fault", sentence);
  made.id = `${id}-fault`;
  made.dataset.told = id;
  if (group.matches(CONTROLS)) group.setAttribute("aria-invalid", "true");
  group.setAttribute("aria-describedby", [...described(group), made.id].join(" "));
  const row = group.closest("[data-row]");
  if (group.matches("fieldset")) group.append(made);
  else if (row) row.append(made);
  else (group.closest(".field, .check") ?? group.parentElement).append(made);
}

const described = (control) => (control.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean);

function paragraph(className, text) {
  const made = document.createElement("p");
  made.className = className;
  const words = document.createElement("span");
  words.textContent = text;
  made.append(icon("alert"), words);
  if (className === "problem") made.setAttribute("role", "alert");
  return made;
}

/** What was wrong is being mended: it is wrong again only when somebody says so. */
export function forgive(control) {
  const form = control.form;
  if (!form || control.getAttribute("aria-invalid") !== "true") return;
  const fault = form.querySelector(`#${CSS.escape(control.id)}-fault`);
  if (fault) forgiveFault(form, fault);
}

function forgiveFault(form, fault) {
  const control = form.querySelector(`#${CSS.escape(fault.id.replace(/-fault$/, ""))}`) ?? form.querySelector(`[aria-describedby~="${CSS.escape(fault.id)}"]`);
  if (control) {
    control.removeAttribute("aria-invalid");
    const others = described(control).filter((id) => id !== fault.id);
    if (others.length) control.setAttribute("aria-describedby", others.join(" "));
    else control.removeAttribute("aria-describedby");
  }
  fault.remove();
}

// --- what was typed and not saved -------------------------------------------------------------------------------------

/** Whether anything in it was typed or ticked that would be lost; a choice among a few is made again in a moment. */
export function isDirty(part) {
  return [...part.querySelectorAll(CONTROLS)].some((control) => {
    if (control.matches("[data-unveil], [type=radio]")) return false;
    if (control.matches("[type=checkbox]")) return control.checked !== control.defaultChecked;
    if (control.matches("select")) {
      const filled = [...control.options].findIndex((option) => option.defaultSelected);
      return control.selectedIndex !== Math.max(filled, 0);
    }
    return control.value !== control.defaultValue;
  });
}
