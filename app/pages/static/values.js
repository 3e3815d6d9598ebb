// A value on its way in: warns of what is often a slip of copying, and refuses nothing.

const SLIPS = [
  [/[ \t]$/, "There is a space at the end."],
  [/\n$/, "There is a line break at the end."],
  [/^\s/, "There is a space or line break at the beginning."],
  [/^(["'`]).*\1$/s, "There are quotes around the value."],
  [/^\s*(bearer|basic|token|apikey|digest)\s/i, "It begins with a word such as Bearer, which usually belongs into the call, not into the secret."],
  [/\n(?=\s*\S)/, "There are several lines."],
];

export function watchValues() {
  document.addEventListener("input", (event) => {
    const field = event.target.closest("[data-value-field]");
    if (field && event.target.matches("textarea")) warn(field, event.target.value);
  });
  for (const area of document.querySelectorAll("[data-value-field] textarea")) { // typed before this script was there
    warn(area.closest("[data-value-field]"), area.value);
  }
  // A page that goes into the back-forward cache takes no value along.
  window.addEventListener("pagehide", () => {
    for (const area of document.querySelectorAll("textarea.veiled")) area.value = "";
  });
}

function warn(field, value) {
  const place = field.querySelector("[data-warnings]");
  if (!place) return; // a whole file is no value
  const told = value ? SLIPS.filter(([slip]) => slip.test(value)).map(([, text]) => text) : [];
  if (told.join() === [...place.children].map((each) => each.textContent).join()) return;
  place.replaceChildren(
    ...told.map((text) => {
      const warning = document.createElement("p");
      warning.className = "warning";
      warning.textContent = text;
      return warning;
    }),
  );
}
