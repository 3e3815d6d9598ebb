// Typing counts as being there. A session ends where nothing is asked of the server for a while, and whoever writes in a
// form asks nothing until Save. Only typing says so, no clock does: a page that was left alone still ends. Nothing that
// was typed goes along. Where it has ended all the same, Save and Send ask for a sign-in over the page.

import { token } from "./eye.js";

export function watchTyping() {
  const { stillHere, stillHereEvery } = document.body.dataset;
  if (!stillHere) return; // nobody is signed in
  let told = Date.now(); // by asking for this page
  document.addEventListener("input", async () => {
    if (Date.now() - told < Number(stillHereEvery) * 1000) return;
    told = Date.now();
    const headers = { Accept: "application/json", "X-CSRFToken": token() };
    await fetch(stillHere, { method: "POST", headers, cache: "no-store" }).catch(() => null);
  });
}
