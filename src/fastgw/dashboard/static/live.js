// The overview, second by second: charts from server-sent events, and the same figures as text.
"use strict";

(() => {
  const root = document.getElementById("live");
  if (!root) return;
  const KEPT = 300;       // points of a chart
  const EVERY = 2000;     // milliseconds between two changes of the text
  const rows = [];
  const charts = [];
  let paused = false, written = 0;

  const number = (value, digits = 0) =>
    value === null || value === undefined ? "–"
      : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? Math.max(1, digits) : digits }).replaceAll(",", "\u202f");
  const milliseconds = (value) =>
    value === null || value === undefined ? "–" : value < 1 ? `${number(value * 1000)} µs` : `${number(value, 1)} ms`;

  // light-dark() in a custom property is only worked out where it is used.
  function drawn(name) {
    const probe = document.createElement("span");
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  const LINES = {
    "chart-calls": [["calls", "Calls", "--accent"], ["denied", "Denied", "--note"], ["failed", "Failed", "--bad"]],
    "chart-latency": [["p50", "Median", "--accent"], ["p99", "99th percentile", "--note"]],
  };
  const value = (row, key) => (key in row ? row[key] : row.latency[key]);

  function points(id) {
    return [rows.map((row) => row.at), ...LINES[id].map(([key]) => rows.map((row) => value(row, key)))];
  }

  function draw(id) {
    const place = document.getElementById(id);
    const grid = { stroke: drawn("--line"), width: 1 };
    const axis = { stroke: drawn("--faint"), grid, ticks: grid, font: "11px system-ui, sans-serif" };
    const chart = new uPlot({
      width: place.clientWidth, height: 190,
      cursor: { y: false }, legend: { live: false },
      scales: { y: { range: (u, low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: [
        { ...axis, values: (u, all) => all.map((at) => new Date(at * 1000).toLocaleTimeString("en-GB")), space: 90 },
        { ...axis, size: 56 },
      ],
      series: [{}, ...LINES[id].map(([, label, name]) => ({ label, stroke: drawn(name), width: 1.6, points: { show: false } }))],
    }, points(id), place);
    charts.push([id, chart]);
  }

  function drawAll() {
    for (const [, chart] of charts.splice(0)) chart.destroy();
    for (const id of Object.keys(LINES)) draw(id);
  }

  function fill(id, lines, none) {
    const body = document.querySelector(`#${id} tbody`);
    const columns = document.querySelectorAll(`#${id} thead th`).length;
    body.replaceChildren(...(lines.length ? lines : [[none]]).map((cells) => {
      const line = document.createElement("tr");
      cells.forEach((text, at) => {
        const cell = document.createElement("td");
        cell.textContent = text;
        if (at > 0) cell.className = "number";
        if (!lines.length) { cell.colSpan = columns; cell.className = "faint"; }
        else if (at === 0 && id !== "live-workers") cell.className = "mono";
        line.append(cell);
      });
      return line;
    }));
  }

  function write(row) {
    const now = { ...row, p50: milliseconds(row.latency.p50), p99: milliseconds(row.latency.p99) };
    for (const place of root.querySelectorAll("[data-live]")) {
      const found = now[place.dataset.live];
      const text = typeof found === "number" ? number(found) : found;
      if (place.textContent !== text) place.textContent = text;
    }
    fill("live-methods", row.methods.map((one) => [one.path, number(one.calls)]), "No calls just now");
    const ends = Object.entries(row.statuses).sort((a, b) => b[1] - a[1]);
    const causes = Object.entries(row.causes).sort((a, b) => b[1] - a[1]).map(([name, rate]) => [`cause: ${name}`, rate]);
    fill("live-statuses", [...ends, ...causes].map(([name, rate]) => [name, number(rate)]), "No call ended just now");
    fill("live-workers", row.workers.map((one, at) =>
      [`${at}`, number(one.calls), number(one.running), number(one.connections), number(one.turns)]), "");
  }

  function take(row) {
    rows.push(row);
    if (rows.length > KEPT) rows.shift();
  }

  function show() {
    if (paused) return;
    for (const [id, chart] of charts) chart.setData(points(id));
    root.dataset.points = rows.length;
    const row = rows[rows.length - 1];
    if (row && Date.now() - written >= EVERY - 100) {
      written = Date.now();
      write(row);
    }
  }

  function say(state) {
    const badge = document.getElementById("live-state");
    badge.textContent = paused ? "paused" : state;
    badge.dataset.state = state;
    badge.className = `badge ${paused ? "note" : { live: "good", lost: "bad" }[state] || ""}`;
  }

  drawAll();
  let state = "waiting";
  const source = new EventSource(root.dataset.from);
  source.addEventListener("history", (event) => {
    rows.splice(0, rows.length, ...JSON.parse(event.data));
    state = "live"; say(state); show();
  });
  source.addEventListener("live", (event) => { take(JSON.parse(event.data)); show(); });
  source.addEventListener("error", () => { state = "lost"; say(state); });

  document.getElementById("live-pause").addEventListener("click", (event) => {
    paused = !paused;
    event.target.setAttribute("aria-pressed", paused);
    event.target.textContent = paused ? "Go on" : "Pause";
    say(state); show();
  });
  document.addEventListener("fastgw:theme", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let later = 0;
  addEventListener("resize", () => { clearTimeout(later); later = setTimeout(drawAll, 150); });
})();
