// "Add secret": a combobox after the ARIA Authoring Practices (editable, list autocomplete). The focus stays in the
// text field; aria-activedescendant tells which option is meant. The list comes from the server as one types.

import { breakable, icon, make, replace, say } from "./chips.js";
import { openDialog } from "./dialogs.js";
import { ended, renew } from "./session.js";
import { secrets, spot, written } from "./references.js";

const MOST_EDITS = 3; // with more secrets than that in the list, only the field's own is offered for a new value
let picker = null; // the one that is open
let pending = null; // { holder, button, selection }: where a secret goes that is being made in the panel

/** Make a new secret of a value for a part of a field: the panel takes it, and the secret's name takes the part's place. */
export function makeSecret({ holder, button, start, end, name, value }) {
  const field = holder.querySelector("[data-slot] > :is(input, textarea)");
  pending = { holder, button, selection: [start, end, true], value };
  openDialog("panel", newSecretUrl(field, holder, [start, end, true], name), button);
}

export function watchPickers() {
  document.addEventListener("htmx:afterSwap", (event) => {
    const value = event.target.id === "panel" && pending?.value && event.target.querySelector("#value");
    if (value) value.value = pending.value;
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-add-secret]");
    if (!button) return;
    const mine = picker?.button === button;
    close();
    if (!mine) open(button);
  });
  document.addEventListener("pointerdown", (event) => {
    if (picker && !picker.box.contains(event.target) && !picker.button.contains(event.target)) close();
  });
  document.addEventListener("strongroom:done", (event) => {
    const place = pending;
    pending = null;
    if (!place) return;
    say(event.detail?.message ?? "");
    if (event.detail?.name) void put(place, event.detail.name);
  });
  document.getElementById("panel").addEventListener("close", () => {
    const given = pending; // the panel also closes when it is done, and what it made is told of right after
    setTimeout(() => (pending = pending === given ? null : pending), 1000);
  });
}

function open(button) {
  const holder = button.closest("[data-holder]");
  const field = holder.querySelector("[data-slot] > :is(input, textarea)");
  const label = holder.dataset.label;
  const box = make("div", "picker");
  const input = make("input");
  const list = make("ul");
  const count = make("p", "picker-count");
  Object.assign(input, { type: "text", id: "picker", autocomplete: "off", spellcheck: false, placeholder: "Search secrets" });
  set(input, {
    role: "combobox", "aria-autocomplete": "list", "aria-expanded": "true", "aria-controls": "picker-list",
    "aria-label": `Secret for ${label}`, autocapitalize: "off", maxlength: "100",
  });
  set(list, { role: "listbox", id: "picker-list", "aria-label": "Secrets" });
  set(count, { role: "status" });
  box.append(input, list, count);
  holder.append(box);
  set(button, { "aria-expanded": "true" });
  picker = { button, holder, field, label, box, input, list, count, active: -1, asked: 0, keys: null, selection: selection(field) };
  input.addEventListener("input", expect);
  input.addEventListener("keydown", steer);
  box.addEventListener("focusout", (event) => {
    if (picker?.box === box && event.relatedTarget && !box.contains(event.relatedTarget)) close();
  });
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(option);
  });
  input.focus();
  picker.keys = [];
  void ask();
}

/** The list is of an earlier text until the server has answered: keys wait for it, so that none picks another secret. */
function expect() {
  picker.keys ??= [];
  picker.asked += 1; // what is still on its way answers the earlier text
  later(ask);
}

/** Where the caret is, and whether a person put it there. To have typed a URL to its end is no wish to go on right there. */
function selection(field) {
  const end = field.value.length;
  const typed = field.closest("[data-holder]").dataset.kind === "url" && field.selectionStart === end && !("placed" in field.dataset);
  return "visited" in field.dataset && !typed ? [field.selectionStart, field.selectionEnd, true] : [end, end, false];
}

function close() {
  if (!picker) return;
  const { box, button } = picker;
  clearTimeout(picker.timer);
  picker = null;
  set(button, { "aria-expanded": "false" });
  box.remove();
}

function later(act) {
  clearTimeout(picker.timer);
  picker.timer = setTimeout(act, 120);
}

async function ask() {
  const mine = picker;
  const number = (mine.asked += 1);
  const { answer, told } = await fetchSecrets(mine.holder, mine.selection, mine.input.value.trim());
  if (picker !== mine || mine.asked !== number || mine.input.readOnly) return; // closed, typed on or chosen meanwhile
  if (ended(answer)) {
    close();
    if (await renew()) open(mine.button);
    return;
  }
  const keys = mine.keys ?? [];
  mine.keys = null;
  if (!answer?.ok) {
    mine.list.replaceChildren();
    mine.count.textContent = told.detail ?? "The service doesn't answer.";
    return;
  }
  fill(told);
  for (const key of keys) if (picker === mine) press(key);
}

