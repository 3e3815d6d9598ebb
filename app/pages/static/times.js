// Moments: the server writes them in UTC; here they become "5 minutes ago", with both clocks in the title.

const DAY = 86_400;
const STEPS = [["day", DAY], ["hour", 3_600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en-GB", { numeric: "auto" });
const date = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

export function watchTimes() {
  tellTimes(document);
  document.addEventListener("htmx:afterSwap", (event) => tellTimes(event.target));
  setInterval(() => tellTimes(document), 60_000);
}

function tellTimes(root) {
  for (const time of root.querySelectorAll("time[data-far]")) {
    const moment = new Date(time.dateTime);
    time.textContent = far(moment);
    time.title = `${clock.format(moment)}, ${time.dateTime.replace("T", " ").replace("Z", " UTC")}`;
  }
}

/** How far a moment is from now, in words; beyond a week, its date and time. */
function far(moment) {
  const seconds = (moment.getTime() - Date.now()) / 1_000;
  if (Math.abs(seconds) > 7 * DAY) return date.format(moment);
  const [unit, length] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? [];
  return unit ? relative.format(Math.trunc(seconds / length), unit) : "just now";
}
