// Keys, copying, and pages that stay fresh while something records. Pages work without it, too.
"use strict";
(() => {
  const status = document.getElementById("status");
  const find = (selector) => document.querySelector(selector);
  const go = (selector) => { const link = find(selector); if (link) link.click(); return Boolean(link); };

  // Single keys can be turned off (WCAG 2.1.4).
  const box = document.getElementById("single-keys");
  box.checked = localStorage.getItem("single-keys") !== "off";
  box.addEventListener("change", () => localStorage.setItem("single-keys", box.checked ? "on" : "off"));
  const dialog = document.getElementById("keys");
  const keys = {
    j: () => go("[rel=next]"), ArrowRight: () => go("[rel=next]"),
    k: () => go("[rel=prev]"), ArrowLeft: () => go("[rel=prev]"),
    d: () => go(find("[data-diff]")?.getAttribute("aria-pressed") === "true" ? "[data-no-diff]" : "[data-diff]"),
    "/": () => { const field = find("[type=search]"); field?.focus(); return Boolean(field); },
    g: () => { const field = find("[data-go]"); field?.focus(); return Boolean(field); },
    "?": () => { dialog.showModal(); return true; },
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog[open]");
    const scrolling = event.key.startsWith("Arrow") && event.target.closest("[tabindex='0']");
    if (typing || scrolling || event.ctrlKey || event.metaKey || event.altKey || !box.checked || event.defaultPrevented) return;
    if (keys[event.key]?.()) event.preventDefault();
  });

  // On a phone the list comes first.
  if (matchMedia("(max-width: 60rem)").matches) document.querySelectorAll("[data-narrow]").forEach((one) => { one.open = false; });

  const show = (selector, action) => document.querySelectorAll(selector).forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", action);
  });
  show("[data-keys]", () => dialog.showModal());
  show("[data-copy]", async (event) => {
    try {
      await navigator.clipboard.writeText(location.href);
      event.target.textContent = "Copied";
    } catch {
      event.target.textContent = "Copy it from the address bar";
    }
    setTimeout(() => { event.target.textContent = "Copy link"; }, 2000);
  });
  document.querySelectorAll("[data-submit]").forEach((field) => field.addEventListener("change", () => field.form.requestSubmit()));
  // What is left empty does not belong into a link.
  document.addEventListener("submit", (event) => {
    for (const field of event.target.elements) if (field.name && field.value === "") field.disabled = true;
  });
  addEventListener("pageshow", () => document.querySelectorAll("form :disabled").forEach((field) => { field.disabled = false; }));

  // Live: asks what changed while the tab is seen, and swaps the parts that did; nothing moves.
  let state = document.body.dataset.state;
  if (state === undefined) return;
  let quiet = 0;
  // A study that has died says nothing: how long nothing was recorded is told here.
  const watch = () => document.querySelectorAll("[data-last-run]").forEach((one) => {
    const minutes = Math.floor((Date.now() - Date.parse(one.dataset.lastRun)) / 60000);
    const words = minutes < 3 ? "" : `no run for ${minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`}`;
    if (one.textContent !== words) one.textContent = words;
  });
  const refresh = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const ran = find(".status.running");
    const parts = [...fresh.querySelectorAll("[data-live]")];
    const known = new Map([...document.querySelectorAll("[data-live]")].map((one) => [one.dataset.live, one]));
    let unknown = 0;
    for (const part of parts) {
      const old = known.get(part.dataset.live);
      if (!old) { unknown += 1; continue; }
      if (old.innerHTML === part.innerHTML || old.contains(document.activeElement)) continue;
      const ticked = old.querySelector("input[type=checkbox]")?.checked;
      old.innerHTML = part.innerHTML;
      if (ticked) old.querySelector("input[type=checkbox]").checked = true;
    }
    // A list stays as it is while it is read.
    const runs = (from) => [...from.querySelectorAll("[data-run]")].map((one) => one.dataset.run).join();
    if (runs(fresh) !== runs(document)) offer("There are other runs now: show");
    const ended = ran && !fresh.querySelector(".status.running");
    if (unknown || ended) offer(unknown ? `${unknown} new: show` : "It has ended: show the results");
    state = fresh.body.dataset.state;
    return state;
  };
  const offer = (text) => {
    if (find(".fresh")) return;
    const button = document.createElement("button");
    button.className = "fresh";
    button.textContent = text;
    button.addEventListener("click", () => location.reload());
    find("main").append(button);
    status.textContent = text;
  };
  const poll = async () => {
    let wait = quiet > 60 ? 10000 : 2000;
    if (document.visibilityState === "visible") {
      watch();
      try {
        const answer = await fetch(`/state?since=${encodeURIComponent(state)}`);
        if (status.textContent.startsWith("The viewer")) status.textContent = "";
        if (answer.status === 200) {
          quiet = 0;
          const wanted = (await answer.json()).state;
          await refresh();
          // Figures may rest for a while: then they are asked for again.
          if (state !== wanted) state = "";
        } else if (answer.status === 401) {
          status.textContent = "The viewer was started again: open its new link.";
          return;
        } else if (answer.status >= 400) {
          status.textContent = "The database cannot be read: load the page again to see why.";
        } else {
          if (status.textContent.startsWith("The database")) status.textContent = "";
          quiet += 1;
        }
      } catch {
        status.textContent = "The viewer does not answer: was it ended?";
        wait = 5000;
      }
    }
    setTimeout(poll, wait);
  };
  watch();
  setTimeout(poll, 1500);
})();