/** Ask for the secrets that fit a text; each says whether it may be put in the field, and else why not. */
async function fetchSecrets(holder, selected, q) {
  const field = holder.querySelector("[data-slot] > :is(input, textarea)");
  const where = spot(holder.dataset.kind, field.value, ...selected);
  const own = q ? "" : where.held?.secret ?? ""; // it stands on top, however many there are
  const query = new URLSearchParams({ q, own, place: where.place ?? holder.dataset.place, url: field.form.elements.url.value });
  try {
    const answer = await fetch(`${field.form.dataset.secrets}?${query}`, {
      headers: { Accept: "application/json" },
      cache: "no-store",
    });
    return { answer, told: await answer.json().catch(() => ({})) };
  } catch {
    return { answer: null, told: {} };
  }
}

function fill(told) {
  const { list, count, input, field } = picker;
  const holds = held();
  const typed = input.value.trim();
  const found = told.secrets.map((secret) => option(secret, secret.name === holds));
  const exact = told.secrets.findIndex((secret) => secret.name.toLowerCase() === typed.toLowerCase());
  const meant = found[Math.max(exact, 0)];
  const options = told.may_write ? withActions(found, told.secrets, holds, typed, exact >= 0) : found;
  list.replaceChildren(...options);
  options.forEach((each, number) => (each.id = `picker-option-${number}`));
  count.textContent = counted(told, typed);
  picker.box.scrollIntoView({ block: "nearest" });
  activate(typed && meant ? options.indexOf(meant) : -1);
  picker.meant = picker.active >= 0 && (exact >= 0 || told.secrets.length === 1);
}

