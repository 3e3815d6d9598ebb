// Buttons that copy what stands beside them: a token that is shown once, a command to paste. Never a secret's value.

export function watchCopies() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const place = button.dataset.copy ? document.getElementById(button.dataset.copy) : button.parentElement.querySelector("[data-copied]");
    const said = button.parentElement.querySelector("[data-copy-said]");
    said.textContent = (await copy(place.textContent)) ? "Copied." : "Select it and press Ctrl+C: the browser doesn't let this page copy.";
  });
}

/** Copy a text; where the page isn't reached by https, the browser knows only the old way. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.activeElement.after(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}
