"use strict";
(() => {
  if (!document.getElementById("samples")) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const { samples, variants: names, baseline, candidate, total, left_out_variants: leftOut } = data.samples;
  const PAGE = 50;
  const form = document.getElementById("filter");
  const dialog = document.getElementById("answers");
  const MARKS = { correct: "\u2713 correct", wrong: "\u2717 wrong", failed: "! failed", truncated: "\u2026 truncated", refused: "\u2298 refused", unparsed: "? unparsed", ungraded: "\u2013 ungraded" };
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
  const outcome = (one) => (one ? make("span", one.outcome === "scored" ? Number(one.score.toPrecision(4)) : MARKS[one.outcome], `outcome ${one.outcome}`) : make("span", "\u2013"));
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
    history.replaceState(null, "", `#sample=${encodeURIComponent(`${sample.task}:${sample.index}`)}`);
    if (!dialog.open) dialog.showModal();
  };
  dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search + "#samples"));
  // A link to one sample: #sample=TASK:INDEX.
  const follow = () => {
    const named = /^#sample=(.*)$/.exec(location.hash);
    if (!named) return;
    form.reset();
    form.kind.value = "";
    fill();
    const place = current.findIndex((one) => `${one.task}:${one.index}` === decodeURIComponent(named[1]));
    if (place < 0) document.getElementById("shown").textContent = `The sample ${visible(decodeURIComponent(named[1]))} is not in this report.`;
    else { sides = [baseline, opposite(current[place])]; show(place); }
  };
  addEventListener("hashchange", follow);
  dialog.querySelectorAll("[data-step]").forEach((button) => button.addEventListener("click", () => show(opened + +button.dataset.step)));
  const more = document.getElementById("more");
  more.addEventListener("click", () => { most += PAGE; fill(); });
  form.addEventListener("input", () => { most = PAGE; fill(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  if ([...form.kind.options].some((one) => one.value === "regressed")) form.kind.value = "regressed";
  fill();
  follow();
})();
