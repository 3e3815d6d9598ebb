// Runs before anything is drawn, so that nothing flickers; the other scripts come when the page has been read.
document.documentElement.classList.add("js");

// A button that only scripts answer waits for them: the one that was pressed last before they were there is pressed then.
{
  let pressed = null;
  const wait = ({ target }) => {
    const button = target.closest("button[type=button]");
    if (button?.closest(".js-only")) pressed = button;
  };
  document.addEventListener("click", wait, true);
  document.addEventListener("DOMContentLoaded", () => {
    document.removeEventListener("click", wait, true);
    setTimeout(() => pressed?.isConnected && pressed.click());
  });
}
