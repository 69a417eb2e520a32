// Grading by keyboard: one key stores and goes on; a failed save keeps the grade on the screen.
"use strict";
(() => {
  const post = async (path, body) => {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const content = await answer.json().catch(() => ({ error: `The viewer answered ${answer.status}.` }));
    if (!answer.ok) throw new Error([content.error, content.hint].filter(Boolean).join(" "));
    return content;
  };

  const form = document.getElementById("new-queue");
  if (form) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      event.stopPropagation();
      const error = form.querySelector("[data-error]");
      try {
        const data = new FormData(form);
        const body = { ...Object.fromEntries(data), blind: form.blind.checked, whole_samples: Boolean(form.whole_samples?.checked), tasks: data.getAll("tasks") };
        const { url } = await post("/queues", body);
        location.assign(url);
      } catch (failure) {
        error.textContent = failure.message;
        error.hidden = false;
      }
    });
    return;
  }

  const panel = document.getElementById("grading");
  if (!panel) return;
  const { queue, at, author, next, scale } = panel.dataset;
  const [note, tags, number] = ["note", "tags", "number"].map((id) => document.getElementById(id));
  const failed = document.getElementById("failed");
  const last = document.getElementById("last");
  const began = performance.now();
  let waiting = null;

  // What was stored on the page before, with the way back to it.
  const carried = JSON.parse(sessionStorage.getItem("graded") ?? "null");
  if (carried?.queue === queue && carried.at !== at) {
    const back = document.createElement("a");
    back.href = carried.url;
    back.textContent = `${carried.at}: ${carried.label}`;
    const behind = Object.entries(carried.behind).map(([name, value]) => `${name}: ${value}`).join(" · ");
    last.append("Stored ", back, behind && ` (${behind})`, carried.replaced ? ` It replaced “${carried.replaced}”, which you had stored elsewhere.` : "");
  }
  if (next) fetch(next).catch(() => {});

  const send = async (body) => {
    waiting = body;
    const slow = setTimeout(() => { last.textContent = "Storing: the database is busy."; }, 1500);
    try {
      const stored = await post("/grade", body);
      waiting = null;
      failed.hidden = true;
      return stored;
    } catch (failure) {
      failed.querySelector("span").textContent = `Not stored: ${failure.message}`;
      failed.hidden = false;
      return null;
    } finally {
      clearTimeout(slow);
    }
  };
  const base = () => ({ queue, at: Number(at), author, known: panel.dataset.known || null });
  const press = (value) => panel.querySelectorAll("[data-value]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.value === String(value ?? ""))));
  const body = (value) => ({ ...base(), value, note: note.value, tags: tags.value.split(","), seconds: Math.round((performance.now() - began) / 100) / 10 });
  const finish = (stored) => {
    if (!stored) return;
    sessionStorage.setItem("graded", JSON.stringify({ queue, at, url: location.href, ...stored }));
    location.assign(next || location.href);
  };
  const grade = async (value) => { press(value); finish(await send(body(value))); };
  const undo = async () => {
    const stored = await send({ ...base(), undo: true });
    if (stored) { sessionStorage.removeItem("graded"); location.reload(); }
  };
  // Undo right after storing is meant for the answer before.
  const undoLast = async () => {
    if (panel.querySelector("[data-undo]:enabled") || carried?.queue !== queue) return undo();
    const stored = await send({ ...base(), at: Number(carried.at), undo: true });
    if (stored) { sessionStorage.removeItem("graded"); location.assign(carried.url); }
  };

  panel.querySelectorAll("[data-value]").forEach((button) => button.addEventListener("click", () => grade(button.dataset.value === "" ? null : Number(button.dataset.value))));
  panel.querySelector("[data-number-store]")?.addEventListener("click", () => grade(number.value === "" ? null : number.value));
  panel.querySelector("[data-undo]").addEventListener("click", undo);
  failed.querySelector("[data-again]").addEventListener("click", async () => {
    if (!waiting) return;
    if (waiting.undo) undo(); else finish(await send(waiting));
  });
  const steps = panel.querySelector("[data-steps]");
  const focus = (field) => { field.focus(); field.select(); };
  const keys = {
    x: () => grade(null), n: () => focus(note), t: () => focus(tags), u: undoLast,
    s: () => { if (steps) steps.open = !steps.open; },
    ...(scale === "number" ? {} : { 1: () => grade(1), 0: () => grade(0) }),
    ...(scale === "partial" ? { 5: () => grade(0.5) } : {}),
  };
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input:not([type=checkbox]), textarea, select, dialog[open]");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (field) {
      if (event.key === "Escape") field.blur();
      if (event.key === "Enter" && field === number) grade(number.value === "" ? null : number.value);
      return;
    }
    if (!document.getElementById("single-keys").checked || event.repeat) return;
    if (scale === "number" && /^[0-9.-]$/.test(event.key)) { number.value = ""; number.focus(); return; }
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
})();