/** What owners and admins are offered besides: the field's own secret on top with *Edit value*, and *Create new* last. */
function withActions(found, shown, holds, typed, known) {
  const { field } = picker;
  const edit = (name) => action("pencil", `Edit value of ${name}`, field.form.dataset.edit.replace("NAME", encodeURIComponent(name)));
  const onTop = holds && !typed;
  const own = onTop ? found.filter((each) => each.dataset.name === holds) : [];
  const edits = shown.length <= MOST_EDITS ? shown.map(({ name }) => name) : [];
  if (holds && !onTop && !edits.includes(holds)) edits.push(holds);
  const create = action("plus", NAME.test(typed) && !known ? `Create "${typed}"` : "Create new", createUrl(field, typed));
  create.classList.add("picker-create");
  return [
    ...own, ...(onTop ? [edit(holds)] : []), ...found.filter((each) => !own.includes(each)),
    ...edits.filter((name) => !onTop || name !== holds).map(edit), create,
  ];
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/** The form of a new secret that knows where it goes: its place in the call, and the host of the URL. */
function createUrl(field, name) {
  const { holder, selection } = picker;
  return newSecretUrl(field, holder, selection, name);
}

/** The form of a new secret for a field. */
export function newSecretUrl(field, holder, selected, name) {
  const where = spot(holder.dataset.kind, field.value, ...selected);
  const query = new URLSearchParams({ name, place: where.place ?? holder.dataset.place, url: field.form.elements.url.value.slice(0, 2000) });
  return `${field.form.dataset.create}?${query}`;
}

function counted(told, typed) {
  const shown = told.secrets.length;
  const ask = told.may_write ? "" : " Ask an admin to create one or to set a new value.";
  if (!shown) return (typed ? "No secret matches." : "There are no secrets yet.") + ask;
  const all = told.total > shown ? `${shown} of ${told.total} secrets: type to find others.` : shown === 1 ? "1 secret." : `${shown} secrets.`;
  return all + ask;
}

function option(secret, current) {
  const item = make("li", "picker-secret");
  set(item, { role: "option", "aria-selected": "false" });
  item.dataset.name = secret.name;
  const kind = make("span", `pair ${secret.visibility}`, secret.visibility === "restricted" ? "Restricted" : "Masked");
  kind.prepend(icon(secret.visibility === "restricted" ? "lock" : "eye-off"));
  const name = make("span", "picker-name");
  name.append(...breakable(secret.name));
  item.append(name, kind);
  const notes = [current ? "in this field now" : "", secret.reason ?? "", secret.elsewhere ?? "", secret.note ?? ""].filter(Boolean);
  if (notes.length) item.append(make("span", "picker-note", notes.join(" · ")));
  if (secret.reason) set(item, { "aria-disabled": "true" });
  return item;
}

function action(picture, text, url) {
  const item = make("li", "picker-action");
  set(item, { role: "option", "aria-selected": "false" });
  item.dataset.opens = url;
  const words = make("span");
  words.append(...breakable(text));
  item.append(icon(picture), words);
  return item;
}

const options = () => [...picker.list.children];

function activate(number) {
  const all = options();
  picker.active = number;
  picker.meant = false;
  all.forEach((each, at) => set(each, { "aria-selected": String(at === number) }));
  const active = all[number];
  if (active) {
    set(picker.input, { "aria-activedescendant": active.id });
    active.scrollIntoView({ block: "nearest" });
  } else picker.input.removeAttribute("aria-activedescendant");
}

const KEYS = {
  ArrowDown: (at, count) => (at + 1) % count,
  ArrowUp: (at, count) => (at <= 0 ? count : at) - 1,
  PageDown: (at, count) => Math.min(Math.max(at, 0) + 8, count - 1),
  PageUp: (at) => Math.max(at - 8, 0),
};

function steer(event) {
  if (event.key === "Escape") {
    event.preventDefault();
    const { button } = picker;
    close();
    button.focus();
  } else if (event.key === "Tab") {
    close();
  } else if (event.key === "Enter" || event.key in KEYS) {
    event.preventDefault(); // and never sends the form
    if (picker.keys) picker.keys.push(event.key);
    else press(event.key);
  } else if ((event.key === "Home" || event.key === "End") && picker.active >= 0 && !event.shiftKey) {
    event.preventDefault(); // in the list; without an active option the caret moves, as in any field
    activate(event.key === "Home" ? 0 : options().length - 1);
  } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") activate(-1);
}

function press(key) {
  const all = options();
  if (key === "Enter") {
    if (all[picker.active]) choose(all[picker.active]);
  } else if (key === "ArrowDown" && picker.meant) {
    activate(picker.active); // an arrow out of the text goes to the one secret that was meant, not past it
  } else if (all.length) activate(KEYS[key](picker.active, all.length));
}

function choose(item) {
  const { holder, button, selection, label } = picker;
  if (item.dataset.opens) {
    close();
    pending = { holder, button, selection };
    openDialog("panel", item.dataset.opens, button);
  } else if (item.getAttribute("aria-disabled") === "true") {
    const why = item.querySelector(".picker-note").textContent;
    picker.count.textContent = `${item.dataset.name} can't be put in ${label}: ${why}.`;
  } else if (item.dataset.start) {
    close();
    insert(holder, [Number(item.dataset.start), Number(item.dataset.end), true], item.dataset.name);
  } else if (!askWhere(item.dataset.name)) {
    close();
    insert(holder, selection, item.dataset.name);
  }
}

/** Ask where in the field a secret goes, if that isn't known; tells whether it had to. */
function askWhere(name) {
  const { holder, field, selection, list, count, input } = picker;
  const { choices, hint } = spot(holder.dataset.kind, field.value, ...selection);
  if (hint) count.textContent = hint;
  if (!choices) return Boolean(hint);
  list.replaceChildren(...choices.map(({ start, end, label }, number) => {
    const item = make("li", "picker-secret");
    set(item, { role: "option", "aria-selected": "false" });
    item.id = `picker-option-${number}`;
    Object.assign(item.dataset, { name, start, end });
    const text = field.value.slice(start, end);
    item.append(make("span", "picker-name", label), make("span", "picker-note", text.length > 60 ? `${text.slice(0, 60)}…` : text || "empty"));
    return item;
  }));
  set(list, { "aria-label": `Where ${name} goes` });
  set(input, { "aria-label": `Where ${name} goes in ${holder.dataset.label}`, placeholder: `Where does ${name} go?` });
  input.value = "";
  input.readOnly = true;
  count.textContent = `Choose the string that ${name} goes to, or press Escape and click into the body.`;
  activate(0);
  return true;
}

/** Put in what was made in the panel, where that is a secret that may stand there. */
async function put({ holder, selection }, name) {
  if (!holder.isConnected) return;
  const { told } = await fetchSecrets(holder, selection, name);
  const found = told.secrets?.find((secret) => secret.name === name);
  const field = holder.querySelector("[data-slot] > :is(input, textarea)");
  if (!found || secrets(field.value).some((each) => each.secret === name)) return;
  if (found.reason) return say(`${name} can't be put in ${holder.dataset.label}: ${found.reason}.`);
  const where = spot(holder.dataset.kind, field.value, ...selection);
  if (where.hint) return say(`${name} was created. ${where.hint}`);
  if (!where.choices) return insert(holder, selection, name);
  open(holder.querySelector("[data-add-secret]"));
  askWhere(name);
}

function insert(holder, selected, name) {
  const field = holder.querySelector("[data-slot] > :is(input, textarea)");
  const where = spot(holder.dataset.kind, field.value, ...selected);
  const text = where.before + written(name) + where.after;
  replace(field, where.start, where.end, text);
  const caret = where.start + text.length - where.after.length;
  field.setSelectionRange(caret, caret);
  const { label } = holder.dataset;
  if (where.held && where.held.secret !== name) say(`Replaced ${where.held.secret} by ${name}.`);
  else say(where.held ? `${name} is in ${label} already.` : `Added ${name} to ${label}.`);
}

function held() {
  const { holder, field, selection } = picker;
  return spot(holder.dataset.kind, field.value, ...selection).held?.secret;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}
