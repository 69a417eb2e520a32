"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("data").textContent).figures;
  if (!figures) return;
  const NARROW = 560;
  // Told apart without colour too: by symbol, by dash and by label.
  const COLOURS = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `var(--series-${number})`);
  const DASHES = ["none", "6 3", "2 3", "8 3 2 3"];
  const variants = [...new Set(Object.values(figures).flat().map((row) => row.variant))];
  const color = { domain: variants, range: variants.map((_, place) => COLOURS[place % COLOURS.length]) };
  const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "cross", "wye"];
  const symbol = { domain: variants, range: variants.map((_, place) => SYMBOLS[place % SYMBOLS.length]) };
  const dash = (row) => DASHES[variants.indexOf(row.variant) % DASHES.length];
  const percent = (value) => (100 * value).toFixed(1) + "%";
  const inUnit = (value) => String(Number(value.toPrecision(4)));
  const interval = (row) => {
    const shown = row.measure ? inUnit : percent;
    return row.low == null ? shown(row.accuracy) : `${shown(row.accuracy)} [${shown(row.low)}, ${shown(row.high)}]`;
  };
  const longest = (rows, name, width) =>
    Math.min(0.4 * width, 12 + 7.2 * Math.max(...rows.map((row) => String(row[name]).length)));
  const short = (width) => (name) => {
    const most = Math.max(8, Math.floor((0.4 * width - 12) / 7.2));
    return String(name).length > most ? String(name).slice(0, most - 1) + "\u2026" : name;
  };
  // Below the ticks, where it covers none.
  const below = { labelAnchor: "center", labelOffset: 40 };
  const share = { label: "accuracy", domain: [0, 1], tickFormat: ".0%", grid: true };
  // Of a numeric metric, in its own unit.
  const measure = (rows) => (rows[0].measure ? { label: `mean ${rows[0].measure}`, grid: true, nice: true } : share);

  const draw = {
    accuracy: (rows, width) => ({
      marginLeft: longest(rows, "variant", width), marginRight: 24, height: 60 + 34 * rows.length,
      x: { ...measure(rows), ...below }, y: { label: null, domain: rows.map((row) => row.variant), tickFormat: short(width) },
      marks: [
        Plot.ruleY(rows, { y: "variant", x1: "low", x2: "high", stroke: "variant", strokeWidth: 3 }),
        Plot.dot(rows, { x: "accuracy", y: "variant", fill: "variant", symbol: "variant", r: 6,
          title: (row) => `${row.variant}: ${interval(row)}, n = ${row.n}`, tip: true }),
      ], color, symbol,
    }),
    tasks: (rows, width) => {
      const tasks = [...new Set(rows.map((row) => row.task))];
      const each = 12 * variants.length + 10;
      return {
        marginLeft: longest(rows, "task", width), marginRight: 24, height: 80 + each * tasks.length,
        x: { ...measure(rows), ...below }, fy: { label: null, domain: tasks, tickFormat: short(width) },
        y: { axis: null, domain: variants },
        marks: [
          Plot.axisFy({ anchor: "left", label: null, tickFormat: short(width) }),
          Plot.ruleY(rows, { fy: "task", y: "variant", x1: "low", x2: "high", stroke: "variant", strokeWidth: 2 }),
          Plot.dot(rows, { fy: "task", x: "accuracy", y: "variant", fill: "variant", symbol: "variant", r: 4.5,
            title: (row) => `${row.task}, ${row.variant}: ${interval(row)}, n = ${row.n}`, tip: true }),
        ], color: { ...color, legend: false }, symbol: { ...symbol, legend: true },
      };
    },
    costs: (rows, width) => {
      const front = rows.filter((row) => row.front).sort((one, two) => one.cost - two.cost);
      return {
        marginLeft: 56, marginRight: 24, height: Math.min(420, 0.7 * width),
        x: { ...below, label: "mean cost of a graded run in USD", grid: true, zero: true, nice: true, ticks: width < NARROW ? 4 : 8 },
        y: { ...share, label: "\u2191 accuracy" },
        marks: [
          Plot.line(front, { x: "cost", y: "accuracy", stroke: "var(--soft)", strokeDasharray: "5 4", curve: "step-after" }),
          Plot.ruleX(rows, { x: "cost", y1: "low", y2: "high", stroke: "variant", strokeWidth: 1.5 }),
          ...[true, false].map((on) =>
            Plot.dot(rows.filter((row) => row.front === on), { x: "cost", y: "accuracy", stroke: "variant", symbol: "variant", r: 6, strokeWidth: 2,
              ...(on ? { fill: "variant" } : { fill: "var(--paper)" }),
              title: (row) => `${row.variant}: ${interval(row)} at $${row.cost.toPrecision(3)}${on ? ", on the Pareto front" : ""}`, tip: true })),
        ], color, symbol: { ...symbol, legend: true },
      };
    },
    latency: (rows, width) => ({
      marginLeft: 56, marginRight: 24, height: Math.min(380, 0.7 * width),
      x: { ...below, label: "time of an answer in ms (logarithmic)", type: "log", grid: true, ticks: width < NARROW ? 3 : 6, tickFormat: "~s" },
      y: { label: "\u2191 share of answers", domain: [0, 1], tickFormat: ".0%", grid: true },
      marks: [
        Plot.lineY(rows.filter((row) => row.ms > 0), { x: "ms", y: "share", stroke: "variant", strokeWidth: 2, z: "variant", strokeDasharray: dash }),
        Plot.dot(rows.filter((row) => row.ms > 0 && Math.round(100 * row.share) % 25 === 0), { x: "ms", y: "share", fill: "variant", symbol: "variant", r: 4.5,
          title: (row) => `${row.variant}: ${Math.round(100 * row.share)}% within ${Math.round(row.ms)} ms`, tip: true }),
      ], color, symbol: { ...symbol, legend: true },
    }),
    calibration: (rows, width) => {
      // Many lines in one place are no picture: each variant has its own.
      const shown = [...new Set(rows.map((row) => row.variant))];
      const apart = shown.length > 2 ? { fy: "variant" } : {};
      const each = shown.length > 2 ? 190 * shown.length : Math.min(420, 0.8 * width);
      return {
        marginLeft: 56, marginRight: shown.length > 2 ? longest(rows, "variant", width) : 24, height: each,
        x: { ...below, label: "confidence of the parser", domain: [0, 1], tickFormat: ".0%", grid: true },
        y: { ...share, label: "\u2191 accuracy", ticks: 5 }, fy: { label: null, domain: shown, tickFormat: short(width) },
        marks: [
          Plot.line([[0, 0], [1, 1]], { stroke: "var(--soft)", strokeDasharray: "4 4" }),
          Plot.ruleX(rows, { ...apart, x: "confidence", y1: "low", y2: "high", stroke: "variant" }),
          Plot.line(rows, { ...apart, x: "confidence", y: "accuracy", stroke: "variant", z: "variant", strokeDasharray: dash }),
          Plot.dot(rows, { ...apart, x: "confidence", y: "accuracy", fill: "variant", symbol: "variant", r: 4.5,
            title: (row) => `${row.variant}: ${interval(row)} at confidence ${percent(row.confidence)}, n = ${row.n}`, tip: true }),
        ], color, symbol: { ...symbol, legend: true },
      };
    },
    outcomes: (rows, width) => {
      const kinds = ["correct", "wrong", "scored", "truncated", "refused", "unparsed", "ungraded", "failed"];
      return {
        marginLeft: longest(rows, "variant", width), marginRight: 24, height: 70 + 34 * new Set(rows.map((row) => row.variant)).size,
        x: { ...below, label: "share of the runs", domain: [0, 1], tickFormat: ".0%" }, y: { label: null, tickFormat: short(width) },
        marks: [
          Plot.barX(rows, { x: "share", y: "variant", z: "outcome", fill: "outcome", order: kinds, stroke: "var(--paper)",
            title: (row) => `${row.variant}: ${row.runs} ${row.outcome} (${percent(row.share)})`, tip: true }),
          Plot.textX(rows, Plot.stackX({ x: "share", y: "variant", z: "outcome", order: kinds, fill: "var(--paper)", fontWeight: 600,
            text: (row) => (row.share > 60 / width ? row.outcome : "") })),
        ],
        color: { domain: kinds, range: ["var(--good)", "var(--bad)", "var(--series-1)", "var(--series-2)", "var(--series-6)", "var(--warn)", "var(--soft)", "var(--series-4)"], legend: true },
      };
    },
  };

  const drawn = new Map();
  const render = (figure) => {
    const width = Math.max(300, Math.round(figure.clientWidth));
    if (drawn.get(figure) === width) return;
    drawn.set(figure, width);
    const name = figure.dataset.chart;
    const chart = Plot.plot({ marginBottom: 48, ...draw[name](figures[name], width), width,
      style: { fontSize: "13px" } });
    // The figure as a whole has a name; parts of a drawing may not have one.
    chart.querySelectorAll("g[aria-label], svg[aria-label]").forEach((part) => part.removeAttribute("aria-label"));
    figure.replaceChildren(chart);
  };
  const charts = [...document.querySelectorAll("figure.chart")];
  charts.forEach(render);
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => charts.forEach(render), 150); });
  // Closed tables are opened on paper.
  addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach((one) => { one.open = true; }));

})();
