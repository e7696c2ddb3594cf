// What all pages do: choose colours, ask before something is removed.
"use strict";

const THEMES = ["system", "light", "dark"];

function showTheme(name) {
  const button = document.getElementById("theme");
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  if (!button) return;
  const word = name[0].toUpperCase() + name.slice(1);
  button.setAttribute("aria-label", name === "system" ? "Colours: as the system" : `Colours: ${name}`);
  button.querySelector(".theme-name").textContent = word;
  document.dispatchEvent(new CustomEvent("fastgw:theme"));
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("#theme")) return;
  const now = document.documentElement.dataset.theme || "system";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  try { localStorage.setItem("fastgw-theme", next); } catch { /* for this page only */ }
  showTheme(next);
});

// Before htmx hears of it.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

showTheme(document.documentElement.dataset.theme || "system");
