// Puts the page together, and again when the address or the data change.
const salReport = (() => {
  "use strict";
  const { el, plain } = salDom;

  function head() {
    const { runs, problems, title, version, part } = salModel;
    document.getElementById("title").textContent = plain(title);
    const partial = runs.filter((run) => run.owed).length;
    const words = [`${runs.length} run${runs.length === 1 ? "" : "s"}`,
      `${problems.length} problem${problems.length === 1 ? "" : "s"}`];
    if (partial) words.push(`${partial} not finished: their numbers are of what is done`);
    document.getElementById("about").replaceChildren(
      words.join(", ") + ". ", part ? `${part} ` : "", el("span", { class: "muted" }, `Made by sal ${version}.`));
  }

  function draw() {
    head();
    if (!salModel.runs.length) return; // nothing is done yet
    keepingFocus(() => {
      for (const part of [salProblem, salCurves, salCosts, salPairs, salTable]) part.draw();
    });
  }

  // A control that is made anew has the focus that its predecessor had.
  function keepingFocus(drawing) {
    const section = document.activeElement?.closest("section");
    const controls = () => [...section.querySelectorAll("select, button, summary")];
    const at = section ? controls().indexOf(document.activeElement) : -1;
    drawing();
    if (at >= 0 && document.activeElement === document.body) controls()[at]?.focus();
  }

  salState.listen(draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) draw();
    width = innerWidth;
  });
  draw();
  // `update` shows new data in place: for a page that follows a live run.
  return { update: (data) => { salModel.take(data); draw(); } };
})();
