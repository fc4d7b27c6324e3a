/* The book's theme in pages beside it: light, dark, or what the system has; kept for all its pages. Loaded in the head
   without `defer`, so that it is set before anything is painted. */
(() => {
  const page = document.documentElement.dataset;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const modes = ["auto", "light", "dark"];
  page.mode = localStorage.getItem("mode") || "auto";
  page.theme = localStorage.getItem("theme") || (dark.matches ? "dark" : "light");

  /* What the button does. changed: called whenever the theme is set, also the first time. */
  globalThis.prepareTheme = (button, changed = () => {}) => {
    const set = (mode) => {
      page.mode = mode;
      page.theme = mode === "auto" ? (dark.matches ? "dark" : "light") : mode;
      localStorage.setItem("mode", mode);
      localStorage.setItem("theme", page.theme);
      button.textContent = `Theme: ${mode}`;
      changed();
    };
    button.addEventListener("click", () => set(modes[(modes.indexOf(page.mode) + 1) % 3]));
    dark.addEventListener("change", () => set(page.mode));
    set(modes.includes(page.mode) ? page.mode : "auto");
  };
})();
