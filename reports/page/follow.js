// Follows runs that are being written, where the page comes from `sal explore`.
(() => {
  "use strict";
  if (!salTraces.served) return;
  const EVERY = 2000; // milliseconds, and ten times what the server takes
  const seen = {};
  const lost = salDom.el("p", { role: "status", hidden: true },
    "sal explore does not answer: this page shows what it last said.");
  document.querySelector("header").append(lost);

  // What is new at `where`; null when nothing is.
  async function changed(where) {
    const reply = await fetch(where, { cache: "no-cache" });
    if (!reply.ok) throw new Error(await reply.text());
    const tag = reply.headers.get("ETag");
    if (tag === seen[where]) return null;
    seen[where] = tag;
    return reply.json();
  }

  async function look() {
    const began = performance.now();
    try {
      if (!document.hidden) {
        const data = await changed("data");
        if (data) salReport.update(data);
        const flight = await changed("flight");
        if (flight) salFlight.take(flight);
        lost.hidden = true;
      }
    } catch {
      lost.hidden = false;
    }
    setTimeout(look, Math.max(EVERY, 10 * (performance.now() - began)));
  }

  look();
})();
