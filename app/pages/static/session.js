// A session that ended is renewed over the page: whatever was asked for is asked for again after it, and nothing that was
// typed is lost. Another person's sign-in begins with a page of its own.

import { openDialog } from "./dialogs.js";

let renewing = null; // { promise, resolve }
const resent = new WeakSet(); // what is refused again at once is refused for something else

export function watchSession() {
  document.addEventListener("htmx:beforeOnLoad", async (event) => {
    const { xhr, requestConfig } = event.detail;
    const again = resent.delete(requestConfig.elt);
    if (xhr.getResponseHeader("Strongroom-Session") !== "ended" || again) return;
    event.preventDefault();
    document.getElementById("said")?.replaceChildren();
    if (!(await renew())) return;
    resent.add(requestConfig.elt);
    resend(requestConfig);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "again") return; // the same person goes on
    const user = event.target.querySelector("[name=user]");
    if (!user) return; // passwords are off
    user.value = document.body.dataset.me;
    user.readOnly = true;
  });
  window.addEventListener("focus", async () => { // who signed in elsewhere, by single sign-on for one, goes on here
    if (!document.getElementById("again")?.open) return;
    const answer = await fetch("/session", { headers: { Accept: "application/json" }, cache: "no-store" }).catch(() => null);
    if (answer?.ok) take(await answer.json());
  });
  document.addEventListener("strongroom:session", (event) => take(event.detail));
  document.getElementById("again")?.addEventListener("close", () => settle(false));
}

/** Whether the answer to a script's own request says that the session of this page is over. */
export const ended = (answer) => answer?.headers.get("Strongroom-Session") === "ended";

/** Sign in again in a dialog over the page, unless another tab has done so meanwhile; tells whether that was done. */
export async function renew() {
  if (renewing) return renewing.promise;
  renewing = {};
  renewing.promise = new Promise((resolve) => (renewing.resolve = resolve));
  const { promise } = renewing;
  const answer = await fetch("/session", { headers: { Accept: "application/json" }, cache: "no-store" }).catch(() => null);
  if (answer?.ok) take(await answer.json());
  else openDialog("again", "/sign-in", document.activeElement);
  return promise;
}

function take({ user, csrf_token: token }) {
  if (document.body.dataset.me && user !== document.body.dataset.me) return location.assign("/");
  document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
  document.querySelectorAll("input[name=csrf_token]").forEach((each) => (each.value = token));
  settle(true);
  document.getElementById("again").close();
}

function settle(renewed) {
  const { resolve } = renewing ?? {};
  renewing = null;
  resolve?.(renewed);
}

function resend({ verb, path, elt, target }) {
  if (verb === "get") return window.htmx.ajax("GET", path, { source: elt, target });
  if (elt.matches("form")) elt.requestSubmit();
  else elt.click();
}
