// Send of a block whose answer streams: what comes is shown as it comes, and Stop ends the call upstream.

import { make, say } from "./chips.js";
import { token } from "./eye.js";
import { showFaults } from "./forms.js";
import { ended, renew } from "./session.js";

const MOST_SHOWN = 200_000; // characters
let running = null; // an AbortController
let shown = () => {};

/** Take Send where the answer streams; `showAnswer` tells of what stands in the place of the answer. */
export function watchStreams(showAnswer) {
  shown = showAnswer;
  document.addEventListener("htmx:confirm", (event) => {
    const { elt } = event.detail;
    const form = elt.form;
    if (form?.id !== "block" || elt.value !== "send" || !form.querySelector("#answer-stream")?.checked) return;
    event.preventDefault();
    void send(form, elt);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("#stop")) running?.abort();
  });
  window.addEventListener("pagehide", () => running?.abort());
}

async function send(form, button) {
  if (running) return;
  running = new AbortController();
  showFaults(form, [], { focus: false });
  say("Sending …");
  const stop = document.getElementById("stop");
  stop.hidden = false;
  try {
    const answer = await ask(form, button);
    if (ended(answer)) {
      running = null;
      return (await renew()) ? await send(form, button) : say("");
    }
    if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) return refuse(await answer.text());
    await read(answer.body);
  } catch (error) {
    say(error.name === "AbortError" ? "Stopped: the call was ended." : "The service doesn't answer. Nothing that you typed is lost.");
  } finally {
    running = null;
    stop.hidden = true;
    document.body.dispatchEvent(new Event("strongroom:answered"));
  }
}

function ask(form, button) {
  const body = new URLSearchParams(new FormData(form));
  body.set("do", "send");
  const headers = { Accept: "text/event-stream", "HX-Request": "true", "HX-Target": "answer", "X-CSRFToken": token() };
  return fetch(button.getAttribute("hx-post"), { method: "POST", headers, body, cache: "no-store", signal: running.signal });
}

/** What was refused before the first byte is shown as ever. */
function refuse(text) {
  const answer = document.getElementById("answer");
  const nodes = [...new DOMParser().parseFromString(text, "text/html").body.childNodes];
  answer.replaceChildren(...nodes.map((each) => document.importNode(each, true)));
  window.htmx.process(answer);
  shown(answer);
}

async function read(stream) {
  const pre = make("pre");
  pre.tabIndex = 0;
  pre.setAttribute("aria-label", "The answer as it comes");
  pre.setAttribute("role", "region");
  const card = make("section", "card answer");
  card.setAttribute("aria-label", "Answer");
  card.append(make("h2", "", "Answer"), make("p", "hint", "Streaming …"), pre);
  document.getElementById("answer").replaceChildren(card);
  const tell = { card, pre, said: card.querySelector("p") };
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const events = (rest + piece).split("\n\n");
    rest = events.pop();
    events.forEach((each) => show(each, tell));
  }
}

function show(event, { pre, said }) {
  const kind = /^event: (.*)$/m.exec(event)?.[1];
  const data = JSON.parse(event.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n") || "{}");
  if (kind === "head") said.textContent = `Answered ${data.status}, and goes on. Call ${data.call_id} in the record.`;
  else if (kind === "piece") pre.textContent = (pre.textContent + data.text).slice(-MOST_SHOWN);
  else if (kind === "end") {
    said.textContent = said.textContent.replace(", and goes on", ", and ended");
    say(`The stream has ended, ${data.redactions} redacted.`);
  } else if (kind === "strongroom-error") say(`Cut off: ${data.detail ?? data.title}`);
}
