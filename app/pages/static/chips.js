// Secrets as chips. The field stays the browser's own input or textarea, with {{secrets.NAME}} in it: what is seen is
// a chip laid over exactly those characters, and the caret, the selection and deleting treat them as one.

import { references, secrets } from "./references.js";

const faces = new WeakMap(); // the field → what lies over it

export function watchChips(root = document) {
  for (const field of root.querySelectorAll("[data-slot] > :is(input, textarea)")) dress(field);
}

function dress(field) {
  if (faces.has(field)) return;
  const face = make("div", "face");
  const line = make("div", "face-line");
  face.append(line);
  field.after(face);
  faces.set(field, { line, text: null });
  field.addEventListener("input", () => {
    delete field.dataset.placed; // the caret stands where typing left it
    draw(field);
  });
  field.addEventListener("keydown", (event) => {
    if (/^(Arrow|Home$|End$)/.test(event.key)) field.dataset.placed = "";
    steer(event, field);
  });
  field.addEventListener("pointerup", () => (field.dataset.placed = ""));
  field.addEventListener("focus", () => (field.dataset.visited = ""));
  field.addEventListener("scroll", () => follow(field));
  line.addEventListener("scroll", () => {
    if (line.scrollLeft !== field.scrollLeft) field.scrollLeft = line.scrollLeft;
    if (line.scrollTop !== field.scrollTop) field.scrollTop = line.scrollTop;
  });
  draw(field);
}

document.addEventListener("selectionchange", () => {
  const field = document.activeElement;
  if (faces.has(field)) snap(field);
});

/** Draw the field's chips anew, where its text or its name has changed. */
export function draw(field) {
  const face = faces.get(field);
  if (!face) return;
  const label = field.closest("[data-holder]").dataset.label;
  const key = `${label}\n${field.value}`;
  if (face.text === key) return follow(field);
  face.text = key;
  const missing = (field.form?.dataset.missing ?? "").split(" ");
  const pieces = [];
  let end = 0;
  for (const each of references(field.value)) {
    pieces.push(plain(field.value.slice(end, each.start)));
    const text = field.value.slice(each.start, each.end);
    pieces.push(each.secret ? chip(field, each, text, label, missing) : variable(text));
    end = each.end;
  }
  pieces.push(plain(`${field.value.slice(end)}\u200b\n`));
  face.line.replaceChildren(...pieces);
  follow(field);
}

function plain(text) {
  const piece = make("span", "face-text");
  piece.setAttribute("aria-hidden", "true");
  piece.textContent = text;
  return piece;
}

function variable(text) {
  const piece = make("span", "face-variable");
  piece.append(plain(text));
  return piece;
}

function chip(field, { secret, start }, text, label, missing) {
  const lost = missing.includes(secret);
  const box = make("span", `chip${lost ? " missing" : ""}`);
  box.dataset.secret = secret;
  const seen = make("span", "chip-name");
  seen.setAttribute("aria-hidden", "true");
  seen.append(icon(lost ? "alert" : "key"), make("span", "", secret));
  const remove = make("button", "chip-remove");
  remove.type = "button";
  remove.setAttribute("aria-label", `Remove ${secret} from ${label}`);
  remove.title = `Remove ${secret}`;
  remove.append(icon("x"));
  remove.addEventListener("mousedown", (event) => event.preventDefault());
  remove.addEventListener("click", () => {
    replace(field, start, start + text.length, "");
    say(`Removed ${secret} from ${label}.`);
  });
  box.append(plain(text), seen, remove);
  return box;
}

function follow(field) {
  const { line } = faces.get(field);
  if (line.scrollLeft !== field.scrollLeft) line.scrollLeft = field.scrollLeft;
  if (line.scrollTop !== field.scrollTop) line.scrollTop = field.scrollTop;
}

/** Keep caret and selection out of a chip's inside: they stand before it or behind it, or take it whole. */
function snap(field) {
  const { selectionStart: start, selectionEnd: end, selectionDirection: direction } = field;
  let [from, to] = [start, end];
  for (const each of secrets(field.value)) {
    const nearer = (at) => (at - each.start < each.end - at ? each.start : each.end);
    const inside = (at) => each.start < at && at < each.end;
    if (start === end && inside(start)) from = to = nearer(start);
    else if (inside(start) || inside(end)) {
      if (inside(start)) from = each.start;
      if (inside(end)) to = each.end;
    }
  }
  if (from !== start || to !== end) field.setSelectionRange(from, to, direction);
  mark(field, from, to);
  follow(field);
}

function mark(field, start, end) {
  const found = secrets(field.value);
  faces.get(field).line.querySelectorAll(".chip").forEach((box, number) => {
    const each = found[number];
    box.classList.toggle("selected", Boolean(each) && start < each.end && each.start < end);
  });
}

/** Arrows step over a chip, Backspace and Delete take it whole. */
function steer(event, field) {
  const back = event.key === "ArrowLeft" || event.key === "Backspace";
  if (!back && event.key !== "ArrowRight" && event.key !== "Delete") return;
  const { selectionStart: start, selectionEnd: end, selectionDirection: direction } = field;
  const deletes = event.key === "Backspace" || event.key === "Delete";
  if (start !== end && (deletes || !event.shiftKey)) return;
  const moving = direction === "backward" ? start : end;
  const fixed = direction === "backward" ? end : start;
  const each = secrets(field.value).find((found) => (back ? found.end : found.start) === moving);
  if (!each) return;
  event.preventDefault();
  if (deletes) return replace(field, each.start, each.end, "");
  const to = back ? each.start : each.end;
  if (!event.shiftKey) field.setSelectionRange(to, to);
  else field.setSelectionRange(Math.min(to, fixed), Math.max(to, fixed), to < fixed ? "backward" : "forward");
}

/** Put a text in place of a part of the field's, so that the browser can undo it; the caret stands behind it. */
export function replace(field, start, end, text) {
  field.focus();
  field.setSelectionRange(start, end);
  const done = document.execCommand(text ? "insertText" : "delete", false, text);
  if (!done || !field.value.startsWith(text, start)) {
    field.setRangeText(text, start, end, "end");
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }
  draw(field);
}

/** Say something that happened in the editor: it is shown and read out. */
export function say(text) {
  const place = document.getElementById("said");
  if (!place) return;
  place.textContent = text;
  clearTimeout(fading);
  if (!text.endsWith("…")) fading = setTimeout(() => place.replaceChildren(), 12_000);
}

let fading = null;

/** A name in pieces, between which a line may be broken: behind dots, underscores and hyphens, and nowhere else. */
export function breakable(name) {
  const pieces = name.match(/[^@._-]*[@._-]+|[^@._-]+/g) ?? [];
  return pieces.flatMap((piece, number) => (number ? [document.createElement("wbr"), piece] : [piece]));
}

/** Make an element. */
export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Make one of the page's pictures. */
export function icon(name) {
  const SVG = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  picture.append(use);
  return picture;
}
