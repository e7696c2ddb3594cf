// The colours that were chosen last, before anything is drawn.
"use strict";
try {
  const chosen = localStorage.getItem("fastgw-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* no storage: as the system has it */ }
