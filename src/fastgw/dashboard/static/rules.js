// The figures beside rules and origins go on counting while somebody looks at them.
"use strict";

const EVERY = 3000;

async function recount() {
  const cells = document.querySelectorAll("[data-count]");
  if (document.hidden || !cells.length) return;
  const answer = await fetch(location.pathname, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = new Map([...page.querySelectorAll("[data-count]")].map((one) => [one.dataset.count, one]));
  for (const cell of cells) {
    const other = fresh.get(cell.dataset.count);
    if (other && other.textContent !== cell.textContent) cell.replaceChildren(...other.childNodes);
  }
}

setInterval(() => recount().catch(() => {}), EVERY);
