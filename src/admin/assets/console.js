// Keeps what is shown as it is: the daemon says that something changed, and the parts marked `data-live` are drawn anew.
// Everything works without this.
"use strict";
(() => {
  const REST = 1500; // Milliseconds between two looks.
  let waiting = false, wanted = false;

  // What somebody is busy with is left alone.
  const busy = (part) =>
    part.contains(document.activeElement) && document.activeElement !== document.body
    || part.querySelector("details[open]") !== null;

  async function look() {
    if (waiting) { wanted = true; return; }
    waiting = true;
    try {
      const answer = await fetch(location.href, { headers: { "x-again": "1" }, credentials: "same-origin" });
      if (answer.redirected && new URL(answer.url).pathname.endsWith("/login")) { location.reload(); return; }
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live][id]")) {
          const fresh = page.getElementById(part.id);
          if (fresh && fresh.outerHTML !== part.outerHTML && !busy(part)) part.replaceWith(document.adoptNode(fresh));
        }
        const ways = page.querySelector("header.top nav"), mine = document.querySelector("header.top nav");
        if (ways && mine && !busy(mine) && ways.outerHTML !== mine.outerHTML) mine.replaceWith(document.adoptNode(ways));
      }
    } catch (_) { /* The daemon is away; the next event says when it is back. */ }
    setTimeout(() => { waiting = false; if (wanted) { wanted = false; look(); } }, REST);
  }

  const source = document.body.dataset.events;
  if (source && document.querySelector("[data-live]")) {
    let events = null;
    const begin = () => {
      if (events || document.hidden) return;
      events = new EventSource(source);
      events.addEventListener("changed", look);
      // What changed after the page was drawn and before anybody listened.
      events.addEventListener("open", look);
    };
    const end = () => { if (events) { events.close(); events = null; } };
    document.addEventListener("visibilitychange", () => { if (document.hidden) end(); else { begin(); look(); } });
    begin();
  }

  // A click is one click.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "post") {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    }
  });

  // A filter is applied when it is chosen.
  document.addEventListener("change", (event) => {
    if (event.target.matches("form.filter select")) event.target.form.requestSubmit();
  });

  // `/` leads to the search.
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.matches("input, select, textarea")) {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    }
  });
})();
