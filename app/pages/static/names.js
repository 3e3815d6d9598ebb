// The names of plain variables, offered while {{ is being typed: a listbox beside the text field, after the ARIA
// Authoring Practices. The focus stays in the field; aria-activedescendant tells which name is meant.

import { breakable, make, replace, say } from "./chips.js";

const OPEN = /\{\{ *\+?([A-Za-z0-9_]*)$/; // from the braces to the caret
const GENERATED = ["$timestamp", "$timestamp_ms", "$uuid"];
let offer = null; // { field, box, list, options, active, asked }: what is open

export function watchNames() {
  document.addEventListener("input", (event) => {
    if (isField(event.target)) void look(event.target);
  });
  document.addEventListener("keydown", steer, true); // before a chip or the form takes the key
  document.addEventListener("focusout", (event) => {
    if (offer?.field === event.target) close();
  });
  document.addEventListener("selectionchange", () => {
    if (offer && document.activeElement === offer.field && typed(offer.field) === null) close();
  });
}

const isField = (element) => element.matches?.("[data-slot] > :is(input, textarea)");

/** What stands between the last open braces and the caret; null where none are open. */
function typed(field) {
  if (field.selectionStart !== field.selectionEnd) return null;
  const found = OPEN.exec(field.value.slice(0, field.selectionStart));
  return found && !/^[A-Za-z0-9_]* *\}\}/.test(field.value.slice(field.selectionStart)) ? found[1] : null;
}

async function look(field) {
  const q = typed(field);
  if (q === null) return close();
  if (offer?.field !== field) open(field);
  const mine = offer;
  const number = (mine.asked += 1);
  const found = await ask(field, q);
  if (offer !== mine || mine.asked !== number || typed(field) !== q) return; // closed, or typed on
  fill(found, q);
}

/** The workspace's variables that fit, after those that have a default in the block itself. */
async function ask(field, q) {
  const own = [...field.form.querySelectorAll("[data-rows=variable] [data-row]")].map((row) => ({
    name: row.querySelector("[data-cell=name]").value.trim(), value: row.querySelector("[data-cell=value]").value, own: true,
  }));
  const answer = await fetch(`${field.form.dataset.variables}?${new URLSearchParams({ q })}`, {
    headers: { Accept: "application/json" }, cache: "no-store",
  }).catch(() => null);
  const told = answer?.ok ? await answer.json().catch(() => ({})) : {};
  const fits = ({ name }) => name && name.toLowerCase().includes(q.toLowerCase());
  const mine = own.filter(fits);
  const shared = (told.variables ?? []).filter((each) => fits(each) && !own.some(({ name }) => name === each.name));
  const generated = q ? [] : GENERATED.map((name) => ({ name, value: "made anew for each call" }));
  const first = ({ name }) => (name.toLowerCase().startsWith(q.toLowerCase()) ? 0 : 1);
  return [...[...mine, ...shared].sort((a, b) => first(a) - first(b)), ...generated];
}

function open(field) {
  close();
  const box = make("div", "picker names");
  const list = make("ul");
  set(list, { role: "listbox", id: "names-list", "aria-label": "Variables" });
  box.append(list);
  box.hidden = true;
  box.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(option.dataset.name);
  });
  field.closest("[data-holder]").append(box);
  offer = { field, box, list, options: [], active: -1, asked: 0 };
}

function close() {
  if (!offer) return;
  const { field, box } = offer;
  offer = null;
  box.remove();
  for (const name of ["aria-activedescendant", "aria-controls", "aria-autocomplete"]) field.removeAttribute(name);
}

function fill(found, q) {
  if (!found.length) return close();
  const { field, box, list } = offer;
  offer.options = found.map((each, number) => {
    const item = make("li", "picker-secret");
    set(item, { role: "option", id: `names-option-${number}`, "aria-selected": "false" });
    item.dataset.name = each.name;
    const note = each.own ? `default: ${each.value}` : each.value;
    const name = make("span", "picker-name");
    name.append(...breakable(each.name));
    item.append(name, make("span", "picker-note", note.length > 60 ? `${note.slice(0, 60)}…` : note || "empty"));
    return item;
  });
  list.replaceChildren(...offer.options);
  box.hidden = false;
  set(field, { "aria-autocomplete": "list", "aria-controls": "names-list" });
  activate(q ? 0 : -1); // without a letter, Enter and Tab are what they always are
  say(`${found.length === 1 ? "1 variable" : `${found.length} variables`}: arrows choose, Enter takes one.`);
}

function activate(number) {
  offer.active = number;
  offer.options.forEach((each, at) => each.setAttribute("aria-selected", String(at === number)));
  const active = offer.options[number];
  if (!active) return offer.field.removeAttribute("aria-activedescendant");
  offer.field.setAttribute("aria-activedescendant", active.id);
  active.scrollIntoView({ block: "nearest" });
}

function steer(event) {
  if (!offer || event.target !== offer.field || offer.box.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const { options, active } = offer;
  const count = options.length;
  if (event.key === "ArrowDown") activate((active + 1) % count);
  else if (event.key === "ArrowUp") activate((active <= 0 ? count : active) - 1);
  else if ((event.key === "Enter" || event.key === "Tab") && active >= 0) choose(options[active].dataset.name);
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Put a name between the braces, and close them where nobody has. */
function choose(name) {
  const { field } = offer;
  const caret = field.selectionStart;
  const start = caret - typed(field).length;
  const rest = /^[A-Za-z0-9_]*/.exec(field.value.slice(caret))[0].length;
  const closed = /^ *\}\}/.exec(field.value.slice(caret + rest));
  close();
  replace(field, start, caret + rest + (closed?.[0].length ?? 0), `${name}}}`);
  close(); // what was put in is no typing
  say(`Added ${name}.`);
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}
