"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const figures = data.figures;
  const NARROW = 560;
  // Told apart without colour too: by symbol, by dash and by label.
  const COLOURS = ["#0b5fa5", "#c2410c", "#0b6b3a", "#7c3aed", "#92610a", "#be185d", "#0e7490", "#4b5563"];
  const DASHES = ["none", "6 3", "2 3", "8 3 2 3"];
  const variants = [...new Set(Object.values(figures).flat().map((row) => row.variant))];
  const color = { domain: variants, range: variants.map((_, place) => COLOURS[place % COLOURS.length]) };
  const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "cross", "wye"];
  const symbol = { domain: variants, range: variants.map((_, place) => SYMBOLS[place % SYMBOLS.length]) };
  const dash = (row) => DASHES[variants.indexOf(row.variant) % DASHES.length];
  const percent = (value) => (100 * value).toFixed(1) + "%";
  const interval = (row) =>
    row.low == null ? percent(row.accuracy) : `${percent(row.accuracy)} [${percent(row.low)}, ${percent(row.high)}]`;
  const longest = (rows, name, width) =>
    Math.min(0.4 * width, 12 + 7.2 * Math.max(...rows.map((row) => String(row[name]).length)));
  const short = (width) => (name) => {
    const most = Math.max(8, Math.floor((0.4 * width - 12) / 7.2));
    return String(name).length > most ? String(name).slice(0, most - 1) + "\u2026" : name;
  };
  // Below the ticks, where it covers none.
  const below = { labelAnchor: "center", labelOffset: 40 };
  const share = { label: "accuracy", domain: [0, 1], tickFormat: ".0%", grid: true };

  const draw = {
    accuracy: (rows, width) => ({
      marginLeft: longest(rows, "variant", width), marginRight: 24, height: 60 + 34 * rows.length,
      x: { ...share, ...below }, y: { label: null, domain: rows.map((row) => row.variant), tickFormat: short(width) },
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
        x: { ...share, ...below }, fy: { label: null, domain: tasks, tickFormat: short(width) },
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
          Plot.line(front, { x: "cost", y: "accuracy", stroke: "#4b5563", strokeDasharray: "5 4", curve: "step-after" }),
          Plot.ruleX(rows, { x: "cost", y1: "low", y2: "high", stroke: "variant", strokeWidth: 1.5 }),
          ...[true, false].map((on) =>
            Plot.dot(rows.filter((row) => row.front === on), { x: "cost", y: "accuracy", stroke: "variant", symbol: "variant", r: 6, strokeWidth: 2,
              ...(on ? { fill: "variant" } : { fill: "white" }),
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
          Plot.line([[0, 0], [1, 1]], { stroke: "#4b5563", strokeDasharray: "4 4" }),
          Plot.ruleX(rows, { ...apart, x: "confidence", y1: "low", y2: "high", stroke: "variant" }),
          Plot.line(rows, { ...apart, x: "confidence", y: "accuracy", stroke: "variant", z: "variant", strokeDasharray: dash }),
          Plot.dot(rows, { ...apart, x: "confidence", y: "accuracy", fill: "variant", symbol: "variant", r: 4.5,
            title: (row) => `${row.variant}: ${interval(row)} at confidence ${percent(row.confidence)}, n = ${row.n}`, tip: true }),
        ], color, symbol: { ...symbol, legend: true },
      };
    },
    outcomes: (rows, width) => {
      const kinds = ["correct", "wrong", "unparsed", "ungraded", "failed"];
      return {
        marginLeft: longest(rows, "variant", width), marginRight: 24, height: 70 + 34 * new Set(rows.map((row) => row.variant)).size,
        x: { ...below, label: "share of the runs", domain: [0, 1], tickFormat: ".0%" }, y: { label: null, tickFormat: short(width) },
        marks: [
          Plot.barX(rows, { x: "share", y: "variant", z: "outcome", fill: "outcome", order: kinds, stroke: "white",
            title: (row) => `${row.variant}: ${row.runs} ${row.outcome} (${percent(row.share)})`, tip: true }),
          Plot.textX(rows, Plot.stackX({ x: "share", y: "variant", z: "outcome", order: kinds, fill: "white", fontWeight: 600,
            text: (row) => (row.share > 60 / width ? row.outcome : "") })),
        ],
        color: { domain: kinds, range: ["#0b6b3a", "#b42318", "#92610a", "#4b5563", "#5b21b6"], legend: true },
      };
    },
  };

  const drawn = new Map();
  const render = (figure) => {
    const width = Math.max(300, Math.round(figure.clientWidth));
    if (drawn.get(figure) === width) return;
    drawn.set(figure, width);
    const name = figure.dataset.chart;
    const chart = Plot.plot({ marginBottom: 48, ...draw[name](figures[name], width), width, ariaLabel: figure.getAttribute("aria-label"),
      style: { fontSize: "13px" } });
    figure.replaceChildren(chart);
  };
  const charts = [...document.querySelectorAll("figure.chart")];
  charts.forEach(render);
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => charts.forEach(render), 150); });
  // Closed tables are opened on paper.
  addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach((one) => { one.open = true; }));

  if (!document.getElementById("samples")) return;
  const { samples, variants: names, baseline, candidate, total, left_out_variants: leftOut } = data.samples;
  const PAGE = 50;
  const form = document.getElementById("filter");
  const dialog = document.getElementById("answers");
  const MARKS = { correct: "\u2713 correct", wrong: "\u2717 wrong", failed: "! failed", unparsed: "? unparsed", ungraded: "\u2013 ungraded" };
  const KINDS = { "": "all", regressed: "regressed", improved: "improved", hard: "hard samples", failed: "failed", disagree: "variants disagree" };
  const visible = (text) => String(text).replace(/[\x00-\x08\x0b-\x1f\x7f]/g, (one) => String.fromCharCode(one === "\x7f" ? 0x2421 : 0x2400 + one.charCodeAt(0)));
  const make = (tag, text, type) => {
    const element = document.createElement(tag);
    if (text != null) element.textContent = visible(text);
    if (type) element.className = type;
    return element;
  };
  const brief = (text, most) => (text && text.length > most ? text.slice(0, most) + "\u2026" : text || "");
  const option = (value, text) => { const one = make("option", text); one.value = value; return one; };
  const disagree = (sample) => new Set(sample.answers.map((one) => one.outcome)).size > 1;
  const has = (sample, kind) => !kind || (kind === "disagree" ? disagree(sample) : sample.kinds.includes(kind));
  for (const [kind, text] of Object.entries(KINDS)) {
    const count = samples.filter((one) => has(one, kind)).length;
    if (count) form.kind.append(option(kind, `${text} (${count})`));
  }
  form.task.append(option("", "all"));
  [...new Set(samples.map((one) => one.task))].forEach((task, place) => form.task.append(option(String(place + 1), task || "(none)")));
  const tasks = [null, ...new Set(samples.map((one) => one.task))];

  const answer = (sample, variant) => sample.answers.find((one) => one.variant === variant);
  const outcome = (one) => (one ? make("span", MARKS[one.outcome], `outcome ${one.outcome}`) : make("span", "\u2013"));
  let current = [];
  let opened = 0;
  let most = PAGE;
  let sides = [baseline, candidate];
  // Of several candidates, one that ended unlike the baseline.
  const opposite = (sample) => {
    const differs = (one) => one && one.outcome !== answer(sample, baseline)?.outcome;
    return differs(answer(sample, candidate)) ? candidate : (sample.answers.find(differs)?.variant ?? candidate);
  };

  const head = make("tr");
  for (const title of ["task", "sample", "question", "expected", ...names]) {
    const cell = make("th", title); cell.scope = "col"; head.append(cell);
  }
  document.querySelector("#sample-table thead").append(head);

  const fill = () => {
    const text = form.text.value.toLowerCase();
    current = samples.filter((sample) => has(sample, form.kind.value)
      && (!+form.task.value || sample.task === tasks[+form.task.value])
      && (!text || [sample.question, sample.expected, ...sample.answers.map((one) => one.output)].some((one) => one && one.toLowerCase().includes(text))));
    const rows = current.slice(0, most).map((sample, place) => {
      const row = make("tr");
      const open = make("button", `${sample.index}`, "open");
      open.type = "button";
      open.setAttribute("aria-label", `Show the answers to sample ${sample.task} ${sample.index}`);
      open.addEventListener("click", () => { sides = [baseline, opposite(sample)]; show(place); });
      const number = make("td"); number.append(open);
      row.append(make("td", sample.task), number, make("td", brief(sample.question, 160), "question"), make("td", brief(sample.expected, 60)));
      names.forEach((_, variant) => { const cell = make("td"); cell.append(outcome(answer(sample, variant))); row.append(cell); });
      return row;
    });
    document.querySelector("#sample-table tbody").replaceChildren(...rows);
    more.hidden = current.length <= most;
    const chosen = samples.length < total ? ` Of up to ${total.toLocaleString("en")} runs a variant, ${samples.length} samples are here: those that changed sides, the hardest, failed ones, and the first.` : "";
    const others = leftOut ? ` ${leftOut} variants of other experiments answered other samples.` : "";
    document.getElementById("shown").textContent = `${current.length} samples. Choose a number to see the answers side by side.${chosen}${others}`;
  };

  const side = (place) => {
    const box = make("div");
    const choice = make("select");
    choice.setAttribute("aria-label", place ? "Variant on the right" : "Variant on the left");
    names.forEach((name, variant) => choice.append(option(String(variant), name)));
    choice.value = String(sides[place]);
    choice.addEventListener("change", () => { sides[place] = +choice.value; show(opened); });
    box.append(choice);
    const one = answer(current[opened], sides[place]);
    const line = make("p"); line.append(outcome(one)); box.append(line);
    if (!one) return box;
    const facts = [`answer: ${one.parsed == null ? "none found" : brief(one.parsed, 200)}`];
    if (one.confidence != null) facts.push(`confidence ${one.confidence}`);
    if (one.ms != null) facts.push(`${one.ms.toLocaleString("en")} ms`);
    if (one.cost != null) facts.push(`$${one.cost}`);
    box.append(make("p", facts.join("; ")), make("pre", one.error ?? one.output ?? ""), make("p", `run ${one.id}`, "note"));
    return box;
  };
  const show = (place) => {
    opened = place;
    const sample = current[place];
    document.getElementById("answers-title").textContent = visible(`${sample.task} ${sample.index}` + (sample.kinds.length ? ` (${sample.kinds.join(", ")})` : ""));
    for (const part of ["question", "expected"]) dialog.querySelector(`[data-part=${part}]`).textContent = visible(sample[part] ?? "");
    dialog.querySelector(".sides").replaceChildren(...(names.length > 1 ? [side(0), side(1)] : [side(0)]));
    dialog.querySelectorAll("[data-step]").forEach((button) => { button.disabled = !current[place + +button.dataset.step]; });
    if (!dialog.open) dialog.showModal();
  };
  dialog.querySelectorAll("[data-step]").forEach((button) => button.addEventListener("click", () => show(opened + +button.dataset.step)));
  const more = document.getElementById("more");
  more.addEventListener("click", () => { most += PAGE; fill(); });
  form.addEventListener("input", () => { most = PAGE; fill(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  if ([...form.kind.options].some((one) => one.value === "regressed")) form.kind.value = "regressed";
  fill();
})();
