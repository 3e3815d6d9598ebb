// The eye: asks for a masked value, shows it for half a minute, and hides it again whenever nobody may be looking.
// The value is in the page only while it shows, in no variable after, and never in storage or history.

import { ended, renew } from "./session.js";

const MOST_EXTENSIONS = 10;
let showing = null; // { button, box, dots, seconds, left, timer, asking }

export function watchEyes() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-eye]");
    if (button) toggle(button);
  });
  for (const type of ["copy", "cut", "dragstart", "contextmenu", "selectstart"]) {
    document.addEventListener(type, (event) => {
      const node = event.target;
      const element = node instanceof Element ? node : node?.parentElement;
      if (element?.closest(".value") || (showing?.box && document.getSelection()?.containsNode(showing.box, true))) {
        event.preventDefault();
      }
    });
  }
  window.addEventListener("blur", hide);
  window.addEventListener("pagehide", hide);
  window.addEventListener("beforeprint", hide);
  document.addEventListener("visibilitychange", hide);
  document.addEventListener("htmx:beforeSwap", hide);
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-sign-out]")) hide();
  });
}

async function toggle(button) {
  const mine = showing?.button === button;
  hide();
  if (!mine) await show(button);
}

async function show(button) {
  const asking = new AbortController();
  showing = { button, asking };
  button.closest("[data-secret]").querySelector(".fault")?.remove();
  let answer;
  try {
    answer = await fetch(button.dataset.eye, {
      method: "POST",
      headers: { Accept: "application/json", "X-CSRFToken": token() },
      cache: "no-store",
      signal: asking.signal,
    });
  } catch (error) {
    if (error.name !== "AbortError") fail(button, "The service doesn't answer.");
    return;
  }
  if (ended(answer)) {
    hide();
    return (await renew()) ? show(button) : undefined;
  }
  const told = await answer.json().catch(() => ({}));
  if (showing?.asking !== asking) return; // hidden again meanwhile
  if (!answer.ok) return fail(button, told.detail ?? "The value can't be shown.");
  reveal(button, told);
}

function reveal(button, told) {
  const holder = button.closest("[data-secret]");
  const dots = holder.querySelector("[data-dots]");
  const box = make("span", "shown");
  const value = make("span", "value");
  value.textContent = told.value;
  const line = make("span", "recorded");
  const said = make("span");
  said.setAttribute("role", "status");
  const clock = make("span");
  const more = make("button");
  more.type = "button";
  more.textContent = "Show longer";
  line.append(said, clock, more);
  box.append(value, line);
  dots.hidden = true;
  holder.prepend(box);
  if (value.scrollHeight > value.clientHeight) {
    Object.assign(value, { tabIndex: 0, role: "group", ariaLabel: `Value of ${button.dataset.name}` }); // scrolls by keyboard too
  }
  name(button, "Hide");

  Object.assign(showing, { box, dots, clock, left: told.hide_after_seconds, extended: 0 });
  said.textContent = "Showing this value is recorded.";
  more.addEventListener("click", () => {
    showing.left += told.hide_after_seconds;
    showing.extended += 1;
    if (showing.extended >= MOST_EXTENSIONS) more.remove();
    tick();
  });
  tick();
  showing.timer = setInterval(() => {
    showing.left -= 1;
    if (showing.left <= 0) hide();
    else tick();
  }, 1000);
}

function tick() {
  showing.clock.textContent = `Hides in ${showing.left} s.`;
}

function hide() {
  if (!showing) return;
  const { button, box, dots, timer, asking } = showing;
  showing = null;
  asking.abort();
  clearInterval(timer);
  if (!box) return;
  const focused = box.contains(document.activeElement);
  box.remove();
  dots.hidden = false;
  name(button, "Show");
  if (focused) button.focus();
}

function fail(button, text) {
  hide();
  const holder = button.closest("[data-secret]");
  const fault = make("span", "fault");
  fault.setAttribute("role", "alert");
  fault.textContent = text;
  holder.append(fault);
}

function name(button, verb) {
  button.setAttribute("aria-label", `${verb} value of ${button.dataset.name}`);
  button.title = verb === "Show" ? "Show value. Showing it is recorded." : "Hide value";
  button.querySelector("use").setAttribute("href", verb === "Show" ? "#i-eye" : "#i-eye-off");
}

function make(tag, className) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  return element;
}

/** What a request says to be of this page and this session. */
export function token() {
  return JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
}
