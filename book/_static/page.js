/* Runs in the head of every page, before anything is painted. */

// On a first visit the theme leaves its mode empty, reports that as an error, and paints a dark system's page light first.
(() => {
  const page = document.documentElement.dataset;
  if (page.mode) return;
  page.mode = "auto";
  page.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
})();

// Sphinx gives the entries of a bibliography a role that a list must not have.
document.addEventListener("DOMContentLoaded", () => {
  for (const entry of document.querySelectorAll(".citation-list > .citation")) entry.setAttribute("role", "listitem");
});

// In the menu, what unfolds the pages under another one is an arrow without a word; it is named by that page.
document.addEventListener("DOMContentLoaded", () => {
  for (const arrow of document.querySelectorAll(".bd-sidenav details > summary")) {
    const page = arrow.closest("li").querySelector("a");
    arrow.setAttribute("aria-label", `Pages under ${page.textContent.trim()}`);
  }
});
